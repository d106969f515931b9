/**
 * Scanners of the fast reader: from an offset to the offset behind, converting on the way.
 *
 * Each returns where it stopped, or `UNKNOWN` for anything but the plain form it knows; the complete reader
 * then has the last word. None accepts what that one would refuse. Runs of digits are scanned without asking
 * for the end of the bytes: the caller sees to it that a newline follows.
 */

import { fromBigInt, INT64_MAX, INT64_MIN } from "#lib/int64.ts";
import { ascii, isDigit, UNKNOWN } from "./line-protocol-bytes.ts";
import { checkFloat, readFloat } from "./line-protocol-float.ts";
import {
  BOOLEAN,
  type FieldLayout,
  FLOAT,
  INT,
  type Selection,
  STRING,
} from "./line-protocol-layout.ts";
import { decode, toUnsigned } from "./line-protocol-line.ts";
import { sameBytes } from "./series-table.ts";
import type { FieldValue } from "./shape.ts";

const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
const BACKSLASH = 92;
const LOWER_I = 105;
const LOWER_U = 117;
const MAX = Number.MAX_SAFE_INTEGER;

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
