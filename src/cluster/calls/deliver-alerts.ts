/**
 * `deliver-alerts`: notices and events from one member to another. The answer means that they were applied in memory.
 */

import type { Batch } from "../ownership/notices.ts";
import { defineCall, wireList, wireNothing, wireRecord } from "../rpc/define-call.ts";
import { encodeAlert, encodeNotice, readAlert, readNotice } from "./alert-payloads.ts";

/** Far above what one batch holds; only a liar sends more. */
const ITEMS_MAX = 100_000;

export const deliverAlerts = defineCall<Batch, null>({
  number: 1,
  name: "deliver-alerts",
  parseRequest(input) {
    const { notices, events } = wireRecord(input, "batch");
    return {
      notices: wireList(notices, "notices", ITEMS_MAX).map(readNotice),
      events: wireList(events, "events", ITEMS_MAX).map(readAlert),
    };
  },
  parseAnswer: wireNothing,
});

export function encodeBatch({ notices, events }: Batch): unknown {
  return { notices: notices.map(encodeNotice), events: events.map(encodeAlert) };
}
