/**
 * Values of the configuration API: typed loosely, because clients send form fields as text.
 *
 * Numbers and truth values may come as text, durations as Go text or nanoseconds, null as an empty list or table.
 * What is then of the right type still has to satisfy the field (`decodeField`): range, allowed words.
 * Source: http-api §8.2.
 */

import { isTable } from "./decode.ts";
import type { Field, FieldShape } from "./field.ts";
import { parseGoBool, parseGoFloat, parseGoInt } from "./go-values.ts";

/** The value does not have the option's type; the sender's fault. The message does not name the option. */
export class WeakTypeError extends Error {
  override name = "WeakTypeError";
}

/** Go's names of the types, as the error texts give them. */
const GO_TYPES: Readonly<Record<FieldShape["kind"], string>> = {
  text: "string",
  flag: "bool",
  integer: "int",
  float: "float64",
  duration: "duration",
  texts: "[]string",
  "text-map": "map[string]string",
  "texts-map": "map[string][]string",
  table: "map[string]string",
  "table-map": "map[string]map[string]string",
};

/** `raw` in the type of the field. Throws `WeakTypeError`. */
export function weakValue(spec: Field<unknown>, raw: unknown): unknown {
  const value = converted(spec.shape, raw);
  if (value !== undefined) return value;
  const shown = spec.redacted ? typeName(raw) : shownValue(raw);
  throw new WeakTypeError(`cannot convert ${shown} into ${GO_TYPES[spec.shape.kind]}`);
}

function converted(shape: FieldShape, raw: unknown): unknown {
  switch (shape.kind) {
    case "text":
      return typeof raw === "string" ? raw : undefined;
    case "flag":
      return typeof raw === "string" ? parseGoBool(raw) : typed(raw, "boolean");
    case "integer":
      return typeof raw === "string" ? parseGoInt(raw) : integer(raw);
    case "float":
      return typeof raw === "string" ? parseGoFloat(raw) : number(raw);
    case "duration":
      return typeof raw === "string" ? raw : integer(raw);
    case "texts":
      return raw === null ? [] : texts(raw);
    case "text-map":
      return raw === null ? {} : mapped(raw, (value) => typed(value, "string"));
    case "texts-map":
      return raw === null ? {} : mapped(raw, texts);
    case "table":
      return raw === null ? {} : table(shape.fields, raw);
    case "table-map":
      return isTable(raw) ? raw : undefined;
  }
}

function typed(raw: unknown, type: "string" | "boolean"): unknown {
  return typeof raw === type ? raw : undefined;
}

function number(raw: unknown): unknown {
  return typeof raw === "number" || typeof raw === "bigint" ? raw : undefined;
}

function integer(raw: unknown): unknown {
  return typeof raw === "bigint" || Number.isInteger(raw) ? raw : undefined;
}

function texts(raw: unknown): unknown {
  if (!Array.isArray(raw)) return undefined;
  return raw.every((item) => typeof item === "string") ? raw : undefined;
}

function mapped(raw: unknown, convert: (value: unknown) => unknown): unknown {
  if (!isTable(raw)) return undefined;
  const entries = Object.entries(raw).map(([key, value]) => [key, convert(value)] as const);
  return entries.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(entries);
}

/** Keys that are no fields are left for `decodeField` to name. */
function table(fields: Readonly<Record<string, Field<unknown>>>, raw: unknown): unknown {
  if (!isTable(raw)) return undefined;
  const entries = Object.entries(raw).map(([key, value]) => {
    const spec = Object.hasOwn(fields, key) ? fields[key] : undefined;
    return [key, spec === undefined ? value : weakValue(spec, value)] as const;
  });
  return Object.fromEntries(entries);
}

const SHOWN_LENGTH_MAX = 60;

function shownValue(raw: unknown): string {
  const type = typeName(raw);
  if (typeof raw === "string") {
    const cut = raw.length > SHOWN_LENGTH_MAX ? `${raw.slice(0, SHOWN_LENGTH_MAX)}…` : raw;
    return `${type} ${JSON.stringify(cut)}`;
  }
  const isScalar = typeof raw === "number" || typeof raw === "bigint" || typeof raw === "boolean";
  return isScalar ? `${type} ${raw}` : type;
}

function typeName(raw: unknown): string {
  if (raw === null) return "null";
  if (Array.isArray(raw)) return "array";
  if (typeof raw === "boolean") return "bool";
  if (typeof raw === "bigint") return "number";
  return typeof raw;
}
