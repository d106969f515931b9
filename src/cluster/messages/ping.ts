/** PING: "are you there?" The target's ID makes a reused address answer nothing. */

import type { MemberId } from "../ports.ts";
import { defineMessage } from "./message.ts";

export interface Ping {
  readonly kind: "ping";
  readonly seq: number;
  readonly target: MemberId;
  /** The sender's view hash, high and low half. */
  readonly hashHigh: number;
  readonly hashLow: number;
}

export const ping = defineMessage<Ping>({
  number: 1,
  kind: "ping",
  encode(to, record, ids) {
    to.u32(record.seq);
    to.raw(ids.bytesOf(record.target));
    to.u32(record.hashHigh);
    to.u32(record.hashLow);
  },
  decode: (from, ids) => ({
    kind: "ping",
    seq: from.u32(),
    target: ids.read(from),
    hashHigh: from.u32(),
    hashLow: from.u32(),
  }),
});
