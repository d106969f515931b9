/**
 * Parsed TOML (or JSON) into values, field by field.
 *
 * Everything is checked: unknown keys, wrong types, bad durations, numbers out of range. The first mistake in
 * the order of the file throws `FieldError` with its path and what was expected instead.
 */

import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parseGoDuration } from "#lib/duration.ts";
import { type DurationNs, fromBigInt, INT64_MAX, INT64_MIN } from "#lib/int64.ts";
import { type ConfigPath, FieldError } from "./config-error.ts";
import type { Field, Fields } from "./field.ts";

/** Values under construction; frozen at the end of loading. */
export type Draft = Record<string, unknown>;

/** Lays `raw` over a copy of `base`; unknown keys are refused. */
export function decodeTable(fields: Fields, raw: unknown, base: unknown, path: ConfigPath): Draft {
  if (!isTable(raw)) throw new FieldError(path, `expected a table, found ${describe(raw)}`);
  const draft: Draft = { ...(base as Draft) };
  for (const [key, value] of Object.entries(raw)) {
    const spec = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (spec === undefined)
      throw new FieldError([...path, key], `unknown key, ${suggest(key, Object.keys(fields))}`);
    draft[key] = decodeField(spec, value, draft[key], [...path, key]);
  }
  return draft;
}

/** Decodes one value; `base` is what sub-tables are laid over. */
export function decodeField(
  spec: Field<unknown>,
  raw: unknown,
  base: unknown,
  path: ConfigPath,
): unknown {
  const { shape } = spec;
  switch (shape.kind) {
    case "text":
    case "flag":
    case "integer":
    case "float":
    case "texts":
    case "text-map":
    case "texts-map":
      return checked(spec.schema, plainNumber(raw), spec, path);
    case "duration":
      return checked(spec.schema, durationOf(raw, spec, path), spec, path);
    case "table":
      return decodeTable(shape.fields, raw, base, path);
    case "table-map":
      return decodeTableMap(shape.fields, raw, spec, path);
  }
}

function decodeTableMap(
  fields: Fields,
  raw: unknown,
  spec: Field<unknown>,
  path: ConfigPath,
): Draft {
  if (!isTable(raw)) throw refused(spec, raw, path);
  const zero = Object.entries(fields).map(([key, { zero }]) => [key, zero] as const);
  const base = Object.fromEntries(zero);
  const tables = Object.entries(raw).map(
    ([name, value]) => [name, decodeTable(fields, value, base, [...path, name])] as const,
  );
  return Object.fromEntries(tables);
}

function checked(schema: TSchema, value: unknown, spec: Field<unknown>, path: ConfigPath): unknown {
  if (typeof value === "bigint" && spec.shape.kind === "duration") {
    if (value >= 0n || Value.Check(schema, -1)) return value;
  } else if (Value.Check(schema, value)) {
    return isTable(value) ? structuredClone(value) : value;
  }
  throw refused(spec, value, path);
}

function refused(spec: Field<unknown>, found: unknown, path: ConfigPath): FieldError {
  // A secret of the wrong type is still a secret.
  const shown = spec.redacted && typeof found === "string" ? "a string" : describe(found);
  return new FieldError(path, `expected ${spec.expected}, found ${shown}`);
}

/** Floats may be written as integers that only a bigint holds. */
function plainNumber(raw: unknown): unknown {
  return typeof raw === "bigint" ? Number(raw) : raw;
}

function durationOf(raw: unknown, spec: Field<unknown>, path: ConfigPath): DurationNs {
  if (typeof raw === "string") {
    const parsed = parseGoDuration(raw);
    if (parsed !== undefined) return parsed;
  } else if (typeof raw === "bigint" && raw >= INT64_MIN && raw <= INT64_MAX) {
    return fromBigInt(raw);
  } else if (typeof raw === "number" && Number.isSafeInteger(raw)) {
    return raw;
  }
  throw refused(spec, raw, path);
}

export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)
  );
}

const SHOWN_LENGTH_MAX = 60;

/** A found value in an error message: what it is and, when short, the value itself. */
export function describe(value: unknown): string {
  if (typeof value === "string") {
    const shown = value.length > SHOWN_LENGTH_MAX ? `${value.slice(0, SHOWN_LENGTH_MAX)}…` : value;
    return `the string ${JSON.stringify(shown)}`;
  }
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  if (typeof value === "boolean") return String(value);
  if (value instanceof Date) return "a date";
  if (!Array.isArray(value)) return "a table";
  return value.length > 0 && value.every(isTable) ? "a list of tables" : "an array";
}

/** Names the key that was probably meant, or all there are. */
export function suggest(key: string, known: readonly string[]): string {
  const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, "");
  const slack = Math.min(2, Math.floor(key.length / 3));
  const near = known.find(
    (word) => plain(word) === plain(key) || editDistance(word, key, slack) <= slack,
  );
  if (near !== undefined) return `did you mean ${JSON.stringify(near)}?`;
  return known.length === 0 ? "expected none" : `expected one of ${known.join(", ")}`;
}

/** Levenshtein distance, given up beyond `max`. */
function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? max + 1;
}
