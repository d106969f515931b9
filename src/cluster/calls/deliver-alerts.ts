/**
 * `deliver-alerts`: notices and events from one member to another. The answer means that they were applied in memory.
 */

import type { Batch, Before } from "../ownership/notices.ts";
import { defineCall, wireList, wireNothing, wireRecord } from "../rpc/define-call.ts";
import {
  encodeAlert,
  encodeNotice,
  encodeStamp,
  readAlert,
  readNotice,
  readStamp,
} from "./alert-payloads.ts";

/** Far above what one batch holds; only a liar sends more. */
const ITEMS_MAX = 100_000;

export const deliverAlerts = defineCall<Batch, null>({
  number: 1,
  name: "deliver-alerts",
  parseRequest(input) {
    const { notices, events, before } = wireRecord(input, "batch");
    const said = before === undefined ? undefined : wireList(before, "before", ITEMS_MAX);
    return {
      ...(said === undefined ? {} : { before: said.map(readBefore) }),
      notices: wireList(notices, "notices", ITEMS_MAX).map(readNotice),
      events: wireList(events, "events", ITEMS_MAX).map(readAlert),
    };
  },
  parseAnswer: wireNothing,
});

export function encodeBatch({ notices, events, before }: Batch): unknown {
  const batch = { notices: notices.map(encodeNotice), events: events.map(encodeAlert) };
  const isSaid = before?.some((one) => one !== undefined) === true;
  return isSaid ? { ...batch, before: before.map(encodeBefore) } : batch;
}

function encodeBefore(before: Before): unknown {
  if (before === undefined) return null;
  return before === "first" ? 0 : encodeStamp(before);
}

function readBefore(input: unknown): Before {
  if (input === null) return undefined;
  return input === 0 ? "first" : readStamp(input);
}
