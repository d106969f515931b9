/** `hand-over`: "you are about to be removed: pass on what you hold"; answered when that is done (U27). */

import { defineCall, wireNothing } from "../rpc/define-call.ts";

export const handOver = defineCall<null, null>({
  number: 12,
  name: "hand-over",
  parseRequest: wireNothing,
  parseAnswer: wireNothing,
});
