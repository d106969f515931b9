/**
 * String functions. Positions and lengths count bytes of UTF-8, as TICKscript always has.
 *
 * Strings of plain ASCII, nearly all there are, take a path without encoding. A piece cut inside a character
 * cannot be held as text: its broken bytes become U+FFFD.
 */

import type { Int64 } from "#lib/int64.ts";
import { type FunctionSpec, signature } from "./spec.ts";

const pure = { mayFail: false, pure: true } as const;

export const stringFunctions: readonly FunctionSpec[] = [
  {
    name: "strContains",
    doc: "TRUE when the first string contains the second.",
    examples: [{ expression: "strContains('chicken', 'ick')", result: "true" }],
    ...pure,
    signatures: [signature(["string", "string"], "boolean", (s, part) => s.includes(part))],
  },
  {
    name: "strContainsAny",
    doc: "TRUE when the first string contains any character of the second.",
    examples: [{ expression: "strContainsAny('abc', 'xyzc')", result: "true" }],
    ...pure,
    signatures: [
      signature(["string", "string"], "boolean", (s, chars) => firstOfAny(s, chars) >= 0),
    ],
  },
  {
    name: "strHasPrefix",
    doc: "TRUE when the first string begins with the second.",
    examples: [{ expression: "strHasPrefix('cpu0', 'cpu')", result: "true" }],
    ...pure,
    signatures: [signature(["string", "string"], "boolean", (s, part) => s.startsWith(part))],
  },
  {
    name: "strHasSuffix",
    doc: "TRUE when the first string ends with the second.",
    examples: [{ expression: "strHasSuffix('cpu0', '0')", result: "true" }],
    ...pure,
    signatures: [signature(["string", "string"], "boolean", (s, part) => s.endsWith(part))],
  },
  {
    name: "strCount",
    doc: "How often the second string is in the first, not overlapping; for '' one more than characters.",
    examples: [{ expression: "strCount('five', '')", result: "5" }],
    ...pure,
    signatures: [signature(["string", "string"], "int", count)],
  },
  indexFunction(
    "strIndex",
    "first",
    (s, part) => s.indexOf(part),
    "strIndex('chicken', 'ken')",
    "4",
  ),
  indexFunction("strIndexAny", "first", firstOfAny, "strIndexAny('golang', 'gy')", "0", true),
  indexFunction(
    "strLastIndex",
    "last",
    (s, part) => s.lastIndexOf(part),
    "strLastIndex('go gopher', 'go')",
    "3",
  ),
  indexFunction("strLastIndexAny", "last", lastOfAny, "strLastIndexAny('golang', 'gy')", "5", true),
  {
    name: "strLength",
    doc: "Length in bytes.",
    examples: [{ expression: "strLength('é')", result: "2" }],
    ...pure,
    signatures: [signature(["string"], "int", byteLength)],
  },
  {
    name: "strReplace",
    doc: "Replaces the first n occurrences (all when n < 0) of the second string by the third.",
    examples: [{ expression: "strReplace('oink oink', 'k', 'ky', 1)", result: "oinky oink" }],
    mayFail: true,
    pure: true,
    signatures: [signature(["string", "string", "string", "int"], "string", replace)],
  },
  {
    name: "strSubstring",
    doc: "Bytes start (included) to stop (excluded). stop must be below the length in bytes.",
    examples: [{ expression: "strSubstring('abc', 0, 2)", result: "ab" }],
    mayFail: true,
    pure: true,
    signatures: [signature(["string", "int", "int"], "string", substring)],
  },
  {
    name: "strToLower",
    doc: "Lower case.",
    examples: [{ expression: "strToLower('CPU')", result: "cpu" }],
    ...pure,
    signatures: [signature(["string"], "string", (s) => eachChar(s, (c) => c.toLowerCase()))],
  },
  {
    name: "strToUpper",
    doc: "Upper case.",
    examples: [{ expression: "strToUpper('cpu')", result: "CPU" }],
    ...pure,
    signatures: [signature(["string"], "string", (s) => eachChar(s, (c) => c.toUpperCase()))],
  },
  {
    name: "strTrimSpace",
    doc: "Without white space at both ends.",
    examples: [{ expression: "strTrimSpace('  a b ')", result: "a b" }],
    ...pure,
    signatures: [
      signature(["string"], "string", (s) => s.replace(SPACE_BEFORE, "").replace(SPACE_AFTER, "")),
    ],
  },
  {
    name: "strTrim",
    doc: "Without any of the characters of the second string at both ends.",
    examples: [{ expression: "strTrim('xxhixy', 'xy')", result: "hi" }],
    ...pure,
    signatures: [
      signature(["string", "string"], "string", (s, set) => trimRight(trimLeft(s, set), set)),
    ],
  },
  {
    name: "strTrimLeft",
    doc: "Without any of the characters of the second string at the beginning.",
    examples: [{ expression: "strTrimLeft('xxhix', 'x')", result: "hix" }],
    ...pure,
    signatures: [signature(["string", "string"], "string", trimLeft)],
  },
  {
    name: "strTrimRight",
    doc: "Without any of the characters of the second string at the end.",
    examples: [{ expression: "strTrimRight('xxhix', 'x')", result: "xxhi" }],
    ...pure,
    signatures: [signature(["string", "string"], "string", trimRight)],
  },
  {
    name: "strTrimPrefix",
    doc: "Without the second string at the beginning.",
    examples: [{ expression: "strTrimPrefix('cpu0', 'cpu')", result: "0" }],
    ...pure,
    signatures: [
      signature(["string", "string"], "string", (s, part) =>
        s.startsWith(part) ? s.slice(part.length) : s,
      ),
    ],
  },
  {
    name: "strTrimSuffix",
    doc: "Without the second string at the end.",
    examples: [{ expression: "strTrimSuffix('cpu0', '0')", result: "cpu" }],
    ...pure,
    signatures: [
      signature(["string", "string"], "string", (s, part) =>
        s.endsWith(part) ? s.slice(0, s.length - part.length) : s,
      ),
    ],
  },
  {
    name: "regexReplace",
    doc: "Replaces every match. In the replacement $1 and $name, also in braces, stand for groups.",
    examples: [{ expression: "regexReplace(/a(.)/, 'abab', 'x$1')", result: "xbxb" }],
    mayFail: true,
    pure: true,
    signatures: [
      signature(["regex", "string", "string"], "string", (regex, s, by) =>
        checkedSize(regex.replaceAll(s, by)),
      ),
    ],
  },
  {
    name: "humanBytes",
    doc: "A size in bytes with a decimal unit; one decimal below ten.",
    examples: [
      { expression: "humanBytes(82854982)", result: "83 MB" },
      { expression: "humanBytes(1024.0)", result: "1.0 kB" },
    ],
    ...pure,
    signatures: [
      signature(["int"], "string", (n) => humanBytes(BigInt.asUintN(64, BigInt(n)))),
      signature(["float"], "string", (x) => humanBytes(unsigned(x))),
    ],
  },
];

/** UTF-16 units of the longest string that a function makes; an error says so beyond. */
const RESULT_MAX = 16 * 1024 * 1024;
/** White space at the ends, by Unicode's White_Space property. */
const SPACE_BEFORE = /^\p{White_Space}+/u;
const SPACE_AFTER = /(?<!\p{White_Space})\p{White_Space}+$/u;
/** Plain ASCII without a length limit; the class is one range test per character. */
const ASCII = /^[\x00-\x7f]*$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function indexFunction(
  name: string,
  which: string,
  find: (s: string, part: string) => number,
  expression: string,
  result: string,
  any = false,
): FunctionSpec {
  const what = any ? "any character of the second string" : "the second string";
  return {
    name,
    doc: `Byte position of the ${which} occurrence of ${what} in the first, −1 if absent.`,
    examples: [{ expression, result }],
    ...pure,
    signatures: [
      signature(["string", "string"], "int", (s, part) => {
        const at = find(s, part);
        return at <= 0 ? at : byteLength(s.slice(0, at));
      }),
    ],
  };
}

/** Length in UTF-8. */
export function byteLength(s: string): number {
  if (ASCII.test(s)) return s.length;
  return encoder.encode(s).length;
}

function firstOfAny(s: string, chars: string): number {
  const set = new Set(chars);
  let at = 0;
  for (const char of s) {
    if (set.has(char)) return at;
    at += char.length;
  }
  return -1;
}

function lastOfAny(s: string, chars: string): number {
  const set = new Set(chars);
  let at = 0;
  let found = -1;
  for (const char of s) {
    if (set.has(char)) found = at;
    at += char.length;
  }
  return found;
}

function count(s: string, part: string): number {
  if (part === "") return [...s].length + 1;
  let n = 0;
  for (let at = s.indexOf(part); at >= 0; at = s.indexOf(part, at + part.length)) n++;
  return n;
}

function replace(s: string, old: string, by: string, limit: Int64): string {
  let left = limit < 0 || limit > s.length + 1 ? s.length + 1 : Number(limit);
  if (left === 0) return s;
  const total = Math.min(left, count(s, old));
  if (s.length + total * by.length > RESULT_MAX) throw tooLong();
  if (old === "") return replaceEmpty(s, by, left);
  let out = "";
  let from = 0;
  for (let at = s.indexOf(old); at >= 0 && left > 0; at = s.indexOf(old, from)) {
    out += s.slice(from, at) + by;
    from = at + old.length;
    left--;
  }
  return out + s.slice(from);
}

/** The empty string is found before every character and at the end. */
function replaceEmpty(s: string, by: string, limit: number): string {
  let out = "";
  let left = limit;
  for (const char of s) {
    out += left > 0 ? by + char : char;
    left--;
  }
  return left > 0 ? out + by : out;
}

function tooLong(): Error {
  return new Error(`result is longer than ${RESULT_MAX} characters`);
}

function checkedSize(s: string): string {
  if (s.length > RESULT_MAX) throw tooLong();
  return s;
}

function substring(s: string, start: Int64, stop: Int64): string {
  if (start < 0) throw new Error(`found negative index for strSubstring: ${start}`);
  if (stop < 0) throw new Error(`found negative index for strSubstring: ${stop}`);
  const plain = ASCII.test(s);
  const bytes = plain ? undefined : encoder.encode(s);
  const length = bytes === undefined ? s.length : bytes.length;
  if (stop >= length) throw new Error(`stop index too large for string in strSubstring: ${stop}`);
  if (start > stop) throw new Error(`runtime error: slice bounds out of range [${start}:${stop}]`);
  const from = Number(start);
  const to = Number(stop);
  return bytes === undefined ? s.slice(from, to) : decoder.decode(bytes.subarray(from, to));
}

/** Case is changed one character at a time: ß stays ß, as one character never becomes two. */
function eachChar(s: string, change: (char: string) => string): string {
  if (ASCII.test(s)) return change(s);
  let out = "";
  for (const char of s) {
    const changed = change(char);
    const single = [...changed].length === 1;
    out += single ? changed : char;
  }
  return out;
}

function trimLeft(s: string, chars: string): string {
  const set = new Set(chars);
  let from = 0;
  for (const char of s) {
    if (!set.has(char)) break;
    from += char.length;
  }
  return s.slice(from);
}

function trimRight(s: string, chars: string): string {
  const set = new Set(chars);
  let to = s.length;
  while (to > 0) {
    const pair = to > 1 && (s.codePointAt(to - 2) ?? 0) > 0xffff;
    const char = s.slice(pair ? to - 2 : to - 1, to);
    if (!set.has(char)) break;
    to -= char.length;
  }
  return s.slice(0, to);
}

/** Go's conversion of a float to an unsigned integer, on the platforms that matter. */
function unsigned(x: number): bigint {
  const whole = Math.trunc(x);
  if (!Number.isFinite(whole) || Math.abs(whole) >= 2 ** 64) return 1n << 63n;
  return BigInt.asUintN(64, BigInt(whole));
}

function humanBytes(size: bigint): string {
  if (size < 10n) return `${size} B`;
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  const exponent = Math.floor(Math.log(Number(size)) / Math.log(1000));
  const value = Math.floor((Number(size) / 1000 ** exponent) * 10 + 0.5) / 10;
  const unit = units[exponent] ?? "EB";
  return value < 10 ? `${value.toFixed(1)} ${unit}` : `${roundEven(value)} ${unit}`;
}

/** Whole digits as `%.0f` prints them: ties to even. */
function roundEven(value: number): string {
  const low = Math.floor(value);
  const tie = value - low === 0.5;
  return String(tie ? low + (low % 2) : Math.round(value));
}
