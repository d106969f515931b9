/**
 * Numbers as unevaluated sums of two floats, about 32 decimal digits.
 *
 * Alternating series lose digits where large terms cancel; summed in this form, what is left is still exact
 * to a float's precision. Only what the series need.
 */

/** The number hi + lo, with |lo| at most half a unit in the last place of hi. */
export interface DoubleDouble {
  readonly hi: number;
  readonly lo: number;
}

export const double = (x: number): DoubleDouble => ({ hi: x, lo: 0 });

/** Exact sum of two floats. */
function twoSum(a: number, b: number): DoubleDouble {
  const hi = a + b;
  const part = hi - a;
  return { hi, lo: a - (hi - part) + (b - part) };
}

/** Exact product of two floats of moderate size. */
export function product(a: number, b: number): DoubleDouble {
  const hi = a * b;
  const [aHigh, aLow] = halves(a);
  const [bHigh, bLow] = halves(b);
  return { hi, lo: aHigh * bHigh - hi + aHigh * bLow + aLow * bHigh + aLow * bLow };
}

/** A float as the sum of two with 26 significant bits each. */
function halves(a: number): readonly [number, number] {
  const scaled = 134217729 * a;
  const high = scaled - (scaled - a);
  return [high, a - high];
}

export function plus(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const sum = twoSum(a.hi, b.hi);
  return twoSum(sum.hi, sum.lo + a.lo + b.lo);
}

export function times(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const exact = product(a.hi, b.hi);
  return twoSum(exact.hi, exact.lo + a.hi * b.lo + a.lo * b.hi);
}

/** Division by a float. */
export function over(a: DoubleDouble, b: number): DoubleDouble {
  const first = a.hi / b;
  const back = product(first, b);
  const rest = a.hi - back.hi - back.lo + a.lo;
  return twoSum(first, rest / b);
}
