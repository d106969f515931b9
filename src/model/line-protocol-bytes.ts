/**
 * What the scanners of the fast reader share: how they say no, digits, and short texts.
 */

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

/**
 * Node's reader of bytes as Latin-1, which its types leave out: some 45 ns for a text. A decoder takes several times as
 * long, and adding up characters makes an object for each.
 */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, from: number, end: number): string;
};

/** Text of bytes below 128. */
export function ascii(bytes: Uint8Array, from: number, end: number): string {
  return from < end ? latin1Slice.call(bytes, from, end) : "";
}
