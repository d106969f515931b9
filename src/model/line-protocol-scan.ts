/**
 * Scanners of the fast reader: from an offset to the offset behind, converting on the way.
 *
 * Each returns where it stopped, or `UNKNOWN` for anything but the plain form it knows; the complete reader
 * then has the last word. None accepts what that one would refuse. Runs of digits are scanned without asking
 * for the end of the bytes: the caller sees to it that a newline follows.
 */

import { fromBigInt, INT64_MAX, INT64_MIN } from "#lib/int64.ts";
import {
  BOOLEAN,
  type FieldLayout,
  FLOAT,
  INT,
  type Selection,
  STRING,
} from "./line-protocol-layout.ts";
import { decode, toUnsigned } from "./line-protocol-line.ts";
import { longDecimal, MANTISSA_ROOM, POWERS } from "./line-protocol-number.ts";
import { sameBytes } from "./series-table.ts";
import type { FieldValue } from "./shape.ts";

/** Not the expected form. */
export const UNKNOWN = -1;

/** The values of points without fields. Nothing is ever written to it. */
export const NO_VALUES: FieldValue[] = [];

const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const PLUS = 43;
const COMMA = 44;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
const UPPER_E = 69;
const BACKSLASH = 92;
const LOWER_E = 101;
const LOWER_I = 105;
const LOWER_U = 117;
const MAX = Number.MAX_SAFE_INTEGER;
/** Digits of a float read here; longer ones may leave the range. */
const FLOAT_DIGITS_MAX = 300;

/** Whole numbers below are exact in a float64, and a sum or product that comes out below was not rounded. */
const EXACT_END = 2 ** 53;

/** The first space that no backslash precedes, or `UNKNOWN` when the line ends before. */
export function scanKey(body: Uint8Array, at: number, end: number): number {
  for (let i = at; i < end; i++) {
    const byte = body[i] as number;
    if (byte > SPACE) continue;
    if (byte === SPACE && i > at && body[i - 1] !== BACKSLASH) return i;
    if (byte === NEWLINE && body[i - 1] !== BACKSLASH) return UNKNOWN;
  }
  return UNKNOWN;
}

/**
 * Reads fields of exactly this layout into `values` and returns where they end (at a space or newline), or
 * `UNKNOWN`. Fields that are not selected are only checked.
 */
export function readFields(
  body: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  layout: FieldLayout,
  selection: Selection,
  values: FieldValue[],
): number {
  const { ends, codes, keys } = layout;
  const { slots } = selection;
  const fields = ends.length;
  let i = at;
  let keyAt = 0;
  for (let f = 0; f < fields; f++) {
    const keyEnd = ends[f] as number;
    const size = keyEnd - keyAt;
    if (i + size >= end || !sameBytes(keys, keyAt, view, i, size)) return UNKNOWN;
    keyAt = keyEnd;
    i += size;
    const slot = slots[f] as number;
    switch (codes[f]) {
      case FLOAT:
        i = slot < 0 ? checkFloat(body, i) : readFloat(body, i, values, slot);
        break;
      case INT:
        i = readInt(body, i, values, slot);
        break;
      case STRING:
        i = readString(body, i, end, values, slot);
        break;
      case BOOLEAN:
        i = readBoolean(body, i, values, slot);
        break;
      default:
        i = readUint(body, i, values, slot);
    }
    if (i === UNKNOWN) return UNKNOWN;
    const byte = body[i];
    if (f + 1 === fields) return byte === SPACE || byte === NEWLINE ? i : UNKNOWN;
    if (byte !== COMMA) return UNKNOWN;
    i += 1;
  }
  return UNKNOWN;
}

/**
 * The usual float, in whole numbers of 32 bits: up to 9 digits, a dot, up to 8 digits, up to 9 more. Others are left to
 * `readAnyFloat`.
 */
function readFloat(body: Uint8Array, at: number, values: FieldValue[], slot: number): number {
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
function checkFloat(body: Uint8Array, at: number): number {
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

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

function readInt(body: Uint8Array, at: number, values: FieldValue[], slot: number): number {
  let i = at;
  const negative = body[i] === MINUS;
  if (negative) i += 1;
  const first = i;
  let value = 0;
  for (let d = (body[i] as number) - ZERO; d >= 0 && d <= 9; d = (body[i] as number) - ZERO) {
    value = value * 10 + d;
    i += 1;
  }
  if (i === first || body[i] !== LOWER_I) return UNKNOWN;
  if (value <= MAX) {
    if (slot >= 0) values[slot] = negative ? 0 - value : value;
    return i + 1;
  }
  const exact = BigInt(ascii(body, at, i));
  if (exact > INT64_MAX || exact < INT64_MIN) return UNKNOWN;
  if (slot >= 0) values[slot] = fromBigInt(exact);
  return i + 1;
}

function readUint(body: Uint8Array, at: number, values: FieldValue[], slot: number): number {
  let i = at;
  while (isDigit(body[i])) i += 1;
  if (i === at || body[i] !== LOWER_U) return UNKNOWN;
  const value = BigInt(ascii(body, at, i));
  if (value > 18446744073709551615n) return UNKNOWN;
  if (slot >= 0) values[slot] = toUnsigned(value);
  return i + 1;
}

/** A quoted text that ends right before a separator. */
function readString(
  body: Uint8Array,
  at: number,
  end: number,
  values: FieldValue[],
  slot: number,
): number {
  if (body[at] !== QUOTE) return UNKNOWN;
  let i = at + 1;
  let plain = true;
  let bits = 0;
  for (;;) {
    if (i >= end) return UNKNOWN;
    const byte = body[i] as number;
    if (byte === QUOTE) break;
    if (byte === BACKSLASH) {
      plain = false;
      i += 1;
    }
    bits |= byte;
    i += 1;
  }
  if (slot >= 0) {
    const text = bits < 128 ? ascii(body, at + 1, i) : decode(body, at + 1, i);
    values[slot] = plain ? text : text.replace(/\\(["\\])/g, "$1");
  }
  return i + 1;
}

const BOOLEANS: readonly (readonly [text: Uint8Array, value: boolean])[] = [
  "true",
  "false",
  "t",
  "f",
  "T",
  "F",
  "True",
  "False",
  "TRUE",
  "FALSE",
].map((text) => [new TextEncoder().encode(text), /^t/i.test(text)] as const);

function readBoolean(body: Uint8Array, at: number, values: FieldValue[], slot: number): number {
  for (const [text, value] of BOOLEANS) {
    if (!startsWith(body, at, text)) continue;
    const after = body[at + text.length];
    if (after !== COMMA && after !== SPACE && after !== NEWLINE) continue;
    if (slot >= 0) values[slot] = value;
    return at + text.length;
  }
  return UNKNOWN;
}

function startsWith(body: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (body[at + i] !== text[i]) return false;
  return true;
}

/** Text of bytes below 128. A loop beats a decoder for the short runs that numbers are. */
function ascii(body: Uint8Array, from: number, end: number): string {
  if (end - from > 64) return decode(body, from, end);
  let text = "";
  for (let i = from; i < end; i++) text += String.fromCharCode(body[i] as number);
  return text;
}
