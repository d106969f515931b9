/**
 * The scanner of floats, where most of the time of reading points goes.
 *
 * Digits are collected in whole numbers of 32 bits, which are several times faster than floats, and joined once. As the
 * other scanners, these return where they stopped, or `UNKNOWN`; a newline follows the bytes.
 */

import { ascii, isDigit, NO_VALUES, UNKNOWN } from "./line-protocol-bytes.ts";
import { longDecimal, MANTISSA_ROOM, POWERS } from "./line-protocol-number.ts";
import type { FieldValue } from "./shape.ts";

const PLUS = 43;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const UPPER_E = 69;
const LOWER_E = 101;
/** Digits of a float read here; longer ones may leave the range. */
const FLOAT_DIGITS_MAX = 300;

/** Whole numbers below are exact in a float64, and a sum or product that comes out below was not rounded. */
const EXACT_END = 2 ** 53;

/**
 * The usual float, in whole numbers of 32 bits: up to 9 digits, a dot, up to 8 digits, up to 9 more. Others are left to
 * `readAnyFloat`.
 */
export function readFloat(
  body: Uint8Array,
  at: number,
  values: FieldValue[],
  slot: number,
): number {
  let i = at;
  const negative = body[i] === MINUS;
  if (negative) i += 1;
  let end = i + 9;
  let whole = 0;
  let d = (body[i] as number) - ZERO;
  if (!(d >= 0 && d <= 9)) return readAnyFloat(body, at, values, slot);
  while (d >= 0 && d <= 9 && i < end) {
    whole = (whole * 10 + d) | 0;
    i += 1;
    d = (body[i] as number) - ZERO;
  }
  let value = whole;
  if (d === DOT - ZERO) {
    i += 1;
    const dot = i;
    end = i + 8;
    let upper = 0;
    d = (body[i] as number) - ZERO;
    while (d >= 0 && d <= 9 && i < end) {
      upper = (upper * 10 + d) | 0;
      i += 1;
      d = (body[i] as number) - ZERO;
    }
    const mid = i;
    end = i + 9;
    let lower = 0;
    while (d >= 0 && d <= 9 && i < end) {
      lower = (lower * 10 + d) | 0;
      i += 1;
      d = (body[i] as number) - ZERO;
    }
    const high = whole * (POWERS[mid - dot] as number) + upper;
    const extra = i - mid;
    const mantissa = high * (POWERS[extra] as number) + lower;
    if (mantissa < EXACT_END) value = mantissa / (POWERS[i - dot] as number);
    else value = high < EXACT_END ? longDecimal(high, lower, extra, i - dot) : Number.NaN;
    if (Number.isNaN(value)) return readAnyFloat(body, at, values, slot);
  }
  if ((d >= 0 && d <= 9) || d === LOWER_E - ZERO || d === UPPER_E - ZERO) {
    return readAnyFloat(body, at, values, slot);
  }
  values[slot] = negative ? -value : value;
  return i;
}

/** Digits and at most one dot, converted while scanned; exponents take the text. */
function readAnyFloat(body: Uint8Array, at: number, values: FieldValue[], slot: number): number {
  let i = at;
  const negative = body[i] === MINUS;
  if (negative) i += 1;
  const first = i;
  let high = 0;
  let low = 0;
  let extra = 0;
  let dot = 0;
  for (;;) {
    const byte = body[i] as number;
    const d = byte - ZERO;
    if (d >= 0 && d <= 9) {
      if (extra === 0 && high < MANTISSA_ROOM) high = high * 10 + d;
      else {
        low = low * 10 + d;
        extra += 1;
      }
      i += 1;
    } else if (byte === DOT && dot === 0) {
      i += 1;
      dot = i;
    } else {
      break;
    }
  }
  const byte = body[i];
  if (byte === LOWER_E || byte === UPPER_E) return readExponent(body, at, i, values, slot);
  const digits = i - first - (dot === 0 ? 0 : 1);
  if (digits === 0 || digits > FLOAT_DIGITS_MAX) return UNKNOWN;
  const decimals = dot === 0 ? 0 : i - dot;
  let value = Number.NaN;
  if (decimals <= 22) {
    if (extra === 0) value = high / (POWERS[decimals] as number);
    else if (extra <= 4) value = longDecimal(high, low, extra, decimals);
  }
  // The methods above cannot tell: the text decides.
  if (Number.isNaN(value)) value = Number(ascii(body, first, i));
  values[slot] = negative ? -value : value;
  return i;
}

function readExponent(
  body: Uint8Array,
  at: number,
  mark: number,
  values: FieldValue[],
  slot: number,
): number {
  let i = mark + 1;
  if (body[i] === MINUS || body[i] === PLUS) i += 1;
  const digitsAt = i;
  while (isDigit(body[i])) i += 1;
  if (i === digitsAt) return UNKNOWN;
  const value = Number(ascii(body, at, i));
  if (!Number.isFinite(value)) return UNKNOWN;
  if (slot >= 0) values[slot] = value;
  return i;
}

/** The check of `readFloat` without the conversion. */
export function checkFloat(body: Uint8Array, at: number): number {
  let i = at;
  if (body[i] === MINUS) i += 1;
  const first = i;
  while (isDigit(body[i])) i += 1;
  let digits = i - first;
  if (body[i] === DOT) {
    const dot = ++i;
    while (isDigit(body[i])) i += 1;
    digits += i - dot;
  }
  const byte = body[i];
  if (byte === LOWER_E || byte === UPPER_E) return readExponent(body, at, i, NO_VALUES, -1);
  return digits === 0 || digits > FLOAT_DIGITS_MAX ? UNKNOWN : i;
}
