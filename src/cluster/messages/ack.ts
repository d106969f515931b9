/** ACK: answers a PING, directly or relayed by a helper; `seq` is the asker's. */

import { defineMessage } from "./message.ts";

export interface Ack {
  readonly kind: "ack";
  readonly seq: number;
  /** The sender's (a helper's, when relayed) view hash. */
  readonly hashHigh: number;
  readonly hashLow: number;
}

export const ack = defineMessage<Ack>({
  number: 2,
  kind: "ack",
  encode(to, record) {
    to.u32(record.seq);
    to.u32(record.hashHigh);
    to.u32(record.hashLow);
  },
  decode: (from) => ({
    kind: "ack",
    seq: from.u32(),
    hashHigh: from.u32(),
    hashLow: from.u32(),
  }),
});
