/** NACK: a helper is well but could not reach the target; without it the asker doubts itself. */

import { defineMessage } from "./message.ts";

export type NackReason = "timeout" | "refused" | "unknown";

export interface Nack {
  readonly kind: "nack";
  readonly seq: number;
  readonly reason: NackReason;
}

const REASONS: readonly NackReason[] = ["timeout", "refused", "unknown"];

export const nack = defineMessage<Nack>({
  number: 4,
  kind: "nack",
  encode(to, record) {
    to.u32(record.seq);
    to.u8(REASONS.indexOf(record.reason));
  },
  decode: (from) => ({
    kind: "nack",
    seq: from.u32(),
    reason: REASONS[from.u8()] ?? "unknown",
  }),
});
