/**
 * Conversions: the only way from one type to another. Texts of errors are those of Go's number parsers, which
 * users see behind `error calling "int": `.
 */

import { formatTickDuration, parseInfluxDuration } from "#lib/duration.ts";
import { fromFloat, type Int64, mul, parseInt64, toFloat } from "#lib/int64.ts";
import { displayFloat, plainFloat, quoted } from "../go-text.ts";
import { type FunctionSpec, signature } from "./spec.ts";

const TRUE_WORDS: ReadonlySet<string> = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE_WORDS: ReadonlySet<string> = new Set(["0", "f", "F", "FALSE", "false", "False"]);

export const conversionFunctions: readonly FunctionSpec[] = [
  {
    name: "bool",
    doc: "Converts to a boolean: words such as TRUE, t and 1 for strings, only 0 and 1 for numbers.",
    examples: [
      { expression: "bool('True')", result: "true" },
      { expression: "bool(0)", result: "false" },
    ],
    mayFail: true,
    pure: true,
    signatures: [
      signature(["boolean"], "boolean", (x) => x),
      signature(["string"], "boolean", parseBool),
      signature(["int"], "boolean", (x) => zeroOrOne(x, String(x))),
      signature(["float"], "boolean", (x) => zeroOrOne(x, displayFloat(x))),
    ],
  },
  {
    name: "int",
    doc: "Converts to an integer: strings in base 10, floats truncated towards zero, TRUE to 1.",
    examples: [
      { expression: "int('42')", result: "42" },
      { expression: "int(-1.9)", result: "-1" },
    ],
    mayFail: true,
    pure: true,
    signatures: [
      signature(["boolean"], "int", (x) => (x ? 1 : 0)),
      signature(["string"], "int", parseInteger),
      signature(["int"], "int", (x) => x),
      signature(["float"], "int", fromFloat),
    ],
  },
  {
    name: "float",
    doc: "Converts to a float. Strings may have an exponent, or be inf or nan.",
    examples: [
      { expression: "float(3)", result: "3" },
      { expression: "float('1e3')", result: "1000" },
    ],
    mayFail: true,
    pure: true,
    signatures: [
      signature(["boolean"], "float", (x) => (x ? 1 : 0)),
      signature(["string"], "float", parseFloat64),
      signature(["int"], "float", toFloat),
      signature(["float"], "float", (x) => x),
    ],
  },
  {
    name: "string",
    doc: "Converts to a string: floats in their shortest form without exponent, durations in one unit.",
    examples: [
      { expression: "string(1.0)", result: "1" },
      { expression: "string(1500u)", result: "1500u" },
    ],
    mayFail: false,
    pure: true,
    signatures: [
      signature(["boolean"], "string", String),
      signature(["int"], "string", String),
      signature(["float"], "string", plainFloat),
      signature(["duration"], "string", formatTickDuration),
      signature(["string"], "string", (x) => x),
    ],
  },
  {
    name: "duration",
    doc: "Makes a duration: a number times a unit, or a string such as 1h30m (the unit is then ignored).",
    examples: [
      { expression: "string(duration(90, 1s))", result: "90s" },
      { expression: "string(duration('1h30m', 1s))", result: "90m" },
    ],
    mayFail: true,
    pure: true,
    signatures: [
      signature(["duration"], "duration", (x) => x),
      signature(["int", "duration"], "duration", mul),
      signature(["float", "duration"], "duration", (x, unit) => fromFloat(x * toFloat(unit))),
      signature(["string", "duration"], "duration", (text) => parseDuration(text)),
    ],
  },
];

function parseBool(text: string): boolean {
  if (TRUE_WORDS.has(text)) return true;
  if (FALSE_WORDS.has(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${quoted(text)}: invalid syntax`);
}

function zeroOrOne(value: Int64, text: string): boolean {
  if (value === 1) return true;
  if (value === 0) return false;
  throw new Error(`cannot convert ${text} to boolean`);
}

function parseInteger(text: string): Int64 {
  const value = parseInt64(text);
  if (value !== undefined) return value;
  const problem = /^[+-]?\d+$/.test(text) ? "value out of range" : "invalid syntax";
  throw new Error(`strconv.ParseInt: parsing ${quoted(text)}: ${problem}`);
}

function parseFloat64(text: string): number {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (special !== null) return specialFloat(special[1] ?? "", special[2] ?? "", text);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) {
    throw new Error(`strconv.ParseFloat: parsing ${quoted(text)}: invalid syntax`);
  }
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new Error(`strconv.ParseFloat: parsing ${quoted(text)}: value out of range`);
}

function specialFloat(sign: string, word: string, text: string): number {
  if (!/^nan$/i.test(word)) {
    return sign === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  if (sign === "") return Number.NaN;
  throw new Error(`strconv.ParseFloat: parsing ${quoted(text)}: invalid syntax`);
}

function parseDuration(text: string): Int64 {
  const value = parseInfluxDuration(text);
  if (value === undefined) throw new Error(`invalid duration string ${quoted(text)}`);
  return value;
}
