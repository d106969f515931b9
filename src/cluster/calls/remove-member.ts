/** `remove-member`: a member that removes itself asks another one to record it and tell the rest (U27). */

import { defineCall, wireNothing, wireRecord, wireText } from "../rpc/define-call.ts";

export const removeMember = defineCall<{ readonly id: string }, null>({
  number: 11,
  name: "remove-member",
  parseRequest: (input) => ({ id: wireText(wireRecord(input, "removal")["id"], "id") }),
  parseAnswer: wireNothing,
});
