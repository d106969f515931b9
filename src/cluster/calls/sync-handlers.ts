/**
 * `sync-handlers`: one page of all definitions, in order of their keys; nothing when the whole tables are equal.
 */

import type { Definition } from "../replicate/definition-table.ts";
import { defineCall, wireFlag, wireRecord, wireText } from "../rpc/define-call.ts";
import { readDefinitions } from "./handler-payloads.ts";

export interface SyncRequest {
  /** Digest of the asker's table. */
  readonly digest: string;
  /** Key of the last definition already received; empty at first. */
  readonly after: string;
}

export interface SyncAnswer {
  readonly same: boolean;
  readonly definitions: readonly Definition[];
  /** To be given as `after` next; empty when this was the last page. */
  readonly next: string;
}

export const syncHandlers = defineCall<SyncRequest, SyncAnswer>({
  number: 4,
  name: "sync-handlers",
  exact: true,
  parseRequest(input) {
    const raw = wireRecord(input, "sync");
    return { digest: wireText(raw["digest"], "digest"), after: wireText(raw["after"], "after") };
  },
  parseAnswer(input) {
    const raw = wireRecord(input, "sync answer");
    return {
      same: wireFlag(raw["same"], "same"),
      definitions: readDefinitions(raw["definitions"]),
      next: wireText(raw["next"], "next"),
    };
  },
});
