/**
 * Vars as the API takes and shows them: `{"name": {"type": "int", "value": 42, "description": "…"}}`.
 *
 * Durations come as nanoseconds or text and go as nanoseconds; lambdas are expression source. A var without a
 * value has `null`. Source: reference http-api.md §3.3.
 */

import { parseInfluxDuration } from "#lib/duration.ts";
import { errorMessage } from "#lib/errors.ts";
import { fromBigInt, INT64_MAX, INT64_MIN, type Int64, isInt64 } from "#lib/int64.ts";
import type { TickValue, Var, VarType } from "./environment.ts";
import { formatExpression } from "./format.ts";
import { quoted } from "./go-text.ts";
import { regexError } from "./lambda/regex.ts";
import { parseExpression } from "./parser.ts";
import { isVarType } from "./values.ts";

/** A var in a request has a type or value that is none. The client's fault; nothing was changed. */
export class VarError extends Error {
  override name = "VarError";
}

export interface VarJson {
  readonly type: VarType;
  readonly value: unknown;
  readonly description: string;
}

/** Reads vars with their descriptions; absent and null are no vars. Throws `VarError`. */
export function parseVars(input: unknown): Record<string, Var> {
  const vars: Record<string, Var> = {};
  if (input === undefined || input === null) return vars;
  if (!isRecord(input)) throw new VarError("vars must be an object");
  for (const [name, entry] of Object.entries(input)) {
    Object.defineProperty(vars, name, { value: parseVar(name, entry), enumerable: true });
  }
  return vars;
}

/** The values alone, for `evaluateScript`. Vars without a value are left out. Throws `VarError`. */
export function varsFromJson(input: unknown): Record<string, TickValue> {
  return varValues(parseVars(input));
}

/** The values of vars that have one. */
export function varValues(vars: Readonly<Record<string, Var>>): Record<string, TickValue> {
  const values: Record<string, TickValue> = {};
  for (const [name, { value }] of Object.entries(vars)) {
    if (value !== undefined) Object.defineProperty(values, name, { value, enumerable: true });
  }
  return values;
}

/** Vars in the API's form, keys in the order type, value, description. */
export function varsToJson(
  vars: Readonly<Record<string, Var>> | ReadonlyMap<string, Var>,
): Record<string, VarJson> {
  const entries = vars instanceof Map ? [...vars.entries()] : Object.entries(vars);
  const out: Record<string, VarJson> = {};
  for (const [name, { type, value, description }] of entries) {
    const json = { type, value: value === undefined ? null : valueToJson(value), description };
    Object.defineProperty(out, name, { value: json, enumerable: true });
  }
  return out;
}

function parseVar(name: string, entry: unknown): Var {
  if (!isRecord(entry)) throw new VarError(`var ${quoted(name)} must be an object`);
  const { type, value, description = "" } = entry;
  if (typeof type !== "string" || !isVarType(type)) {
    throw new VarError(`invalid type ${quoted(String(type))} of var ${quoted(name)}`);
  }
  if (typeof description !== "string") {
    throw new VarError(`description of var ${quoted(name)} must be a string`);
  }
  if (value === null || value === undefined) {
    const star = type === "star" ? STAR : undefined;
    return { type, value: star, description };
  }
  return { type, value: parseValue(name, type, value), description };
}

const STAR: TickValue = { kind: "star" };

function parseValue(name: string, type: VarType, value: unknown): TickValue {
  const bad = (expected: string): VarError =>
    new VarError(`value of var ${quoted(name)} must be ${expected}`);
  switch (type) {
    case "bool":
      if (typeof value !== "boolean") throw bad("true or false");
      return { kind: "bool", value };
    case "int":
      if (!isInt64(value)) throw bad("an integer");
      return { kind: "int", value: integer(value, bad) };
    case "float":
      if (typeof value !== "number" && typeof value !== "bigint") throw bad("a number");
      return { kind: "float", value: Number(value) };
    case "string":
      if (typeof value !== "string") throw bad("a string");
      return { kind: "string", value };
    case "regex":
      return { kind: "regex", value: pattern(value, bad) };
    case "duration":
      return { kind: "duration", value: duration(value, bad) };
    case "lambda":
      return lambda(name, value, bad);
    case "star":
      return STAR;
    case "list":
      if (!Array.isArray(value)) throw bad("a list");
      return { kind: "list", value: value.map((item) => parseItem(name, item)) };
  }
}

type Bad = (expected: string) => VarError;

function integer(value: Int64, bad: Bad): Int64 {
  if (typeof value === "number") return value + 0;
  if (value < INT64_MIN || value > INT64_MAX) throw bad("an integer of 64 bits");
  return fromBigInt(value);
}

function pattern(value: unknown, bad: Bad): string {
  if (typeof value !== "string") throw bad("a string");
  const problem = regexError(value);
  if (problem !== undefined) throw bad(`a regular expression: ${problem}`);
  return value;
}

function duration(value: unknown, bad: Bad): Int64 {
  if (isInt64(value)) return integer(value, bad);
  const parsed = typeof value === "string" ? parseInfluxDuration(value) : undefined;
  if (parsed === undefined) throw bad("nanoseconds or a duration such as 1h30m");
  return parsed;
}

function lambda(name: string, value: unknown, bad: Bad): TickValue {
  if (typeof value !== "string") throw bad("the source of an expression");
  const source = value.replace(/^\s*lambda:/, "");
  try {
    return { kind: "lambda", value: parseExpression(source) };
  } catch (cause) {
    throw new VarError(`value of var ${quoted(name)}: ${errorMessage(cause)}`, { cause });
  }
}

function parseItem(name: string, item: unknown): TickValue {
  const { type, value } = parseVar(name, item);
  if (type !== "string" && type !== "star") {
    throw new VarError(`items of var ${quoted(name)} must be strings or stars`);
  }
  if (value === undefined) throw new VarError(`an item of var ${quoted(name)} has no value`);
  return value;
}

function valueToJson(value: TickValue): unknown {
  switch (value.kind) {
    case "lambda":
      return formatExpression(value.value);
    case "list":
      return value.value.map((item) => ({
        type: item.kind,
        value: valueToJson(item),
        description: "",
      }));
    case "star":
    case "node":
    case "timeDimension":
      return null;
    default:
      return value.value;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
