/**
 * `/logs` (preview root only): a live stream of log entries that match the query.
 *
 * One session per request. Entries wait in a bounded list for a slow reader; beyond it they are left out,
 * and the reader is told how many as soon as it reads again. Filters look at the message, the level and every
 * field. Source: http-api §2.2.
 */

import type { Cancel } from "#lib/clock.ts";
import { uuid4 } from "#lib/uuid.ts";
import { UNPACKED } from "../answer.ts";
import { ApiError } from "../errors.ts";
import { LOG_SESSION_ENTRIES_MAX, LOG_SESSIONS_MAX } from "../limits.ts";
import { type LogFilter, readLogFilter } from "../log-filter.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices, TimedEntry } from "../services.ts";

export const logs = defineResource({
  name: "logs",
  doc: "Log sessions.",
  routes: [
    {
      method: "GET",
      path: "/logs",
      root: "preview",
      summary: "Streams log entries as they are written, whatever the log level is.",
      query: { lvl: "info: exactly this level; info+: this and above.", "<key>": "Field value." },
      answers: { 200: "one entry per line: logfmt, or JSON when Accept asks", 400: "error" },
      answer: openSession,
    },
  ],
});

/** Open sessions per daemon. */
const open = new WeakMap<HttpServices, number>();

function openSession(call: Call, services: HttpServices): Response {
  const filter = readLogFilter(call.query);
  if ((open.get(services) ?? 0) >= LOG_SESSIONS_MAX) {
    throw new ApiError(503, `too many log sessions, at most ${LOG_SESSIONS_MAX} may be open`);
  }
  const asJson = call.request.headers.get("accept") === "application/json";
  const type = asJson ? "application/json" : "application/logfmt";
  call.keepOpen();
  return new Response(sessionStream(call, services, filter, asJson), {
    headers: { "Content-Type": type, [UNPACKED]: "yes" },
  });
}

function sessionStream(
  call: Call,
  services: HttpServices,
  filter: LogFilter,
  asJson: boolean,
): ReadableStream {
  const log = services.log.with({
    service: "sessions",
    id: uuid4(services.random),
    "content-type": asJson ? "application/json" : "application/logfmt",
    tags: call.query.toString(),
  });
  const encoder = new TextEncoder();
  const print = (entry: TimedEntry) =>
    encoder.encode(`${services.logs.print(entry, asJson ? "json" : "logfmt")}\n`);
  let cancel: Cancel = () => {};
  let left = 0;
  const end = (): void => {
    cancel();
    cancel = () => {};
    open.set(services, Math.max(0, (open.get(services) ?? 1) - 1));
    log.info("deleted log session");
  };
  return new ReadableStream(
    {
      start(controller) {
        open.set(services, (open.get(services) ?? 0) + 1);
        cancel = services.logs.subscribe((entry) => {
          if (!filter(entry)) return;
          if ((controller.desiredSize ?? 0) <= 0) {
            left++;
            return;
          }
          const gap = left;
          left = 0;
          if (gap > 0) controller.enqueue(print(gapEntry(entry, gap)));
          controller.enqueue(print(entry));
        });
        log.info("created log session");
      },
      cancel: end,
    },
    { highWaterMark: LOG_SESSION_ENTRIES_MAX },
  );
}

/** Stands for entries that a slow reader has missed. */
function gapEntry(entry: TimedEntry, missed: number): TimedEntry {
  const context = { service: "sessions" };
  return { ...entry, level: "warn", message: "reader too slow", context, fields: { missed } };
}
