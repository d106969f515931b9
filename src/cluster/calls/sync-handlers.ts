/**
 * `sync-handlers`: one page of all definitions, in order of their keys; nothing when the whole tables are equal.
 */

import type { HandlerSpec } from "#alert/handler.ts";
import { defineCall } from "../rpc/define-call.ts";
import {
  readSyncAnswer,
  readSyncRequest,
  type SyncAnswer,
  type SyncRequest,
} from "./definition-payloads.ts";
import { readHandler } from "./handler-payloads.ts";

export const syncHandlers = defineCall<SyncRequest, SyncAnswer<HandlerSpec>>({
  number: 4,
  name: "sync-handlers",
  exact: true,
  parseRequest: readSyncRequest,
  parseAnswer: (input) => readSyncAnswer(input, readHandler),
});
