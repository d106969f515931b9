/** LEFT: a graceful stop. The member stays in the cluster and counts as an owner (U29). */

import type { MemberId } from "../ports.ts";
import { defineMessage, readVersion, type Version, writeVersion } from "./message.ts";

export interface Left {
  readonly kind: "left";
  readonly version: Version;
  readonly id: MemberId;
}

export const left = defineMessage<Left>({
  number: 8,
  kind: "left",
  encode(to, record, ids) {
    writeVersion(to, record.version);
    to.raw(ids.bytesOf(record.id));
  },
  decode: (from, ids) => ({ kind: "left", version: readVersion(from), id: ids.read(from) }),
});
