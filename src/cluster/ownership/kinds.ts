/**
 * What alert ownership keeps on disk: events not yet settled, and who was told of what.
 *
 * Rows are written one by one as things happen and removed when they are settled, so both tables stay as large as what
 * is going on. Their values use the wire forms of `cluster/calls`.
 */

import type { AlertEvent } from "#alert/event.ts";
import { jsonKind, type Kind } from "#storage/store.ts";
import {
  encodeAlert,
  encodeStamp,
  readAlert,
  readMember,
  readStamp,
} from "../calls/alert-payloads.ts";
import { wireCount, wireFlag, wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import type { Completion, CompletionRow } from "./completions.ts";

export interface PendingAlert {
  readonly event: AlertEvent;
  /** Of a topic that never leaves its member. */
  readonly local: boolean;
  /** Handlers not finished with; absent = all. */
  readonly left?: readonly string[];
}

const HANDLERS_MAX = 10_000;

/** Key: start of the process and a number; its order means nothing. */
export const pendingAlerts: Kind<PendingAlert> = {
  name: "pending_alerts",
  // What a crash brings back is found told, or told once more; both are so also for the shortest wait.
  removalsMayWait: true,
  packed: true,
  encode: ({ event, local, left }) => JSON.stringify({ local, event: encodeAlert(event), left }),
  decode(text) {
    const raw = wireRecord(JSON.parse(text), "pending alert");
    const alert = { local: wireFlag(raw["local"], "local"), event: readAlert(raw["event"]) };
    if (raw["left"] === undefined) return alert;
    const left = wireList(raw["left"], "left", HANDLERS_MAX);
    return { ...alert, left: left.map((handler) => wireText(handler, "handler")) };
  },
};

/** Key: `rowKey(topic, event ID)`. */
export const alertCompletions: Kind<CompletionRow> = {
  name: "alert_completions",
  inKeyOrder: true,
  encode: ({ topic, id, handlers }) =>
    JSON.stringify({
      topic,
      id,
      handlers: Object.fromEntries(
        Object.entries(handlers).map(([handler, { stamp, by }]) => [
          handler,
          [encodeStamp(stamp), by],
        ]),
      ),
    }),
  decode(text) {
    const raw = wireRecord(JSON.parse(text), "completions");
    const handlers: Record<string, Completion> = {};
    for (const [handler, value] of Object.entries(wireRecord(raw["handlers"], "handlers"))) {
      const [stamp, by] = wireList(value, "completion", 2);
      handlers[handler] = { stamp: readStamp(stamp), by: readMember(by) };
    }
    return { topic: wireText(raw["topic"], "topic"), id: wireText(raw["id"], "id"), handlers };
  },
};

export interface HybridClockRow {
  /** Stamps before this millisecond may have been used. */
  readonly untilMs: number;
}

/** One row under this key; none until the member is of a cluster with others. */
export const HYBRID_CLOCK_ROW = "bound";

export const hybridClock: Kind<HybridClockRow> = jsonKind("hybrid_clock", (input) => ({
  untilMs: wireCount(wireRecord(input, "hybrid clock")["untilMs"], "untilMs"),
}));

export const OWNERSHIP_KINDS = [pendingAlerts, alertCompletions, hybridClock] as const;
