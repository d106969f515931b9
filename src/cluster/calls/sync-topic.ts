/**
 * `sync-topic`: states of one topic whose buckets differ from the asker's, a page at a time, in order of event IDs.
 */

import type { EventState } from "#alert/event.ts";
import { defineCall, wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { encodeRaised, encodeState, readRaised, readState } from "./topic-payloads.ts";

/** Event IDs fall into this many buckets by hash. */
export const BUCKETS = 256;
const STATES_MAX = 100_000;

export interface SyncTopicRequest {
  readonly topic: string;
  /** One digest per bucket; empty text for a bucket without states. */
  readonly buckets: readonly string[];
  /** `next` of the page before; empty at first. */
  readonly after: string;
}

export interface SyncTopicAnswer {
  readonly states: readonly EventState[];
  /** To be given as `after` next; empty when this was the last page. */
  readonly next: string;
}

export const syncTopic = defineCall<SyncTopicRequest, SyncTopicAnswer>({
  number: 7,
  name: "sync-topic",
  parseRequest(input) {
    const raw = wireRecord(input, "topic sync");
    return {
      topic: wireText(raw["topic"], "topic"),
      buckets: wireList(raw["buckets"], "buckets", BUCKETS).map((one) => wireText(one, "bucket")),
      after: wireText(raw["after"], "after"),
    };
  },
  parseAnswer(input) {
    const raw = wireRecord(input, "topic states");
    const states = wireList(raw["states"], "states", STATES_MAX).map(readState);
    // Beside the states and not in them, because members of an earlier release neither tell nor expect it.
    const raised = raw["raised"] === undefined ? [] : wireList(raw["raised"], "raised", STATES_MAX);
    return {
      states: states.map((state, i) => ({ ...state, ...readRaised(raised[i]) })),
      next: wireText(raw["next"], "next"),
    };
  },
});

export function encodeSyncTopicAnswer({ states, next }: SyncTopicAnswer): unknown {
  const answer = { states: states.map(encodeState), next };
  const isAnyRaised = states.some(({ raisedAt }) => raisedAt !== undefined);
  return isAnyRaised ? { ...answer, raised: states.map(encodeRaised) } : answer;
}
