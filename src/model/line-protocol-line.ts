/**
 * One line of line protocol, read exactly as InfluxDB 1.x reads it, with its error texts.
 *
 * This is the slow and complete reader: the fast one in line-protocol.ts hands over every line that is new
 * or unusual. The rules were taken from the answers of InfluxDB 1.6.7 (test/model/line-protocol.vectors.json):
 *
 * - A line ends at a newline outside of quotes; a backslash takes the next byte with it. Quotes count only
 *   behind a space and behind more `=` than commas.
 * - In measurement and tags a byte is escaped when the byte before it is a backslash; in fields a backslash
 *   takes the next byte with it. A carriage return is an ordinary byte.
 * - Difference: unsigned integers (`1u`) are accepted; InfluxDB 1.x does so only when built to.
 */

import { fromBigInt, INT64_MAX, INT64_MIN } from "#lib/int64.ts";
import { type Time, timeFromNanos } from "#lib/time.ts";
import { ascii } from "./line-protocol-bytes.ts";
import { type LinePrecision, PRECISION_NS } from "./line-protocol-format.ts";
import type { ParsedKey } from "./series-table.ts";
import type { FieldType, FieldValue } from "./shape.ts";

/** Longest series key, and longest series key plus field key plus four, in bytes (InfluxDB's limit). */
export const KEY_BYTES_MAX = 65_535;

const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
const EQUALS = 61;
const BACKSLASH = 92;
const UINT64_MAX = 18446744073709551615n;
const TIME_MAX = 9223372036854775806n;

export interface ParsedLine {
  /** The key is `bytes[start … keyEnd − 1]`. */
  readonly keyEnd: number;
  readonly key: ParsedKey;
  readonly names: readonly string[];
  readonly types: readonly FieldType[];
  readonly values: readonly FieldValue[];
  /**
   * Raw bytes of each field key with its `=`; `undefined` when the line is no model for others: a name came
   * twice (the last one won) or is empty.
   */
  readonly rawKeys: readonly Uint8Array[] | undefined;
  /** `undefined`: no time stamp. */
  readonly time: Time | undefined;
}

/** Why a line is bad. Thrown inside this file only. */
class BadLine extends Error {
  override name = "BadLine";
}

/** Where the line that starts at `from` ends: the index of its newline, or the length of the body. */
export function lineEnd(bytes: Uint8Array, from: number): number {
  const length = bytes.length;
  let inFields = false;
  let quoted = false;
  let balance = 0;
  let i = from;
  while (i < length) {
    const byte = bytes[i];
    if (byte === BACKSLASH && i + 2 < length) {
      i += 2;
      continue;
    }
    if (byte === SPACE) inFields = true;
    if (inFields && byte === EQUALS && !quoted) balance += 1;
    else if (inFields && byte === COMMA && !quoted) balance -= 1;
    else if (inFields && byte === QUOTE && balance > 0) quoted = !quoted;
    else if (byte === NEWLINE && !quoted) break;
    i += 1;
  }
  return i;
}

/** The first index ≥ `from` and < `end` that holds no space, tab or NUL, or `end`. */
export function skipBlank(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && (bytes[i] === SPACE || bytes[i] === TAB || bytes[i] === 0)) i += 1;
  return i;
}

/** Reads a line without leading blanks; a text is the reason why it is bad. */
export function parseLine(line: Uint8Array, precision: LinePrecision): ParsedLine | string {
  try {
    const { key, end: keyEnd } = parseKey(line);
    const from = skipBlank(line, keyEnd, line.length);
    const fieldsEnd = checkFields(line, from);
    const fields = takeFields(line, from, fieldsEnd, keyEnd);
    return { keyEnd, key, ...fields, time: parseStamp(line, fieldsEnd, precision) };
  } catch (error) {
    if (error instanceof BadLine) return error.message;
    throw error;
  }
}

/** The key of a line whose fast scan found its end, or `undefined` when it is bad or ends elsewhere. */
export function parsePlainKey(line: Uint8Array, end: number): ParsedKey | undefined {
  try {
    const parsed = parseKey(line);
    return parsed.end === end ? parsed.key : undefined;
  } catch (error) {
    if (error instanceof BadLine) return undefined;
    throw error;
  }
}

function parseKey(line: Uint8Array): { key: ParsedKey; end: number } {
  const marks = [0];
  let i = measurementEnd(line);
  while (line[i] === COMMA) {
    const keyAt = i + 1;
    i = tagKeyEnd(line, keyAt);
    marks.push(keyAt, i);
    i = tagValueEnd(line, i + 1);
  }
  if (i >= line.length) throw new BadLine("missing fields");
  if (i > KEY_BYTES_MAX) {
    throw new BadLine(`max key length exceeded: ${i} > ${KEY_BYTES_MAX}`);
  }
  return { key: takeKey(line, marks, i), end: i };
}

function measurementEnd(line: Uint8Array): number {
  if (line[0] === COMMA) throw new BadLine("missing measurement");
  let i = 1;
  while (i < line.length) {
    if (line[i - 1] !== BACKSLASH && (line[i] === COMMA || line[i] === SPACE)) return i;
    i += 1;
  }
  throw new BadLine("missing fields");
}

function tagKeyEnd(line: Uint8Array, from: number): number {
  const first = line[from];
  if (first === undefined || first === SPACE || first === COMMA || first === EQUALS) {
    throw new BadLine("missing tag key");
  }
  for (let i = from + 1; i < line.length; i++) {
    if (line[i - 1] === BACKSLASH) continue;
    if (line[i] === EQUALS) return i;
    if (line[i] === SPACE || line[i] === COMMA) break;
  }
  throw new BadLine("missing tag value");
}

function tagValueEnd(line: Uint8Array, from: number): number {
  const first = line[from];
  if (first === undefined || first === SPACE || first === COMMA) {
    throw new BadLine("missing tag value");
  }
  for (let i = from + 1; i < line.length; i++) {
    if (line[i - 1] === BACKSLASH) continue;
    if (line[i] === EQUALS) throw new BadLine("invalid tag format");
    if (line[i] === COMMA || line[i] === SPACE) return i;
  }
  throw new BadLine("missing fields");
}

/** `marks`: 0, then for each tag where its key starts and where its `=` is. */
function takeKey(line: Uint8Array, marks: readonly number[], end: number): ParsedKey {
  const tagKeys: string[] = [];
  const tagValues: string[] = [];
  for (let m = 1; m < marks.length; m += 2) {
    const equals = marks[m + 1] as number;
    const valueEnd = m + 2 < marks.length ? (marks[m + 2] as number) - 1 : end;
    tagKeys.push(unescapeTag(decode(line, marks[m] as number, equals)));
    tagValues.push(unescapeTag(decode(line, equals + 1, valueEnd)));
  }
  if (hasRepeated(tagKeys)) throw new BadLine("duplicate tags");
  const nameEnd = marks.length > 1 ? (marks[1] as number) - 1 : end;
  return { name: unescapeName(decode(line, 0, nameEnd)), tagKeys, tagValues };
}

/** Sorted keys, the usual case, need no set. */
function hasRepeated(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) {
    const ascending = (keys[i - 1] as string) < (keys[i] as string);
    if (!ascending) return new Set(keys).size < keys.length;
  }
  return false;
}

/** Checks keys and values and returns where the fields end: at a space outside of quotes, or the end. */
function checkFields(line: Uint8Array, from: number): number {
  let i = from;
  let quoted = false;
  let equals = 0;
  let commas = 0;
  while (i < line.length) {
    const byte = line[i];
    if (byte === BACKSLASH && i + 1 < line.length) {
      i += 2;
    } else if (byte === QUOTE && equals > commas) {
      quoted = !quoted;
      i += 1;
    } else if (byte === EQUALS && !quoted) {
      equals += 1;
      i = checkValue(line, i);
    } else {
      if (byte === SPACE && !quoted) break;
      if (byte === COMMA && !quoted) commas += 1;
      i += 1;
    }
  }
  if (quoted) throw new BadLine("unbalanced quotes");
  if (equals === 0 || commas !== equals - 1) throw new BadLine("invalid field format");
  return i;
}

/** Checks what stands around the `=` at `at`; returns where to go on. */
function checkValue(line: Uint8Array, at: number): number {
  const before = line[at - 1];
  if ((before === SPACE || before === COMMA) && line[at - 2] !== BACKSLASH) {
    throw new BadLine("missing field key");
  }
  const first = line[at + 1];
  if (first === undefined || first === COMMA || first === SPACE) {
    throw new BadLine("missing field value");
  }
  if (first === QUOTE) return at + 1;
  let end = at + 1;
  while (end < line.length && line[end] !== COMMA && line[end] !== SPACE) end += 1;
  const text = decode(line, at + 1, end);
  if (isDigit(first) || first === MINUS || first === DOT || first === 110 || first === 78) {
    checkNumber(text);
  } else if (parseBoolean(text) === undefined) {
    throw new BadLine("invalid boolean");
  }
  return end;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function checkNumber(text: string): void {
  const match = /^(-?)([0-9.eE+-]*)([iu]?)$/.exec(text);
  const [, sign = "", digits = "", suffix = ""] = match ?? [];
  if (match === null || digits === "" || digits === ".") throw new BadLine("invalid number");
  if (suffix !== "") {
    if (!/^[0-9]+$/.test(digits)) throw new BadLine("invalid number");
    checkInteger(sign + digits, suffix === "u");
    return;
  }
  if (/^[0-9]*\.?[0-9]*$/.test(digits)) {
    if (!Number.isFinite(Number(digits))) throw new BadLine("invalid float");
    return;
  }
  if (!/[eE]/.test(digits) || (digits.match(/\./g) ?? []).length > 1) {
    throw new BadLine("invalid number");
  }
  if (/[0-9.][+-]/.test(digits)) throw new BadLine("invalid number");
  const valid = /^([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+$/.test(digits);
  if (!valid || !Number.isFinite(Number(digits))) throw new BadLine("invalid float");
}

function checkInteger(digits: string, unsigned: boolean): void {
  const value = BigInt(digits);
  if (unsigned) {
    if (digits.startsWith("-")) throw new BadLine("invalid number");
    if (value <= UINT64_MAX) return;
    const reason = `strconv.ParseUint: parsing "${digits}": value out of range`;
    throw new BadLine(`unable to parse unsigned ${digits}: ${reason}`);
  }
  if (value >= INT64_MIN && value <= INT64_MAX) return;
  const reason = `strconv.ParseInt: parsing "${digits}": value out of range`;
  throw new BadLine(`unable to parse integer ${digits}: ${reason}`);
}

function parseBoolean(text: string): boolean | undefined {
  switch (text) {
    case "t":
    case "T":
    case "true":
    case "True":
    case "TRUE":
      return true;
    case "f":
    case "F":
    case "false":
    case "False":
    case "FALSE":
      return false;
    default:
      return undefined;
  }
}

type Fields = Pick<ParsedLine, "names" | "types" | "values" | "rawKeys">;

/** Takes apart fields that `checkFields` has accepted. */
function takeFields(line: Uint8Array, from: number, end: number, keyBytes: number): Fields {
  const names: string[] = [];
  const types: FieldType[] = [];
  const values: FieldValue[] = [];
  const rawKeys: Uint8Array[] = [];
  let repeated = false;
  for (let i = from; i < end; ) {
    const equals = fieldKeyEnd(line, i, end);
    if (equals + 1 >= end) {
      throw new BadLine(`invalid value: field-key=${decode(line, i, end)}`);
    }
    const size = keyBytes + 4 + (equals - i);
    if (size > KEY_BYTES_MAX) {
      throw new BadLine(`max key length exceeded: ${size} > ${KEY_BYTES_MAX}`);
    }
    const valueEnd = fieldValueEnd(line, equals + 1, end);
    const name = unescapeName(decode(line, i, equals));
    const [type, value] = parseValue(decode(line, equals + 1, valueEnd), name);
    const known = names.indexOf(name);
    const slot = known < 0 ? names.length : known;
    // Without a name the byte before decides whether the line is good, so it is never expected again.
    repeated ||= known >= 0 || name === "";
    names[slot] = name;
    types[slot] = type;
    values[slot] = value;
    rawKeys.push(line.slice(i, equals + 1));
    i = valueEnd + 1;
  }
  return { names, types, values, rawKeys: repeated ? undefined : rawKeys };
}

function fieldKeyEnd(line: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && (line[i] !== EQUALS || (i > from && line[i - 1] === BACKSLASH))) i += 1;
  return i;
}

function fieldValueEnd(line: Uint8Array, from: number, end: number): number {
  let quoted = false;
  let i = from;
  while (i < end) {
    const byte = line[i];
    const escapes = line[i + 1] === QUOTE || line[i + 1] === BACKSLASH;
    if (byte === BACKSLASH && escapes) i += 1;
    else if (byte === QUOTE) quoted = !quoted;
    else if (byte === COMMA && !quoted) return i;
    i += 1;
  }
  return end;
}

/** Escapes can make a value end elsewhere than `checkFields` saw it end; then it is checked again here. */
function parseValue(text: string, name: string): [FieldType, FieldValue] {
  if (text.startsWith('"')) return ["string", unescapeString(text.slice(1, -1))];
  const boolean = parseBoolean(text);
  if (boolean !== undefined) return ["boolean", boolean];
  if (!/^-?[0-9.]/.test(text)) throw new BadLine(`invalid value: field-key=${name}`);
  checkNumber(text);
  const digits = text.slice(0, -1);
  if (text.endsWith("i")) return ["int", fromBigInt(BigInt(digits))];
  if (text.endsWith("u")) return ["uint", toUnsigned(BigInt(digits))];
  return ["float", Number(text)];
}

/** A number while it is a safe integer, else the bigint. */
export function toUnsigned(value: bigint): number | bigint {
  return value <= 9007199254740991n ? Number(value) : value;
}

function parseStamp(line: Uint8Array, from: number, precision: LinePrecision): Time | undefined {
  const start = skipBlank(line, from, line.length);
  let i = start;
  for (; i < line.length && line[i] !== SPACE; i++) {
    const byte = line[i] as number;
    if (!isDigit(byte) && !(i === start && byte === MINUS)) throw new BadLine("bad timestamp");
  }
  if (i === start) return undefined;
  const text = decode(line, start, i);
  const nanos = stampNanos(text, precision);
  for (; i < line.length; i++) if (line[i] !== SPACE) throw new BadLine("point is invalid");
  return timeFromNanos(nanos);
}

function stampNanos(text: string, precision: LinePrecision): bigint {
  const refused = `strconv.ParseInt: parsing "${text}": `;
  if (text === "-") throw new BadLine(`${refused}invalid syntax`);
  const count = BigInt(text);
  if (count > INT64_MAX || count < INT64_MIN) throw new BadLine(`${refused}value out of range`);
  const nanos = count * BigInt(PRECISION_NS[precision]);
  if (nanos > TIME_MAX || nanos < -TIME_MAX) {
    throw new BadLine(`time outside range -${TIME_MAX} - ${TIME_MAX}`);
  }
  return nanos;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Text of bytes; what is not UTF-8 becomes U+FFFD. */
export function decode(bytes: Uint8Array, from: number, end: number): string {
  for (let i = from; i < end; i++) {
    if ((bytes[i] as number) > 127) return decoder.decode(bytes.subarray(from, end));
  }
  return ascii(bytes, from, end);
}

function unescapeTag(text: string): string {
  return text.includes("\\") ? text.replace(/\\([,= ])/g, "$1") : text;
}

/** Measurements and field keys: also `\"` loses its backslash. */
function unescapeName(text: string): string {
  return text.includes("\\") ? text.replace(/\\([,"= ])/g, "$1") : text;
}

function unescapeString(text: string): string {
  return text.includes("\\") ? text.replace(/\\(["\\])/g, "$1") : text;
}
