/** SUSPECT: somebody did not answer the accuser; it may still refute. */

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

export interface Suspect {
  readonly kind: "suspect";
  readonly version: Version;
  readonly id: MemberId;
  readonly accuser: MemberId;
  readonly reason: Reason;
}

export const suspect = defineMessage<Suspect>({
  number: 6,
  kind: "suspect",
  encode(to, record, ids) {
    writeVersion(to, record.version);
    to.raw(ids.bytesOf(record.id));
    to.raw(ids.bytesOf(record.accuser));
    writeReason(to, record.reason);
  },
  decode: (from, ids) => ({
    kind: "suspect",
    version: readVersion(from),
    id: ids.read(from),
    accuser: ids.read(from),
    reason: readReason(from),
  }),
});
