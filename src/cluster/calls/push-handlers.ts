/** `push-handlers`: definitions that are new to the sender. Answered when they are on the receiver's disk. */

import type { Definition } from "../replicate/definition-table.ts";
import { defineCall, wireNothing, wireRecord } from "../rpc/define-call.ts";
import { readDefinitions } from "./handler-payloads.ts";

export const pushHandlers = defineCall<readonly Definition[], null>({
  number: 3,
  name: "push-handlers",
  exact: true,
  parseRequest: (input) => readDefinitions(wireRecord(input, "push")["definitions"]),
  parseAnswer: wireNothing,
});
