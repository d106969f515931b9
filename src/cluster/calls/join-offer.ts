/**
 * `join-offer`: "belong to my cluster" — sent by `member add` to a member that may not know us (U6).
 *
 * The payload's shape is checked in `swim/join-rules.ts`, where the decision is made too.
 */

import { type Call, defineCall, wireRecord } from "../rpc/define-call.ts";

export const joinOffer: Call<unknown, unknown> = defineCall({
  number: 10,
  name: "join-offer",
  joining: true,
  parseRequest: (input) => wireRecord(input, "join offer"),
  parseAnswer: (input) => wireRecord(input, "join answer"),
});
