/** `digest-topics`: one page of `[topic, digest of its states]`, in order of topics; the asker compares with its own. */

import { defineCall, wireCount, wireList, wireRecord, wireText } from "../rpc/define-call.ts";

export interface DigestRequest {
  /** `next` of the page before; empty at first. */
  readonly after: string;
}

export interface DigestAnswer {
  readonly topics: readonly (readonly [topic: string, digest: string])[];
  /** Events counted per topic, in the same order; absent: not told. */
  readonly collected?: readonly number[];
  /** To be given as `after` next; empty when this was the last page. */
  readonly next: string;
}

const TOPICS_MAX = 100_000;

export const digestTopics = defineCall<DigestRequest, DigestAnswer>({
  number: 6,
  name: "digest-topics",
  parseRequest: (input) => ({ after: wireText(wireRecord(input, "digests")["after"], "after") }),
  parseAnswer(input) {
    const raw = wireRecord(input, "digests");
    return {
      topics: wireList(raw["topics"], "topics", TOPICS_MAX).map((item) => {
        const [topic, digest] = wireList(item, "topic digest", 2);
        return [wireText(topic, "topic"), wireText(digest, "digest")];
      }),
      ...(raw["collected"] === undefined ? {} : { collected: readCounts(raw["collected"]) }),
      next: wireText(raw["next"], "next"),
    };
  },
});

function readCounts(input: unknown): readonly number[] {
  return wireList(input, "collected", TOPICS_MAX).map((count) => wireCount(count, "collected"));
}
