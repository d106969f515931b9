/**
 * The functions every template may call, by name, and the `json` pair of alert details.
 *
 * A function gets evaluated arguments and throws `ValueError` with Go's text when they do not fit; the runner
 * adds `error calling name:` and the position. `and`, `or` are in the runner, because they stop early.
 */

import type { Int64 } from "#lib/int64.ts";
import {
  compareBytes,
  encodeJson,
  encodeJsonString,
  encodeNumber,
  JsonValueError,
} from "#lib/json.ts";
import { escapeHtml, escapeJs, escapeQuery } from "./escapes.ts";
import { sprint, sprintf, sprintln } from "./format.ts";
import { VALUE_DEPTH_MAX } from "./limits.ts";
import { ValueError } from "./template-error.ts";
import {
  GoFloat,
  isTrue,
  type Kinded,
  kindOf,
  mapKeys,
  member,
  SafeJs,
  typeName,
} from "./values.ts";

export interface TemplateFunction {
  /** Smallest and largest number of arguments. */
  readonly min: number;
  readonly max: number;
  call(args: readonly unknown[]): unknown;
}

export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>;

const MANY = Number.POSITIVE_INFINITY;

const fn = (
  min: number,
  max: number,
  call: (args: readonly unknown[]) => unknown,
): TemplateFunction => ({ min, max, call });

/** Go's built-in functions. */
export const BUILTINS: TemplateFunctions = {
  and: fn(1, MANY, (args) => args.find((arg) => !isTrue(arg)) ?? args[args.length - 1]),
  call: fn(1, MANY, call),
  eq: fn(1, MANY, equal),
  ge: fn(2, 2, ([a, b]) => !less(a, b)),
  gt: fn(2, 2, ([a, b]) => !less(a, b) && !equal([a, b])),
  html: fn(0, MANY, (args) => escapeHtml(sprint(args))),
  index: fn(1, MANY, ([of, ...keys]) => keys.reduce(index, of)),
  js: fn(0, MANY, (args) => escapeJs(sprint(args))),
  le: fn(2, 2, ([a, b]) => less(a, b) || equal([a, b])),
  len: fn(1, 1, ([of]) => length(of)),
  lt: fn(2, 2, ([a, b]) => less(a, b)),
  ne: fn(2, 2, ([a, b]) => !equal([a, b])),
  not: fn(1, 1, ([arg]) => !isTrue(arg)),
  or: fn(1, MANY, (args) => args.find(isTrue) ?? args[args.length - 1]),
  print: fn(0, MANY, sprint),
  printf: fn(1, MANY, ([format, ...args]) => sprintf(textArgument(format), args)),
  println: fn(0, MANY, sprintln),
  slice: fn(1, 4, slice),
  urlquery: fn(0, MANY, (args) => escapeQuery(sprint(args))),
};

/** What alert details and inline body templates have besides: JSON of a value. `json` ends in a newline. */
export const JSON_FUNCTIONS: TemplateFunctions = {
  json: fn(1, 1, ([value]) => new SafeJs(`${jsonText(value)}\n`)),
  jsonCompact: fn(1, 1, ([value]) => new SafeJs(jsonText(value))),
};

function jsonText(value: unknown): string {
  try {
    return writeJson(value, 0);
  } catch (error) {
    if (error instanceof JsonValueError) throw new ValueError(error.message);
    throw error;
  }
}

/** Straight to text: alert details are the JSON of all that is known of an event, written for every one. */
function writeJson(value: unknown, depth: number): string {
  if (depth > VALUE_DEPTH_MAX) throw new ValueError("value is nested too deeply");
  if (typeof value === "string") return encodeJsonString(value);
  if (value instanceof GoFloat) return encodeNumber(value.value);
  const v = kindOf(value);
  switch (v.kind) {
    case "slice":
      return `[${v.value.map((item) => writeJson(item, depth + 1)).join(",")}]`;
    case "map":
      return writeObject(v.value, mapKeys(v.value), depth);
    case "struct":
      return writeObject(v.value.fields, Object.keys(v.value.fields), depth);
    default:
      return encodeJson(jsonValue(value, depth));
  }
}

function writeObject(
  of: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  depth: number,
): string {
  let text = "";
  for (const key of keys) {
    text += `${text === "" ? "{" : ","}${encodeJsonString(key)}:${writeJson(of[key], depth + 1)}`;
  }
  return text === "" ? "{}" : `${text}}`;
}

/** A value as `encodeJson` takes it. Throws `ValueError` when it is nested too deeply. */
export function plainJson(value: unknown): unknown {
  return jsonValue(value, 0);
}

/** The value in plain form: maps with sorted keys, structs in field order, wrappers resolved. */
function jsonValue(value: unknown, depth: number): unknown {
  if (depth > VALUE_DEPTH_MAX) throw new ValueError("value is nested too deeply");
  const v = kindOf(value);
  switch (v.kind) {
    case "nil":
      return null;
    case "slice":
      return v.value.map((item) => jsonValue(item, depth + 1));
    case "map":
      return object(v.value, mapKeys(v.value), depth);
    case "struct":
      return object(v.value.fields, Object.keys(v.value.fields), depth);
    case "time":
    case "duration":
      return v.value.toJSON();
    default:
      return v.value;
  }
}

function object(
  of: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  depth: number,
): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, jsonValue(of[key], depth + 1)]));
}

function textArgument(value: unknown): string {
  const v = kindOf(value);
  if (v.kind === "string") return v.value;
  throw new ValueError(`wrong type for value; expected string; got ${typeName(value)}`);
}

/** Nothing in alert data is a function, so `call` only explains itself. */
function call([of]: readonly unknown[]): never {
  if (kindOf(of).kind === "nil") throw new ValueError("call of nil");
  throw new ValueError(`non-function of type ${typeName(of)}`);
}

/** One step of `index`: a map's key or a list's place. */
function index(of: unknown, key: unknown): unknown {
  const v = kindOf(of);
  switch (v.kind) {
    case "map": {
      const k = kindOf(key);
      if (k.kind !== "string") {
        if (k.kind === "nil") throw new ValueError("value is nil; should be of type string");
        throw new ValueError(`value has type ${typeName(key)}; should be string`);
      }
      return member(v.value, k.value) ?? (v.ofStrings ? "" : null);
    }
    case "slice":
      return v.value[place(key, v.value.length - 1)];
    case "string": {
      const bytes = new TextEncoder().encode(v.value);
      return bytes[place(key, bytes.length - 1)];
    }
    case "nil":
      throw new ValueError("index of untyped nil");
    default:
      throw new ValueError(`can't index item of type ${typeName(of)}`);
  }
}

function place(key: unknown, last: number): number {
  const k = kindOf(key);
  if (k.kind === "nil") throw new ValueError("cannot index slice/array with nil");
  if (k.kind !== "int") {
    throw new ValueError(`cannot index slice/array with type ${typeName(key)}`);
  }
  const at = Number(k.value);
  if (at < 0 || at > last) throw new ValueError(`index out of range: ${k.value}`);
  return at;
}

function slice([of, ...bounds]: readonly unknown[]): unknown {
  const v = kindOf(of);
  if (v.kind === "nil") throw new ValueError("slice of untyped nil");
  if (v.kind !== "string" && v.kind !== "slice") {
    throw new ValueError(`can't slice item of type ${typeName(of)}`);
  }
  if (v.kind === "string" && bounds.length === 3) {
    throw new ValueError("cannot 3-index slice a string");
  }
  const bytes = v.kind === "string" ? new TextEncoder().encode(v.value) : undefined;
  const size = bytes?.length ?? (v.kind === "slice" ? v.value.length : 0);
  const [from = 0, to = size] = bounds.map((bound) => place(bound, size));
  if (from > to) throw new ValueError(`invalid slice index: ${from} > ${to}`);
  if (bytes !== undefined) return new TextDecoder().decode(bytes.subarray(from, to));
  return v.kind === "slice" ? v.value.slice(from, to) : "";
}

function length(of: unknown): number {
  const v = kindOf(of);
  switch (v.kind) {
    case "string":
      return new TextEncoder().encode(v.value).length;
    case "slice":
      return v.value.length;
    case "map":
      return Object.keys(v.value).length;
    case "nil":
      throw new ValueError("len of nil pointer");
    default:
      throw new ValueError(`len of type ${typeName(of)}`);
  }
}

/** True when the first equals any of the others. */
function equal([first, ...others]: readonly unknown[]): boolean {
  if (others.length === 0) throw new ValueError("missing argument for comparison");
  const a = comparable(first);
  return others.some((other) => {
    const b = comparable(other);
    if (a.kind === "nil" || b.kind === "nil") return a.kind === b.kind;
    if (a.kind !== b.kind) throw new ValueError("incompatible types for comparison");
    if (a.kind === "time" && b.kind === "time") {
      return a.value.ms === b.value.ms && a.value.ns === b.value.ns;
    }
    return sameBasic(a, b);
  });
}

function sameBasic(a: Kinded, b: Kinded): boolean {
  if (a.kind === "int" && b.kind === "int") return BigInt(a.value) === BigInt(b.value);
  return "value" in a && "value" in b && a.value === b.value;
}

/** A value that may be compared; durations compare as the integers they are. */
function comparable(value: unknown): Kinded {
  const v = kindOf(value);
  if (v.kind === "duration") return { kind: "int", value: v.value.ns };
  if (v.kind === "slice" || v.kind === "map") {
    throw new ValueError(`non-comparable type ${display(v)}: ${typeName(value)}`);
  }
  return v;
}

function display(v: Kinded): string {
  return "value" in v ? sprint([v.value]) : "<nil>";
}

function less(x: unknown, y: unknown): boolean {
  const a = ordered(x);
  const b = ordered(y);
  if (typeof a === "string" && typeof b === "string") return compareBytes(a, b) < 0;
  if (typeof a === "object" && typeof b === "object") return a.float < b.float;
  if (isInt(a) && isInt(b)) return a < b;
  throw new ValueError("incompatible types for comparison");
}

const isInt = (value: unknown): value is Int64 =>
  typeof value === "number" || typeof value === "bigint";

/** What `<` can order: strings, integers, floats (boxed, because they do not mix with integers). */
function ordered(value: unknown): string | Int64 | { readonly float: number } {
  const v = comparable(value);
  switch (v.kind) {
    case "string":
    case "int":
      return v.value;
    case "float":
      return { float: v.value };
    default:
      throw new ValueError("invalid type for comparison");
  }
}
