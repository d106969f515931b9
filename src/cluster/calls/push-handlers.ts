/** `push-handlers`: definitions that are new to the sender. Answered when they are on the receiver's disk. */

import { defineCall, wireNothing } from "../rpc/define-call.ts";
import { readPush } from "./definition-payloads.ts";
import { type HandlerDefinition, readHandler } from "./handler-payloads.ts";

export const pushHandlers = defineCall<readonly HandlerDefinition[], null>({
  number: 3,
  name: "push-handlers",
  exact: true,
  parseRequest: (input) => readPush(input, readHandler),
  parseAnswer: wireNothing,
});
