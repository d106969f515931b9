/**
 * Error and gamma functions, which the platform lacks.
 *
 * erf: its series with only positive terms near zero, a continued fraction for the tail. gamma: exact
 * products for small whole numbers, Lanczos' approximation elsewhere, reflection for negative arguments.
 * Source of the formulas: NIST Digital Library of Mathematical Functions, 7.6.2, 7.9.1, 5.5.3;
 * Lanczos coefficients (g = 607/128, n = 15) by Paul Godfrey.
 */

const SERIES_MAX = 2;

/** Accurate to a few units in the last place. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const y = Math.abs(x);
  const value = y <= SERIES_MAX ? erfSeries(y) : 1 - erfcTail(y);
  return x < 0 ? -value : value;
}

/** 1 − erf(x), without cancellation for large x. */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0) return 1 + erf(-x);
  return x <= 0.5 ? 1 - erfSeries(x) : x <= SERIES_MAX ? erfcMiddle(x) : erfcTail(x);
}

/** 2/√π e^(−x²) Σ 2^k x^(2k+1) / (1·3·…·(2k+1)) */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let k = 1; k <= 200 && term > sum * 1e-17; k++) {
    term *= (2 * x * x) / (2 * k + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * gauss(x) * sum;
}

/** e^(−x²) with the square's rounding error put back. */
function gauss(x: number): number {
  const high = Math.round(x * 16) / 16;
  return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high));
}

/** The tail's fraction needs more terms here, but converges. */
function erfcMiddle(x: number): number {
  return erfcFraction(x, 400);
}

function erfcTail(x: number): number {
  return x > 27.5 ? 0 : erfcFraction(x, 120);
}

/** e^(−x²)/√π · 1/(x + ½/(x + 1/(x + 3⁄2/(x + …)))), from the inside out. */
function erfcFraction(x: number, terms: number): number {
  let value = x;
  for (let k = terms; k >= 1; k--) value = x + k / 2 / value;
  return gauss(x) / (Math.sqrt(Math.PI) * value);
}

const LANCZOS_G = 607 / 128;
const LANCZOS: readonly number[] = [
  0.9999999999999971, 57.15623566586292, -59.59796035547549, 14.136097974741746,
  -0.4919138160976202, 3.399464998481189e-5, 4.652362892704858e-5, -9.837447530487956e-5,
  0.0001580887032249125, -0.00021026444172410488, 0.00021743961811521265, -0.0001643181065367639,
  8.441822398385275e-5, -2.6190838401581408e-5, 3.6899182659531625e-6,
];

/** Γ(x); NaN at negative whole numbers and −∞, ±∞ at ±0. */
export function gamma(x: number): number {
  if (x === 0) return 1 / x;
  if (x === Number.NEGATIVE_INFINITY || Number.isNaN(x)) return Number.NaN;
  if (Number.isInteger(x)) {
    if (x < 0) return Number.NaN;
    if (x <= 24) return factorial(x - 1);
  }
  if (x > 171.7) return Number.POSITIVE_INFINITY;
  if (x < -184) return Math.floor(x) % 2 === 0 ? 0 : -0;
  if (x < 0.5) return Math.PI / (sinPi(x) * lanczos(1 - x));
  return lanczos(x);
}

function factorial(n: number): number {
  let value = 1;
  for (let k = 2; k <= n; k++) value *= k;
  return value;
}

/** sin(πx), with the whole part taken off first. */
function sinPi(x: number): number {
  const whole = Math.round(x);
  const value = Math.sin(Math.PI * (x - whole));
  return whole % 2 === 0 ? value : -value;
}

function lanczos(x: number): number {
  const y = x - 1;
  let sum = LANCZOS[0] ?? 0;
  for (let i = 1; i < LANCZOS.length; i++) sum += (LANCZOS[i] ?? 0) / (y + i);
  const base = y + LANCZOS_G + 0.5;
  // The power is taken in two halves because it overflows before the result does.
  const half = base ** ((y + 0.5) / 2);
  return Math.sqrt(2 * Math.PI) * half * Math.exp(-base) * half * sum;
}
