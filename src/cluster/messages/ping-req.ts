/** PING-REQ: asks a helper to ping somebody who did not answer us. */

import type { Address, MemberId } from "../ports.ts";
import { defineMessage, readAddress, writeAddress } from "./message.ts";

export interface PingReq {
  readonly kind: "ping-req";
  readonly seq: number;
  readonly target: MemberId;
  /** Where the asker believes the target to be. */
  readonly address: Address;
}

export const pingReq = defineMessage<PingReq>({
  number: 3,
  kind: "ping-req",
  encode(to, record, ids) {
    to.u32(record.seq);
    to.raw(ids.bytesOf(record.target));
    writeAddress(to, record.address);
  },
  decode: (from, ids) => ({
    kind: "ping-req",
    seq: from.u32(),
    target: ids.read(from),
    address: readAddress(from),
  }),
});
