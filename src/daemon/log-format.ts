/**
 * Log entries as text, in the original's two forms: `key=value` lines and JSON lines.
 *
 * Order: ts, lvl, msg, context, fields. A value is quoted when it holds a space, a control character, `=`, `"`
 * or a broken character; that is the rule of logfmt, so people's log pipelines go on working.
 */

import { errorMessage } from "#lib/errors.ts";
import type { LogEntry } from "#lib/log.ts";
import type { Time } from "#lib/time.ts";
import { LOG_VALUE_LENGTH_MAX } from "./limits.ts";

/** An entry with the time at which it was written. */
export interface StampedEntry extends LogEntry {
  readonly time: Time;
}

/** One line without its newline. */
export function formatLogfmt(entry: StampedEntry): string {
  let line = "";
  for (const [key, value] of pairs(entry)) {
    if (line !== "") line += " ";
    line += `${keyText(key)}=${valueText(value)}`;
  }
  return line;
}

/** One JSON object without a newline; all values are strings. */
export function formatJsonLine(entry: StampedEntry): string {
  return JSON.stringify(Object.fromEntries(pairs(entry)));
}

/** Keys and texts of an entry, in order; what filters of log sessions match against. */
export function* pairs(entry: StampedEntry): Generator<readonly [string, string]> {
  yield ["ts", stamp(entry.time.ms)];
  yield ["lvl", entry.level];
  yield ["msg", entry.message];
  for (const fields of [entry.context, entry.fields])
    for (const [key, value] of Object.entries(fields))
      if (value !== undefined) yield [key, shown(value)];
}

/** Any value as text; never throws. */
function shown(value: unknown): string {
  const text = plainText(value);
  return text.length > LOG_VALUE_LENGTH_MAX ? `${text.slice(0, LOG_VALUE_LENGTH_MAX)}…` : text;
}

function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return errorMessage(value);
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value, (_key, inner) =>
      typeof inner === "bigint" ? String(inner) : inner,
    );
  } catch {
    return "[unprintable]";
  }
}

function keyText(key: string): string {
  return key.replace(/[\s="\u0000-\u001f\ufffd]/g, "_");
}

function valueText(value: string): string {
  const text = value.isWellFormed() ? value : value.toWellFormed();
  return /[\u0000-\u0020="\ufffd]/.test(text) ? JSON.stringify(text) : text;
}

let zoneText = "Z";
let zoneUntilMs = Number.NEGATIVE_INFINITY;
let zoneOffsetMs = 0;

/** Zone offsets change at quarter hours only; looking one up costs more than the rest of a stamp. */
const ZONE_CHECK_MS = 15 * 60 * 1000;

/** RFC 3339 with milliseconds in the machine's zone. */
function stamp(ms: number): string {
  if (ms >= zoneUntilMs || ms < zoneUntilMs - ZONE_CHECK_MS) {
    const minutes = -new Date(ms).getTimezoneOffset();
    zoneOffsetMs = minutes * 60_000;
    zoneText = minutes === 0 ? "Z" : offsetText(minutes);
    zoneUntilMs = (Math.floor(ms / ZONE_CHECK_MS) + 1) * ZONE_CHECK_MS;
  }
  return new Date(ms + zoneOffsetMs).toISOString().slice(0, -1) + zoneText;
}

function offsetText(minutes: number): string {
  const sign = minutes < 0 ? "-" : "+";
  const [h, m] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${sign}${String(h).padStart(2, "0")}:${String(m).padStart(2, "0")}`;
}
