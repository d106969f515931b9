/**
 * Which log entries a session wants: `key=value` pairs, all of which must hold.
 *
 * A key is looked for in the message (`msg`), the level (`lvl`) and the fields. `lvl=info` takes exactly that
 * level, `lvl=info+` that and above; an unknown name with `+` counts as debug. Source: http-api §2.2.
 */

import type { LogEntry, LogLevel } from "#lib/log.ts";
import { ApiError } from "./errors.ts";

export type LogFilter = (entry: LogEntry) => boolean;

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Throws 400 when a key comes twice. */
export function readLogFilter(query: URLSearchParams): LogFilter {
  const tests: LogFilter[] = [];
  const seen = new Set<string>();
  for (const [key, value] of query) {
    if (seen.has(key)) {
      throw new ApiError(400, "query params cannot contain duplicate params");
    }
    seen.add(key);
    tests.push(key === "lvl" ? levelTest(value) : fieldTest(key, value));
  }
  return (entry) => tests.every((test) => test(entry));
}

function levelTest(value: string): LogFilter {
  if (!value.endsWith("+")) return (entry) => entry.level === value.toLowerCase();
  const name = value.slice(0, -1).toLowerCase();
  const least = Object.hasOwn(RANK, name) ? RANK[name as LogLevel] : RANK.debug;
  return (entry) => RANK[entry.level] >= least;
}

function fieldTest(key: string, value: string): LogFilter {
  if (key === "msg") return (entry) => entry.message === value;
  return ({ fields, context }) => {
    if (Object.hasOwn(fields, key)) return String(fields[key]) === value;
    return Object.hasOwn(context, key) && String(context[key]) === value;
  };
}
