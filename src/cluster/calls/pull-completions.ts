/**
 * `pull-completions`: what was sent while I was away? One page of completions, newest first, and what is being sent now.
 */

import type { PullAnswer, PullRequest } from "../ownership/notices.ts";
import { defineCall, wireCount, wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { encodeLane, encodeStamp, readLane, readMember, readStamp } from "./alert-payloads.ts";

const ENTRIES_MAX = 1_000_000;

export const pullCompletions = defineCall<PullRequest, PullAnswer>({
  number: 2,
  name: "pull-completions",
  parseRequest(input) {
    const raw = wireRecord(input, "pull");
    return {
      boot: wireText(raw["boot"], "boot"),
      since: wireCount(raw["since"], "since"),
      before: wireCount(raw["before"], "before"),
      digest: wireText(raw["digest"], "digest"),
    };
  },
  parseAnswer(input) {
    const raw = wireRecord(input, "completions");
    return {
      boot: wireText(raw["boot"], "boot"),
      upTo: wireCount(raw["upTo"], "upTo"),
      next: wireCount(raw["next"], "next"),
      holds: wireList(raw["holds"], "holds", ENTRIES_MAX).map(readLane),
      entries: wireList(raw["entries"], "entries", ENTRIES_MAX).map((item) => {
        const parts = wireList(item, "entry", 5);
        const lane = readLane(parts.slice(0, 3));
        return { ...lane, stamp: readStamp(parts[3]), by: readMember(parts[4]) };
      }),
    };
  },
});

export function encodePullAnswer(answer: PullAnswer): unknown {
  return {
    ...answer,
    holds: answer.holds.map(encodeLane),
    entries: answer.entries.map(({ topic, id, handler, stamp, by }) => [
      topic,
      id,
      handler,
      encodeStamp(stamp),
      by,
    ]),
  };
}
