/**
 * Exact nanosecond time without an allocation per value.
 *
 * A time is two numbers: whole milliseconds since the Unix epoch (any integer, also negative) and
 * 0 … 999,999 nanoseconds. Hot paths pass the pair as two arguments and store it as two fields; `Time`
 * is the boxed form for everything else. A float64 of nanoseconds would lose up to 256 ns, a bigint
 * per point costs 32–56 bytes and 30–90 ns.
 */

import type { DurationNs } from "./int64.ts";

/** A point in time: `ms` whole milliseconds since 1970, `ns` 0 … 999,999 nanoseconds within it. */
export interface Time {
  readonly ms: number;
  readonly ns: number;
}

export const NS_PER_MS = 1_000_000;

/** The unset time of the API, 0001-01-01T00:00:00Z. Also the origin of truncation and rounding. */
export const ZERO_TIME: Time = { ms: -62135596800000, ns: 0 };

const ZERO_NS = BigInt(ZERO_TIME.ms) * 1_000_000n;

/** Splits int64 nanoseconds since the epoch. */
export function timeFromNanos(nanos: bigint): Time {
  let ns = nanos % 1_000_000n;
  if (ns < 0n) ns += 1_000_000n;
  return { ms: Number((nanos - ns) / 1_000_000n), ns: Number(ns) };
}

/** Nanoseconds since the epoch. Not wrapped: years beyond 2262 exceed int64. */
export function timeToNanos(ms: number, ns: number): bigint {
  return BigInt(ms) * 1_000_000n + BigInt(ns);
}

/** `timeToNanos` as text. */
export function nanosText(ms: number, ns: number): string {
  // Digits stand side by side when both parts count upwards: no bigint is needed then.
  if (ms <= 0) return String(timeToNanos(ms, ns));
  return `${ms}${ns === 0 ? "000000" : String(ns).padStart(6, "0")}`;
}

/** Negative, zero or positive, as the first time is before, at or after the second. */
export function compareTime(aMs: number, aNs: number, bMs: number, bNs: number): number {
  return aMs !== bMs ? aMs - bMs : aNs - bNs;
}

/** a − b in nanoseconds (canonical int64 form while it fits). */
export function timeDifference(aMs: number, aNs: number, bMs: number, bNs: number): DurationNs {
  const ms = aMs - bMs;
  const difference = ms * NS_PER_MS + (aNs - bNs);
  if (ms > -9_007_199_253 && ms < 9_007_199_253) return difference;
  return BigInt(ms) * 1_000_000n + BigInt(aNs - bNs);
}

/** A duration split for time arithmetic: floor milliseconds and 0 … 999,999 ns. */
export function splitDuration(duration: DurationNs): Time {
  if (typeof duration === "bigint") return timeFromNanos(duration);
  const ms = Math.floor(duration / NS_PER_MS);
  return { ms, ns: duration - ms * NS_PER_MS };
}

/** time + duration. */
export function addDuration(ms: number, ns: number, duration: DurationNs): Time {
  const d = splitDuration(duration);
  const sumNs = ns + d.ns;
  return sumNs >= NS_PER_MS
    ? { ms: ms + d.ms + 1, ns: sumNs - NS_PER_MS }
    : { ms: ms + d.ms, ns: sumNs };
}

/** Largest multiple of `duration` since year 1 that is not after the time; `duration` ≤ 0 changes nothing. */
export function truncateTime(ms: number, ns: number, duration: DurationNs): Time {
  if (duration <= 0) return { ms, ns };
  if (typeof duration === "number" && duration % NS_PER_MS === 0) {
    const step = duration / NS_PER_MS;
    const since = ms - ZERO_TIME.ms;
    return { ms: ms - (((since % step) + step) % step), ns: 0 };
  }
  const nanos = timeToNanos(ms, ns);
  const step = BigInt(duration);
  let over = (nanos - ZERO_NS) % step;
  if (over < 0n) over += step;
  return timeFromNanos(nanos - over);
}

/** Nearest multiple of `duration` since year 1, half up; `duration` ≤ 0 changes nothing. */
export function roundTime(ms: number, ns: number, duration: DurationNs): Time {
  if (duration <= 0) return { ms, ns };
  const down = truncateTime(ms, ns, duration);
  const over = BigInt(timeDifference(ms, ns, down.ms, down.ns));
  return over * 2n < BigInt(duration) ? down : addDuration(down.ms, down.ns, duration);
}

/** RFC 3339 in UTC with up to nine fractional digits, trailing zeros trimmed (Go's RFC3339Nano). */
export function formatTime(ms: number, ns: number): string {
  const second = Math.floor(ms / 1000);
  const fraction = (ms - second * 1000) * NS_PER_MS + ns;
  const head = dateHead(second);
  if (fraction === 0) return `${head}Z`;
  return `${head}.${String(fraction).padStart(9, "0").replace(/0+$/, "")}Z`;
}

/** How Go prints a UTC time by default: `2020-09-13 12:26:40.5 +0000 UTC`. */
export function formatTimeGo(ms: number, ns: number): string {
  return `${formatTime(ms, ns).replace("T", " ").slice(0, -1)} +0000 UTC`;
}

/** The second last written: events and rows of one moment come together. */
let written = { second: Number.NaN, head: "" };

function dateHead(second: number): string {
  if (second === written.second) return written.head;
  const iso = new Date(second * 1000).toISOString();
  const head = iso.slice(0, -5).replace(/^\+0*(\d{4,})-/, "$1-");
  written = { second, head };
  return head;
}

/** Parses RFC 3339 with any offset and up to nine fractional digits; `undefined` when it is not one. */
export function parseTime(text: string): Time | undefined {
  const match =
    /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const [, date, clock, fraction = "", zone] = match;
  const base = Date.parse(`${date}T${clock}${zone === "z" ? "Z" : zone}`);
  if (Number.isNaN(base)) return undefined;
  const nanos = Number(fraction.padEnd(9, "0"));
  const ms = Math.floor(nanos / NS_PER_MS);
  return { ms: base + ms, ns: nanos - ms * NS_PER_MS };
}
