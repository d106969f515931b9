/**
 * Exact 64-bit signed integers without a bigint for every value.
 *
 * A value is a `number` while it is a safe integer and a `bigint` beyond; that form is canonical, so
 * `===` compares two canonical values. Every operation wraps around like Go's int64. The cheap path is
 * plain number arithmetic with a range check; only results outside ±(2^53−1) take the bigint path
 * (measured 3–5 times slower, and rare). Durations in nanoseconds use the same form.
 */

/** Canonical int64: a number when |x| ≤ 2^53−1, else a bigint within −2^63 … 2^63−1. */
export type Int64 = number | bigint;

/** A signed span of time in nanoseconds, int64 range. */
export type DurationNs = Int64;

export const INT64_MAX = 9223372036854775807n;
export const INT64_MIN = -9223372036854775808n;

const MAX = Number.MAX_SAFE_INTEGER;

/** Wraps any bigint to int64 and returns its canonical form. */
export function fromBigInt(value: bigint): Int64 {
  const wrapped = BigInt.asIntN(64, value);
  return wrapped >= -9007199254740991n && wrapped <= 9007199254740991n ? Number(wrapped) : wrapped;
}

/** Converts a float to int64 as Go does: truncation towards zero; NaN and overflow give −2^63. */
export function fromFloat(value: number): Int64 {
  const whole = Math.trunc(value);
  if (whole >= -MAX && whole <= MAX) return whole + 0;
  if (!(whole >= -(2 ** 63) && whole < 2 ** 63)) return INT64_MIN;
  return fromBigInt(BigInt(whole));
}

/** The nearest float64. */
export function toFloat(value: Int64): number {
  return Number(value);
}

export function isInt64(value: unknown): value is Int64 {
  return typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
}

export function add(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (sum >= -MAX && sum <= MAX) return sum;
  }
  return fromBigInt(BigInt(a) + BigInt(b));
}

export function sub(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b;
    if (difference >= -MAX && difference <= MAX) return difference;
  }
  return fromBigInt(BigInt(a) - BigInt(b));
}

export function mul(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") {
    const product = a * b;
    if (product >= -MAX && product <= MAX) return product + 0;
  }
  return fromBigInt(BigInt(a) * BigInt(b));
}

/** Truncating division. The caller has refused b = 0. */
export function div(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") return Math.trunc(a / b) + 0;
  return fromBigInt(BigInt(a) / BigInt(b));
}

/** Remainder with the sign of the dividend. The caller has refused b = 0. */
export function rem(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") return (a % b) + 0;
  return fromBigInt(BigInt(a) % BigInt(b));
}

export function neg(a: Int64): Int64 {
  return typeof a === "number" ? 0 - a : fromBigInt(-a);
}

/** Negative, zero or positive, as a is less than, equal to or greater than b. */
export function compare(a: Int64, b: Int64): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Parses a decimal int64; `undefined` when it is not one or out of range. */
export function parseInt64(text: string): Int64 | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const big = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return big < INT64_MIN || big > INT64_MAX ? undefined : fromBigInt(big);
}
