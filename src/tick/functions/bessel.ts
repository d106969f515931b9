/**
 * Bessel functions of whole order.
 *
 * Orders 0 and 1, small arguments: the defining power series, in double-double arithmetic because its terms
 * cancel. Large arguments: Hankel's asymptotic expansion, whose smallest term is far below a float's
 * precision there. `jn` and `yn`: the three-term recurrence, run in its stable direction (also for jn(1, x),
 * where it gives the reference's observed value to the last digit).
 * Source of the formulas: NIST Digital Library of Mathematical Functions, chapter 10 (10.2.2, 10.8.1,
 * 10.17.3–4, 10.6.1, 10.12.4).
 */

import { type DoubleDouble, double, over, plus, product, times } from "./double-double.ts";

/** Orders beyond this are refused: the recurrence takes a step per order. */
export const ORDER_MAX = 1_000_000;

/** Up to here the power series keeps full precision. */
const SERIES_MAX = 25;

const EULER_GAMMA = 0.5772156649015329;

/** First kind, any order. Throws `Error` when |order| > `ORDER_MAX`. */
export function besselJn(order: number, x: number): number {
  checkOrder(order);
  if (Number.isNaN(x)) return x;
  const n = Math.abs(order);
  const odd = n % 2 === 1;
  const sign = odd && order < 0 !== x < 0 ? -1 : 1;
  const y = Math.abs(x);
  if (y === Number.POSITIVE_INFINITY) return 0;
  if (y === 0) return n === 0 ? 1 : 0;
  return sign * positiveJ(n, y);
}

/** First kind, order 0. */
export function besselJ0(x: number): number {
  return lowJ(0, Math.abs(x));
}

/** First kind, order 1. */
export function besselJ1(x: number): number {
  return x < 0 ? -lowJ(1, -x) : lowJ(1, x);
}

/** Second kind; −∞ at 0 and NaN below. Throws `Error` when |order| > `ORDER_MAX`. */
export function besselYn(order: number, x: number): number {
  checkOrder(order);
  if (Number.isNaN(x) || x < 0) return Number.NaN;
  const n = Math.abs(order);
  const sign = order < 0 && n % 2 === 1 ? -1 : 1;
  if (x === 0) return sign * Number.NEGATIVE_INFINITY;
  if (x === Number.POSITIVE_INFINITY) return 0;
  return sign * positiveY(n, x);
}

function checkOrder(order: number): void {
  if (Math.abs(order) > ORDER_MAX) throw new Error(`order ${order} is beyond ${ORDER_MAX}`);
}

function lowJ(n: number, x: number): number {
  if (x === Number.POSITIVE_INFINITY) return 0;
  return x <= SERIES_MAX || Number.isNaN(x) ? seriesJ(n, x) : asymptotic(n, x).j;
}

function positiveJ(n: number, x: number): number {
  if (n === 0) return lowJ(0, x);
  if (x < 1) return seriesJ(n, x);
  if (x <= SERIES_MAX) return downward(n, x);
  if (n === 1) return lowJ(1, x);
  if (n < x) return upward(n, x, asymptotic(0, x).j, asymptotic(1, x).j);
  return downward(n, x);
}

/** Σ (−1)^k (x/2)^(2k+n) / (k! (n+k)!) */
function seriesJ(n: number, x: number): number {
  const square = quarterSquare(x);
  let term = leadingTerm(n, x);
  if (term.hi === 0) return 0;
  let sum = term;
  for (let k = 1; k <= 500; k++) {
    term = over(over(times(term, square), -k), n + k);
    sum = plus(sum, term);
    if (Math.abs(term.hi) < 1e-34 * Math.abs(sum.hi) && k > x) break;
  }
  return sum.hi;
}

function quarterSquare(x: number): DoubleDouble {
  return product(x / 2, x / 2);
}

/** (x/2)^n / n! */
function leadingTerm(n: number, x: number): DoubleDouble {
  let term = double(1);
  for (let k = 1; k <= n && term.hi !== 0; k++) term = over(times(term, double(x / 2)), k);
  return term;
}

/** Hankel's expansion of both kinds for orders 0 and 1, x > 25. */
function asymptotic(n: number, x: number): { readonly j: number; readonly y: number } {
  const mu = 4 * n * n;
  let p = 1;
  let q = 0;
  let term = 1;
  for (let k = 1; k <= 60; k++) {
    const next = (term * (mu - (2 * k - 1) ** 2)) / (k * 8 * x);
    if (Math.abs(next) >= Math.abs(term) || Math.abs(next) < 1e-20) break;
    term = next;
    const sign = k % 4 < 2 ? 1 : -1;
    if (k % 2 === 1) q += sign * term;
    else p += sign * term;
  }
  const sin = Math.sin(x);
  const cos = Math.cos(x);
  // Cosine and sine of x − (2n + 1)π/4, times √2.
  const c = n === 0 ? cos + sin : sin - cos;
  const s = n === 0 ? sin - cos : -(sin + cos);
  const scale = 1 / Math.sqrt(Math.PI * x);
  return { j: scale * (p * c - q * s), y: scale * (p * s + q * c) };
}

/** f(k+1) = 2k/x · f(k) − f(k−1), stable for Y always and for J while k < x. */
function upward(n: number, x: number, zeroth: number, first: number): number {
  let before = zeroth;
  let current = first;
  for (let k = 1; k < n; k++) {
    const next = ((2 * k) / x) * current - before;
    if (next === Number.NEGATIVE_INFINITY) return next;
    before = current;
    current = next;
  }
  return current;
}

/** Downward from far above the order, where J vanishes, normalised by J0 + 2 ΣJ2k = 1. */
function downward(n: number, x: number): number {
  const start = 2 * Math.ceil((Math.max(n, x) + 30 + Math.sqrt(200 * n)) / 2);
  let above = 0;
  let current = 1e-300;
  let wanted = 0;
  let sum = 0;
  for (let k = start; k > 0; k--) {
    const below = ((2 * k) / x) * current - above;
    above = current;
    current = below;
    if (k - 1 === n) wanted = current;
    if ((k - 1) % 2 === 0) sum += k === 1 ? current : 2 * current;
    if (Math.abs(current) > 1e250) {
      const shrink = 1e-250;
      above *= shrink;
      current *= shrink;
      wanted *= shrink;
      sum *= shrink;
    }
  }
  return wanted / sum;
}

function positiveY(n: number, x: number): number {
  if (n <= 1) return lowY(n, x);
  return upward(n, x, lowY(0, x), lowY(1, x));
}

function lowY(n: number, x: number): number {
  if (x > SERIES_MAX) return asymptotic(n, x).y;
  return n === 0 ? seriesY0(x) : seriesY1(x);
}

/** 2/π ((ln(x/2) + γ) J0 − Σ (−1)^k H(k) (x/2)^2k / k!²) */
function seriesY0(x: number): number {
  const square = quarterSquare(x);
  let term = double(1);
  let harmonic = double(0);
  let sum = double(0);
  for (let k = 1; k <= 200; k++) {
    term = over(over(times(term, square), -k), k);
    harmonic = plus(harmonic, over(double(1), k));
    const part = times(term, harmonic);
    sum = plus(sum, part);
    if (Math.abs(part.hi) < 1e-34 * Math.abs(sum.hi) && k > x) break;
  }
  return (2 / Math.PI) * ((Math.log(x / 2) + EULER_GAMMA) * seriesJ(0, x) - sum.hi);
}

/** 2/π (ln(x/2) + γ) J1 − 2/(πx) − 1/π Σ (−1)^k (H(k) + H(k+1)) (x/2)^(2k+1) / (k! (k+1)!) */
function seriesY1(x: number): number {
  const square = quarterSquare(x);
  let term = double(x / 2);
  let harmonics = double(1);
  let sum = times(term, harmonics);
  for (let k = 1; k <= 200; k++) {
    term = over(over(times(term, square), -k), k + 1);
    harmonics = plus(harmonics, plus(over(double(1), k), over(double(1), k + 1)));
    const part = times(term, harmonics);
    sum = plus(sum, part);
    if (Math.abs(part.hi) < 1e-34 * Math.abs(sum.hi) && k > x) break;
  }
  const log = 2 * (Math.log(x / 2) + EULER_GAMMA) * seriesJ(1, x);
  return (log - 2 / x - sum.hi) / Math.PI;
}
