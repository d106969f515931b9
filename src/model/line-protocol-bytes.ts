/**
 * What the scanners of the fast reader share: how they say no, digits, and short texts.
 */

import { decode } from "./line-protocol-line.ts";
import type { FieldValue } from "./shape.ts";

/** Not the expected form. */
export const UNKNOWN = -1;

/** The values of points without fields. Nothing is ever written to it. */
export const NO_VALUES: FieldValue[] = [];

const ZERO = 48;
const NINE = 57;

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** Text of bytes below 128. A loop beats a decoder for the short runs that numbers are. */
export function ascii(body: Uint8Array, from: number, end: number): string {
  if (end - from > 64) return decode(body, from, end);
  let text = "";
  for (let i = from; i < end; i++) text += String.fromCharCode(body[i] as number);
  return text;
}
