/** `push-tasks`: cluster tasks and templates that are new to the sender. Answered when the receiver follows them. */

import { defineCall, wireNothing } from "../rpc/define-call.ts";
import { readPush } from "./definition-payloads.ts";
import { readTask, type TaskDefinition } from "./task-payloads.ts";

export const pushTasks = defineCall<readonly TaskDefinition[], null>({
  number: 14,
  name: "push-tasks",
  exact: true,
  parseRequest: (input) => readPush(input, readTask),
  parseAnswer: wireNothing,
});
