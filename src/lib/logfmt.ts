/**
 * Log entries as lines of `key=value`, the spelling of the original's log files and log sessions.
 *
 * `ts`, `lvl` and `msg` first, then context and fields in the order given. A value is quoted when it is empty or
 * holds a space, a quote, an equals sign or a control character. Times have milliseconds.
 * Source: http-api §2.2, cli §8.
 */

import { errorMessage } from "./errors.ts";
import type { LogEntry } from "./log.ts";
import type { Time } from "./time.ts";

export interface TimedEntry extends LogEntry {
  readonly time: Time;
}

/** The line with its line feed. Never throws, whatever the fields hold. */
export function formatLogfmt(entry: TimedEntry): string {
  const parts = logPairs(entry).map(([key, value]) => `${bareKey(key)}=${quoted(value)}`);
  return `${parts.join(" ")}\n`;
}

/** All keys and values as text, in printing order. `undefined` fields are left out. */
export function logPairs(entry: TimedEntry): readonly (readonly [key: string, value: string])[] {
  const pairs: [string, string][] = [
    ["ts", stamp(entry.time)],
    ["lvl", entry.level],
    ["msg", entry.message],
  ];
  for (const fields of [entry.context, entry.fields]) {
    for (const [key, value] of Object.entries(fields)) {
      if (value !== undefined) pairs.push([key, textOf(value)]);
    }
  }
  return pairs;
}

function stamp(time: Time): string {
  return new Date(time.ms).toISOString();
}

function textOf(value: unknown): string {
  if (value instanceof Error) return errorMessage(value);
  try {
    return String(value);
  } catch {
    return "(unprintable)";
  }
}

function bareKey(key: string): string {
  return key.replace(/[\s"=\x00-\x1f\x7f]/g, "_");
}

function quoted(value: string): string {
  return value === "" || /[\s"=\x00-\x1f\x7f]/.test(value) ? JSON.stringify(value) : value;
}
