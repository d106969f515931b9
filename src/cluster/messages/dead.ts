/**
 * DEAD: a suspicion that nobody refuted in time. The reason goes along, because ownership skips a
 * member whose process is surely gone at once (gossip.md §14.4).
 */

import type { MemberId } from "../ports.ts";
import {
  defineMessage,
  type Reason,
  readReason,
  readVersion,
  type Version,
  writeReason,
  writeVersion,
} from "./message.ts";

export interface Dead {
  readonly kind: "dead";
  readonly version: Version;
  readonly id: MemberId;
  readonly accuser: MemberId;
  readonly reason: Reason;
}

export const dead = defineMessage<Dead>({
  number: 7,
  kind: "dead",
  encode(to, record, ids) {
    writeVersion(to, record.version);
    to.raw(ids.bytesOf(record.id));
    to.raw(ids.bytesOf(record.accuser));
    writeReason(to, record.reason);
  },
  decode: (from, ids) => ({
    kind: "dead",
    version: readVersion(from),
    id: ids.read(from),
    accuser: ids.read(from),
    reason: readReason(from),
  }),
});
