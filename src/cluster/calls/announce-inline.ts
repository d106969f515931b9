/**
 * `announce-inline`: which inline topics the caller runs, with a fingerprint of the handlers of each; a page of changes.
 */

import type { Announcement, AnnouncementAnswer } from "../ownership/announcements.ts";
import { WireError } from "../ports.ts";
import {
  defineCall,
  wireCount,
  wireFlag,
  wireList,
  wireRecord,
  wireText,
} from "../rpc/define-call.ts";

/** Far above what one page holds; only a liar sends more. */
const TOPICS_MAX = 100_000;

export const announceInline = defineCall<Announcement, AnnouncementAnswer>({
  number: 9,
  name: "announce-inline",
  parseRequest(input) {
    const raw = wireRecord(input, "announcement");
    const { after } = raw;
    return {
      boot: wireText(raw["boot"], "boot"),
      after: after === -1 ? -1 : wireCount(after, "after"),
      upTo: wireCount(raw["upTo"], "upTo"),
      topics: wireList(raw["topics"], "topics", TOPICS_MAX).map((item) => {
        const [topic, fingerprint, ...rest] = wireList(item, "topic", 2);
        if (rest.length > 0) throw new WireError("topic: two parts expected");
        return [wireText(topic, "topic"), wireText(fingerprint, "fingerprint")] as const;
      }),
    };
  },
  parseAnswer(input) {
    const raw = wireRecord(input, "announcement");
    return { taken: wireFlag(raw["taken"], "taken"), digest: wireText(raw["digest"], "digest") };
  },
});
