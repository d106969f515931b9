/** `sync-silences`: one page of all silences, in order of their IDs; nothing when both sides hold the same. */

import type { SilenceChange } from "#alert/silence.ts";
import { defineCall, wireFlag, wireRecord, wireText } from "../rpc/define-call.ts";
import { readSilences } from "./silence-payloads.ts";

export interface SilenceSyncRequest {
  /** Digest of the asker's silences. */
  readonly digest: string;
  /** ID of the last silence already received; empty at first. */
  readonly after: string;
}

export interface SilenceSyncAnswer {
  readonly same: boolean;
  readonly silences: readonly SilenceChange[];
  /** To be given as `after` next; empty when this was the last page. */
  readonly next: string;
}

export const syncSilences = defineCall<SilenceSyncRequest, SilenceSyncAnswer>({
  number: 17,
  name: "sync-silences",
  parseRequest(input) {
    const raw = wireRecord(input, "sync");
    return { digest: wireText(raw["digest"], "digest"), after: wireText(raw["after"], "after") };
  },
  parseAnswer(input) {
    const raw = wireRecord(input, "sync answer");
    return {
      same: wireFlag(raw["same"], "same"),
      silences: readSilences(raw["silences"]),
      next: wireText(raw["next"], "next"),
    };
  },
});
