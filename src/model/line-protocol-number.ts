/**
 * Decimal digits to float64, correctly rounded, without making a string.
 *
 * A mantissa up to 2^53 divided by a power of ten up to 10^22 is one correctly rounded division. Longer ones
 * (17-digit floats) go through a double-double division whose last rounding is
 * checked: when the error bound could change the result, or there are more digits, the caller converts
 * text. Source: Clinger 1990 for the fast case; Dekker 1971 for the exact products.
 */

/** Mantissas below this take one more digit and stay ≤ 2^53. */
export const MANTISSA_ROOM = 900_719_925_474_099;

/** Powers of ten that are exact float64 values. */
export const POWERS: readonly number[] = Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

const SPLITTER = 134_217_729;
const HIGH: readonly number[] = POWERS.map((d) => {
  const t = SPLITTER * d;
  return t - (t - d);
});
const LOW: readonly number[] = POWERS.map((d, i) => d - (HIGH[i] as number));
/** Multiplying by these is several times faster than dividing, and what it is off by is found with the rest. */
const INVERSE: readonly number[] = POWERS.map((d) => 1 / d);
/** Far above the relative error of the quotient's second half, far below what matters. */
const DOUBT = 2 ** -40;

/**
 * (high · 10^extra + low) / 10^decimals, correctly rounded; NaN when this method cannot tell.
 * Needs whole numbers 0 < high ≤ 2^53 and low < 10^extra, extra 0 … 9, decimals 0 … 22.
 */
export function longDecimal(high: number, low: number, extra: number, decimals: number): number {
  const a = high * (POWERS[extra] as number);
  const u = SPLITTER * high;
  const hh = u - (u - high);
  const hl = high - hh;
  const sh = HIGH[extra] as number;
  const sl = LOW[extra] as number;
  const s = a + low;
  // What the product and the sum were rounded off by; low is the smaller one unless high is 0.
  const e = low - (s - a) + (hh * sh - a + hh * sl + hl * sh + hl * sl);
  const divisor = POWERS[decimals] as number;
  const inverse = INVERSE[decimals] as number;
  const q = s * inverse;
  const t = SPLITTER * q;
  const qh = t - (t - q);
  const ql = q - qh;
  const dh = HIGH[decimals] as number;
  const dl = LOW[decimals] as number;
  const p = q * divisor;
  const pe = qh * dh - p + qh * dl + ql * dh + ql * dl;
  const rest = (s - p - pe + e) * inverse;
  const result = q + rest;
  const slack = Math.abs(rest) * DOUBT;
  return q + (rest - slack) === q + (rest + slack) ? result : Number.NaN;
}
