/**
 * Handler options: how a kind declares them, and how what users wrote is read into them.
 *
 * Keys match exactly, then without regard to case; unknown keys are refused; the error texts are those that
 * clients of the original know. Durations are nanoseconds or, beyond the original, texts like `5m`.
 * Source: reference alerts.md §7 (option decoding rules) and §6 (error texts).
 */

import { type Static, type TObject, type TProperties, type TSchema, Type } from "@sinclair/typebox";
import { parseGoDuration } from "#lib/duration.ts";
import type { DurationNs } from "#lib/int64.ts";
import { compareBytes } from "#lib/json.ts";
import { typeName } from "#template/values.ts";

/** The Go type an option decodes to; kept in the schema, because JSON Schema has no durations. */
type GoType =
  | "string"
  | "bool"
  | "int"
  | "time.Duration"
  | "[]string"
  | "map"
  | "stringMap"
  | "list"
  | "any";

const option = <T>(goType: GoType, doc: string, extra: object = {}) =>
  Type.Optional(Type.Unsafe<T>({ goType, description: doc, ...extra }));

export const textOption = (doc: string) => option<string>("string", doc, { type: "string" });
export const flagOption = (doc: string) => option<boolean>("bool", doc, { type: "boolean" });
export const intOption = (doc: string) => option<number>("int", doc, { type: "integer" });
export const durationOption = (doc: string) => option<DurationNs>("time.Duration", doc);
export const textsOption = (doc: string) => option<readonly string[]>("[]string", doc);
export const textMapOption = (doc: string) =>
  option<Readonly<Record<string, string>>>("stringMap", doc);
/** A map with values of any kind. */
export const mapOption = (doc: string) => option<Readonly<Record<string, unknown>>>("map", doc);
/** A list of objects of one shape. */
export const listOption = <P extends TProperties>(doc: string, item: TObject<P>) =>
  option<readonly Static<TObject<P>>[]>("list", doc, { items: item });
/** A value the kind reads by itself. */
export const anyOption = (doc: string) => option<unknown>("any", doc);

/** The closed schema of a kind's options. */
export function optionsSchema<P extends TProperties>(properties: P): TObject<P> {
  return Type.Object(properties, { additionalProperties: false });
}

/** A schema that ignores whatever is given. */
export const IGNORED_OPTIONS = Type.Object({}, { additionalProperties: true });

export type Decoded =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
  /** In the original's form: `2 error(s) decoding:\n\n* …\n* …`. */
  | { readonly ok: false; readonly error: string };

/** Reads options by their schema. Left-out ones are absent from the value. */
export function decodeOptions(schema: TSchema, given: unknown): Decoded {
  const errors: string[] = [];
  const value = decodeObject(schema, given ?? {}, "", errors);
  if (errors.length === 0) return { ok: true, value };
  const lines = errors.sort(compareBytes).map((error) => `* ${error}`);
  return { ok: false, error: `${errors.length} error(s) decoding:\n\n${lines.join("\n")}` };
}

function decodeObject(
  schema: TSchema,
  given: unknown,
  path: string,
  errors: string[],
): Record<string, unknown> {
  const source = asRecord(given);
  if (source === undefined) {
    errors.push(`'${path}' expected a map, got '${kindName(given)}'`);
    return {};
  }
  const properties: Readonly<Record<string, TSchema>> = schema["properties"] ?? {};
  const names = Object.keys(properties);
  const unknown: string[] = [];
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(source)) {
    const name = nameFor(names, key, source);
    const property = name === undefined ? undefined : properties[name];
    if (name === undefined || property === undefined) {
      unknown.push(key);
      continue;
    }
    const value = decodeValue(
      property,
      source[key],
      path === "" ? name : `${path}.${name}`,
      errors,
    );
    if (value !== undefined) out[name] = value;
  }
  if (unknown.length > 0 && schema["additionalProperties"] !== true) {
    errors.push(`'${path}' has invalid keys: ${unknown.sort(compareBytes).join(", ")}`);
  }
  return out;
}

/** The option a given key means; a differently cased key only counts when the exact one is not given too. */
function nameFor(
  names: readonly string[],
  key: string,
  source: Readonly<Record<string, unknown>>,
): string | undefined {
  if (names.includes(key)) return key;
  const lower = key.toLowerCase();
  return names.find((name) => name.toLowerCase() === lower && !Object.hasOwn(source, name));
}

function decodeValue(schema: TSchema, given: unknown, path: string, errors: string[]): unknown {
  if (given === null || given === undefined) return undefined;
  const goType: GoType = schema["goType"];
  const refuse = (): undefined => {
    errors.push(`'${path}' expected type '${goType}', got unconvertible type '${kindName(given)}'`);
  };
  switch (goType) {
    case "string":
      return typeof given === "string" ? given : refuse();
    case "bool":
      return typeof given === "boolean" ? given : refuse();
    case "int":
      return typeof given === "number" ? Math.trunc(given) : refuse();
    case "time.Duration":
      return decodeDuration(given) ?? refuse();
    case "any":
      return given;
    case "map":
      return asRecord(given) ?? notMap(given, path, errors);
    case "stringMap":
      return decodeTextMap(given, path, errors);
    case "[]string":
    case "list":
      return decodeList(schema, given, path, errors);
  }
}

function decodeDuration(given: unknown): DurationNs | undefined {
  if (typeof given === "number") return Math.trunc(given);
  if (typeof given === "bigint") return given;
  return typeof given === "string" ? parseGoDuration(given) : undefined;
}

function notMap(given: unknown, path: string, errors: string[]): undefined {
  errors.push(`'${path}' expected a map, got '${kindName(given)}'`);
}

function decodeTextMap(
  given: unknown,
  path: string,
  errors: string[],
): Readonly<Record<string, string>> | undefined {
  const source = asRecord(given);
  if (source === undefined) return notMap(given, path, errors);
  const entries: [string, string][] = [];
  for (const [key, value] of Object.entries(source)) {
    if (typeof value === "string") entries.push([key, value]);
    else errors.push(wrongText(`${path}[${key}]`, value));
  }
  return Object.fromEntries(entries);
}

function decodeList(
  schema: TSchema,
  given: unknown,
  path: string,
  errors: string[],
): readonly unknown[] | undefined {
  if (!Array.isArray(given)) {
    errors.push(`'${path}': source data must be an array or slice, got ${kindName(given)}`);
    return undefined;
  }
  const items: readonly unknown[] = given;
  return items.map((item, i) => {
    const at = `${path}[${i}]`;
    if (schema["goType"] === "list") return decodeObject(schema["items"], item, at, errors);
    if (typeof item !== "string") errors.push(wrongText(at, item));
    return item;
  });
}

function wrongText(path: string, value: unknown): string {
  return `'${path}' expected type 'string', got unconvertible type '${kindName(value)}'`;
}

/** How JSON's types are called there: every number is a float64. */
function kindName(value: unknown): string {
  return typeof value === "number" || typeof value === "bigint" ? "float64" : typeName(value);
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : undefined;
}
