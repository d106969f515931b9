/** `probe-owner`: are you there? Asked of a topic's owners before one of its handlers is edited (U21). */

import { defineCall, wireNothing } from "../rpc/define-call.ts";

export const probeOwner = defineCall<null, null>({
  number: 5,
  name: "probe-owner",
  parseRequest: wireNothing,
  parseAnswer: wireNothing,
});
