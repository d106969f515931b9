/**
 * BIG: marks a TCP frame whose following records were too large for the pair's datagrams. It carries
 * their number, so that a frame cut short by a bug is noticed.
 */

import { defineMessage } from "./message.ts";

export interface Big {
  readonly kind: "big";
  /** Records that follow in the frame, 1 … 65,535. */
  readonly records: number;
}

export const big = defineMessage<Big>({
  number: 11,
  kind: "big",
  encode: (to, record) => to.u16(record.records),
  decode: (from) => ({ kind: "big", records: from.u16() }),
});
