/**
 * Methods that templates may call on times and durations: `.Time.Format "15:04"`, `.Duration.Minutes`.
 *
 * Only value methods make sense in a message. Times are UTC, so `Local` and `UTC` change nothing.
 */

import { compare, div, fromBigInt, type Int64, neg } from "#lib/int64.ts";
import {
  addDuration,
  compareTime,
  roundTime,
  timeDifference,
  timeToNanos,
  truncateTime,
  ZERO_TIME,
} from "#lib/time.ts";
import { ValueError } from "./template-error.ts";
import { formatLayout, MONTHS, WEEKDAYS } from "./time-layout.ts";
import { GoDuration, GoFloat, GoTime, kindOf, typeName } from "./values.ts";

/** A method by name with the number of its arguments. */
export interface Method {
  readonly parameters: number;
  call(args: readonly unknown[]): unknown;
}

/** The method of a value, or `undefined` when the value has none of that name. */
export function methodOf(value: unknown, name: string): Method | undefined {
  if (value instanceof GoTime && Object.hasOwn(TIME, name)) {
    const entry = TIME[name];
    return entry && { parameters: entry[0], call: (args) => entry[1](value, args) };
  }
  if (value instanceof GoDuration && Object.hasOwn(DURATION, name)) {
    const entry = DURATION[name];
    return entry && { parameters: entry[0], call: (args) => entry[1](value.ns, args) };
  }
  return undefined;
}

type Entry<T> = readonly [parameters: number, call: (of: T, args: readonly unknown[]) => unknown];

const nanos = (time: GoTime): bigint => timeToNanos(time.ms, time.ns);
const date = (time: GoTime): Date => new Date(time.ms);

const TIME: Readonly<Record<string, Entry<GoTime>>> = {
  String: [0, (t) => String(t)],
  Format: [1, (t, args) => formatLayout(t, textOf(args[0]))],
  Unix: [0, (t) => Math.floor(t.ms / 1000)],
  UnixMilli: [0, (t) => t.ms],
  UnixMicro: [0, (t) => fromBigInt(nanos(t) / 1000n)],
  UnixNano: [0, (t) => fromBigInt(nanos(t))],
  UTC: [0, (t) => t],
  Local: [0, (t) => t],
  Year: [0, (t) => date(t).getUTCFullYear()],
  Month: [0, (t) => MONTHS[date(t).getUTCMonth()]],
  Day: [0, (t) => date(t).getUTCDate()],
  Hour: [0, (t) => date(t).getUTCHours()],
  Minute: [0, (t) => date(t).getUTCMinutes()],
  Second: [0, (t) => date(t).getUTCSeconds()],
  Nanosecond: [0, (t) => Number(((nanos(t) % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)],
  Weekday: [0, (t) => WEEKDAYS[date(t).getUTCDay()]],
  YearDay: [0, (t) => dayOfYear(t)],
  IsZero: [0, (t) => compareTime(t.ms, t.ns, ZERO_TIME.ms, ZERO_TIME.ns) === 0],
  Add: [1, (t, args) => new GoTime(addDuration(t.ms, t.ns, durationOf(args[0])))],
  Sub: [1, (t, args) => new GoDuration(difference(t, timeOf(args[0])))],
  Before: [1, (t, args) => difference(t, timeOf(args[0])) < 0],
  After: [1, (t, args) => difference(t, timeOf(args[0])) > 0],
  Equal: [1, (t, args) => compare(difference(t, timeOf(args[0])), 0) === 0],
  Truncate: [1, (t, args) => new GoTime(truncateTime(t.ms, t.ns, durationOf(args[0])))],
  Round: [1, (t, args) => new GoTime(roundTime(t.ms, t.ns, durationOf(args[0])))],
};

const DURATION: Readonly<Record<string, Entry<Int64>>> = {
  String: [0, (ns) => String(new GoDuration(ns))],
  Nanoseconds: [0, (ns) => ns],
  Microseconds: [0, (ns) => div(ns, 1_000)],
  Milliseconds: [0, (ns) => div(ns, 1_000_000)],
  Seconds: [0, (ns) => new GoFloat(Number(ns) / 1e9)],
  Minutes: [0, (ns) => new GoFloat(Number(ns) / 6e10)],
  Hours: [0, (ns) => new GoFloat(Number(ns) / 3.6e12)],
  Abs: [0, (ns) => new GoDuration(ns < 0 ? neg(ns) : ns)],
  Truncate: [1, (ns, args) => new GoDuration(truncated(ns, durationOf(args[0])))],
  Round: [1, (ns, args) => new GoDuration(roundedTo(ns, durationOf(args[0])))],
};

function difference(a: GoTime, b: GoTime): Int64 {
  return timeDifference(a.ms, a.ns, b.ms, b.ns);
}

function dayOfYear(time: GoTime): number {
  const year = date(time).getUTCFullYear();
  return Math.floor((time.ms - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
}

function truncated(ns: Int64, step: Int64): Int64 {
  if (step <= 0) return ns;
  return fromBigInt(BigInt(ns) - (BigInt(ns) % BigInt(step)));
}

/** Nearest multiple, halves away from zero. */
function roundedTo(ns: Int64, step: Int64): Int64 {
  if (step <= 0) return ns;
  const [n, s] = [BigInt(ns), BigInt(step)];
  const size = n < 0n ? -n : n;
  const up = ((size + s / 2n + (s % 2n === 0n ? 0n : 1n)) / s) * s;
  const down = (size / s) * s;
  const nearest = (size - down) * 2n < s ? down : up;
  return fromBigInt(n < 0n ? -nearest : nearest);
}

function textOf(value: unknown): string {
  const v = kindOf(value);
  if (v.kind === "string") return v.value;
  throw new ValueError(`wrong type for value; expected string; got ${typeName(value)}`);
}

function durationOf(value: unknown): Int64 {
  const v = kindOf(value);
  if (v.kind === "duration") return v.value.ns;
  if (v.kind === "int") return v.value;
  throw new ValueError(`wrong type for value; expected time.Duration; got ${typeName(value)}`);
}

function timeOf(value: unknown): GoTime {
  if (value instanceof GoTime) return value;
  throw new ValueError(`wrong type for value; expected time.Time; got ${typeName(value)}`);
}
