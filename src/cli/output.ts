/**
 * Tables and times as the original prints them: fixed widths, left-justified, trailing padding printed.
 *
 * Widths count characters, as Go's printf does. Source: cli §1, §5, §6.
 */

import { encodeJson } from "#lib/json.ts";
import type { Dbrp } from "#model/dbrp.ts";
import { formatDbrp } from "#model/dbrp.ts";
import { type JsonRecord, records, text } from "./api.ts";
import type { CommandContext } from "./command.ts";

/** Prints what a command has found: the lines of its table, or the API's JSON. */
export function report(
  { environment, output }: CommandContext,
  json: JsonRecord,
  lines: readonly string[],
): void {
  environment.out(output === "json" ? jsonText(json) : lines.map((line) => `${line}\n`).join(""));
}

export function jsonText(value: JsonRecord): string {
  return `${encodeJson(value, JSON_INDENT)}\n`;
}

const JSON_INDENT = 2;

/** Pads on the right up to `width`; longer text stays whole. */
export function left(cell: unknown, width: number): string {
  const shown = String(cell);
  return shown + " ".repeat(Math.max(0, width - [...shown].length));
}

/** Pads on the left. */
export function right(cell: unknown, width: number): string {
  const shown = String(cell);
  return " ".repeat(Math.max(0, width - [...shown].length)) + shown;
}

/** One more than the longest of the texts and `least`. */
export function columnWidth(cells: readonly string[], least: number): number {
  return cells.reduce((width, cell) => Math.max(width, [...cell].length), least) + 1;
}

export function formatDbrps(row: JsonRecord): string {
  const dbrps: Dbrp[] = records(row, "dbrps").map((each) => ({
    db: text(each, "db"),
    rp: text(each, "rp"),
  }));
  return `[${dbrps.map(formatDbrp).join(" ")}]`;
}

/** Where a task runs: the API addresses of the members of a cluster task, `local` for any other. */
export function formatMembers(task: JsonRecord): string {
  if (task["members"] === undefined) return "local";
  const addresses = records(task, "members").map((each) => text(each, "api-address"));
  const members = addresses.length === 0 ? "none" : addresses.join(" ");
  return task["cluster"] === true ? members : `local, hides the cluster's on ${members}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** RFC 822 in the zone that the server wrote: `22 Nov 26 06:27 UTC`. Text that is no time stays. */
export function formatServerTime(time: string): string {
  const match = /^\d\d(\d\d)-(\d\d)-(\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (match === null) return time;
  const [, year, month, day, clock, zone = "Z"] = match;
  const shownZone = zone === "Z" ? "UTC" : zone.replace(":", "");
  return `${day} ${MONTHS[Number(month) - 1]} ${year} ${clock} ${shownZone}`;
}

/** The same in a given zone (IANA name), or in the machine's. */
export function formatLocalTime(time: string, timeZone: string | undefined): string {
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return time;
  const format = new Intl.DateTimeFormat("en-GB", {
    ...(timeZone === undefined ? {} : { timeZone }),
    day: "2-digit",
    month: "numeric",
    year: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  });
  const parts = new Map(format.formatToParts(ms).map((part) => [part.type, part.value]));
  const month = MONTHS[Number(parts.get("month")) - 1];
  const clock = `${parts.get("hour")}:${parts.get("minute")}`;
  return `${parts.get("day")} ${month} ${parts.get("year")} ${clock} ${parts.get("timeZoneName")}`;
}
