/**
 * Recordings and replays from the command line: begun, waited for, and told by their ID.
 *
 * The server is asked every half second, as the original does. A failure is told after the ID, which scripts read.
 * Source: cli §3.
 */

import { parseInfluxDuration } from "#lib/duration.ts";
import { neg } from "#lib/int64.ts";
import { addDuration, formatTime, parseTime, type Time } from "#lib/time.ts";
import { type JsonRecord, link, record, text } from "./api.ts";
import type { Command, CommandContext } from "./command.ts";
import type { Flags } from "./flags.ts";
import { report } from "./output.ts";
import { Progress } from "./progress.ts";

/** Milliseconds between two looks at the server. */
const POLL_MS = 500;

/** Posts the request, waits until it has ended unless told otherwise, and prints its ID. */
export async function runLongWork(
  path: string,
  body: JsonRecord,
  { label, noWait }: { readonly label: string; readonly noWait: boolean },
  context: CommandContext,
): Promise<void> {
  const begun = record(await context.api.post(path, body));
  const ended = noWait ? begun : await finished(begun, label, context);
  report(context, ended, [text(ended, "id")]);
  if (text(ended, "status") === "failed") throw new Error(text(ended, "error"));
}

async function finished(
  begun: JsonRecord,
  label: string,
  { api, environment }: CommandContext,
): Promise<JsonRecord> {
  const progress = new Progress(environment, `${label} ${text(begun, "id")}`);
  const href = link(begun);
  try {
    for (;;) {
      const now = await api.get(href);
      if (text(now, "status") !== "running") return now;
      progress.part(Number(now["progress"] ?? 0));
      await environment.wait(POLL_MS);
    }
  } finally {
    progress.close();
  }
}

/** Shows the command's help, then fails: what the original does for missing options. */
export function missing(message: string, command: Command, context: CommandContext): Error {
  if (context.output !== "json") context.environment.err(`${command.help}\n`);
  return new Error(message);
}

/** Times of `-start` or `-past` and `-stop`, as the API wants them. */
export function readRange(
  flags: Flags,
  { environment }: CommandContext,
): { readonly start: string; readonly stop: string } {
  const [start, past] = [flags.text("start") ?? "", flags.text("past") ?? ""];
  if (start === "" && past === "") throw new Error("must set one of start or past flags.");
  if (start !== "" && past !== "") throw new Error("cannot set both start and past flags.");
  const stopText = flags.text("stop") ?? "";
  const stop = stopText === "" ? timeOf(environment.nowMs()) : readTime("stop", stopText);
  const from =
    start === ""
      ? addDuration(stop.ms, stop.ns, neg(readDuration(past)))
      : readTime("start", start);
  return { start: formatTime(from.ms, from.ns), stop: formatTime(stop.ms, stop.ns) };
}

/** So long from now, as the API wants it. */
export function readDeadline(duration: string, { environment }: CommandContext): string {
  const now = timeOf(environment.nowMs());
  const { ms, ns } = addDuration(now.ms, now.ns, readDuration(duration));
  return formatTime(ms, ns);
}

/** How a replay treats time. */
export function readPace(flags: Flags): JsonRecord {
  return {
    "recording-time": flags.isSet("rec-time"),
    clock: flags.isSet("real-clock") ? "real" : "fast",
  };
}

function timeOf(ms: number): Time {
  return { ms, ns: 0 };
}

function readTime(name: string, given: string): Time {
  const time = parseTime(given);
  if (time === undefined)
    throw new Error(`invalid ${name} time ${JSON.stringify(given)}: not RFC 3339`);
  return time;
}

function readDuration(given: string) {
  const duration = parseInfluxDuration(given);
  if (duration === undefined) throw new Error(`invalid duration ${JSON.stringify(given)}`);
  return duration;
}
