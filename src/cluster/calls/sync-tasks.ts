/** `sync-tasks`: one page of all cluster tasks and templates; nothing when the whole tables are equal. */

import { defineCall } from "../rpc/define-call.ts";
import {
  readSyncAnswer,
  readSyncRequest,
  type SyncAnswer,
  type SyncRequest,
} from "./definition-payloads.ts";
import { readTask, type TaskFields } from "./task-payloads.ts";

export const syncTasks = defineCall<SyncRequest, SyncAnswer<TaskFields>>({
  number: 15,
  name: "sync-tasks",
  exact: true,
  parseRequest: readSyncRequest,
  parseAnswer: (input) => readSyncAnswer(input, readTask),
});
