/**
 * Decimal digits to float64, correctly rounded, without making a string.
 *
 * A mantissa up to 2^53 divided by a power of ten up to 10^22 is one correctly rounded division. Up to
 * four more digits (what 17-digit floats need) go through a double-double division whose last rounding is
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
const HALF = 134_217_728;
/** Far above the relative error of the quotient's second half, far below what matters. */
const DOUBT = 2 ** -40;

/**
 * (high · 10^extra + low) / 10^decimals, correctly rounded; NaN when this method cannot tell.
 * Needs MANTISSA_ROOM ≤ high ≤ 2^53, extra 1 … 4, low < 10^extra, decimals 0 … 22.
 */
export function longDecimal(high: number, low: number, extra: number, decimals: number): number {
  const scale = POWERS[extra] as number;
  const upper = Math.floor(high / HALF);
  const a = upper * scale * HALF;
  const b = (high - upper * HALF) * scale + low;
  const s = a + b;
  const e = b - (s - a);
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
