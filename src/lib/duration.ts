/**
 * Durations as text, in the three spellings the product meets.
 *
 * Go form (`1m30s`, configuration and messages), TICKscript form (one number, one unit) and the
 * InfluxQL form of the command line and of vars (`1h30m`, units down to `ns`, plus `d` and `w`).
 */

import { type DurationNs, fromBigInt, INT64_MAX } from "./int64.ts";

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  u: 1_000n,
  us: 1_000n,
  µ: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
};

export const SECOND = 1_000_000_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Parses Go's form (`1h2m3.5s`, `-1ms`, `0`); `undefined` when it is not one or overflows int64. */
export function parseGoDuration(text: string): DurationNs | undefined {
  return parse(text, ["ns", "us", "µs", "μs", "ms", "s", "m", "h"], true);
}

/** Parses InfluxQL's form (`1h30m`, `10s`, `5u`, `2w`); no fractions. */
export function parseInfluxDuration(text: string): DurationNs | undefined {
  return parse(text, ["ns", "u", "µ", "ms", "s", "m", "h", "d", "w"], false);
}

function parse(text: string, units: readonly string[], go: boolean): DurationNs | undefined {
  const signed = /^([+-]?)(.*)$/s.exec(text);
  const sign = signed?.[1] === "-" ? -1n : 1n;
  const rest = signed?.[2] ?? "";
  if (go && rest === "0") return 0;
  if (rest === "") return undefined;
  const part = /(\d*)(?:(\.)(\d*))?([a-zµμ]+)/gy;
  let total = 0n;
  while (part.lastIndex < rest.length) {
    const match = part.exec(rest);
    if (match === null) return undefined;
    const [, whole = "", dot, fraction = "", unit = ""] = match;
    const scale = UNITS[unit];
    if (scale === undefined || !units.includes(unit)) return undefined;
    if (whole === "" && fraction === "") return undefined;
    if (dot !== undefined && !go) return undefined;
    total += BigInt(whole === "" ? "0" : whole) * scale;
    if (fraction !== "") total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
    if (total > INT64_MAX) return undefined;
  }
  return fromBigInt(sign * total);
}

/** Go's form: `1h0m0s`, `1m30s`, `1.5s`, `500ms`, `1.733µs`, `0s`. */
export function formatGoDuration(duration: DurationNs): string {
  let ns = BigInt(duration);
  if (ns === 0n) return "0s";
  const sign = ns < 0n ? "-" : "";
  if (ns < 0n) ns = -ns;
  if (ns < 1_000n) return `${sign}${ns}ns`;
  if (ns < 1_000_000n) return `${sign}${decimal(ns, 1_000n, 3)}µs`;
  if (ns < 1_000_000_000n) return `${sign}${decimal(ns, 1_000_000n, 6)}ms`;
  const minutes = ns / 60_000_000_000n;
  const seconds = `${decimal(ns % 60_000_000_000n, 1_000_000_000n, 9)}s`;
  if (minutes === 0n) return sign + seconds;
  const hours = minutes / 60n;
  return hours === 0n
    ? `${sign}${minutes}m${seconds}`
    : `${sign}${hours}h${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, unit: bigint, digits: number): string {
  const fraction = value % unit;
  if (fraction === 0n) return String(value / unit);
  return `${value / unit}.${String(fraction).padStart(digits, "0").replace(/0+$/, "")}`;
}

/** TICKscript's form: the largest single unit that is exact (`90s`, `1h`, `1500u`, `0s`). */
export function formatTickDuration(duration: DurationNs): string {
  const ns = BigInt(duration);
  if (ns === 0n) return "0s";
  for (const unit of ["w", "d", "h", "m", "s", "ms", "u"]) {
    const scale = UNITS[unit] as bigint;
    if (ns % scale === 0n) return `${ns / scale}${unit}`;
  }
  return `${ns}ns`;
}
