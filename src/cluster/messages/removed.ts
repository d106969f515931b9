/** REMOVED: taken out by an operator. Beats every incarnation of its epoch; answered to the removed member's packets. */

import type { MemberId } from "../ports.ts";
import { defineMessage } from "./message.ts";

export interface Removed {
  readonly kind: "removed";
  readonly epoch: number;
  readonly id: MemberId;
  readonly remover: MemberId;
}

export const removed = defineMessage<Removed>({
  number: 9,
  kind: "removed",
  encode(to, record, ids) {
    to.u32(record.epoch);
    to.raw(ids.bytesOf(record.id));
    to.raw(ids.bytesOf(record.remover));
  },
  decode: (from, ids) => ({
    kind: "removed",
    epoch: from.u32(),
    id: ids.read(from),
    remover: ids.read(from),
  }),
});
