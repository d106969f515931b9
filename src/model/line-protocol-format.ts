/**
 * Points as line protocol text: tags and fields in ascending byte order, exact escapes and numbers.
 *
 * The text of a point read back by `LineProtocolReader` is the same point. Line protocol has no form for
 * NaN, infinities, durations and nulls: NaN, infinite and null fields are left out, durations are written
 * as integers of nanoseconds. Some texts cannot be written at all: names, tags and field keys that end in
 * a backslash or have one before a space, and field keys that have one before a comma or `=` (no reader
 * can tell them from escapes); measurements that begin with `#`, a tab or NUL. A newline in a name, tag or
 * field key is written behind a backslash and read back with it, so no text can begin a line of its own.
 */

import { compareBytes } from "#lib/json.ts";
import { nanosText } from "#lib/time.ts";
import type { Point } from "./point.ts";
import type { FieldType, FieldValue } from "./shape.ts";

/** Unit of time stamps: `ns` (also written `n`), `u`, `ms`, `s`, `m`, `h`. */
export type LinePrecision = "ns" | "u" | "ms" | "s" | "m" | "h";

/** Nanoseconds per unit of a time stamp. */
export const PRECISION_NS: Readonly<Record<LinePrecision, number>> = {
  ns: 1,
  u: 1_000,
  ms: 1_000_000,
  s: 1_000_000_000,
  m: 60_000_000_000,
  h: 3_600_000_000_000,
};

/**
 * One line without line end, or `undefined` when no field can be written. Times are divided down to the
 * precision (towards earlier).
 */
export function formatPoint(point: Point, precision: LinePrecision = "ns"): string | undefined {
  const { series } = point;
  const key = formatKey(series.name, series.tagKeys, series.tagValues);
  return formatLine(key, point, precision);
}

/** Like `formatPoint` with a key made by `formatKey`, for callers that keep keys. */
export function formatLine(
  key: string,
  point: Point,
  precision: LinePrecision = "ns",
): string | undefined {
  const { shape, values } = point;
  const names = byteOrder(shape.sortedNames);
  let fields = "";
  for (const name of names) {
    const slot = shape.slot(name);
    const text = formatValue(values[slot] ?? null, shape.types[slot] ?? "null");
    if (text === undefined) continue;
    fields += `${fields === "" ? "" : ","}${guardNewlines(escapeFieldKey(name))}=${text}`;
  }
  if (fields === "") return undefined;
  const stamp = formatStamp(point.timeMs, point.timeNs, precision);
  return `${guardNewlines(key)} ${fields} ${stamp}`;
}

function guardNewlines(text: string): string {
  return text.includes("\n") ? text.replace(/(?<!\\)\n/g, "\\\n") : text;
}

const orders = new WeakMap<readonly string[], readonly string[]>();

function byteOrder(names: readonly string[]): readonly string[] {
  let order = orders.get(names);
  if (order === undefined) {
    order = [...names].sort(compareBytes);
    orders.set(names, order);
  }
  return order;
}

/** Measurement and tags; tags in the order given, empty values left out. */
export function formatKey(
  name: string,
  tagKeys: readonly string[],
  tagValues: readonly string[],
): string {
  let key = escapeMeasurement(name);
  for (let i = 0; i < tagKeys.length; i++) {
    const value = tagValues[i] as string;
    if (value !== "") key += `,${escapeTag(tagKeys[i] as string)}=${escapeTag(value)}`;
  }
  return key;
}

/** An integer time stamp in units of the precision. */
export function formatStamp(ms: number, ns: number, precision: LinePrecision): string {
  switch (precision) {
    case "ns":
      return nanosText(ms, ns);
    case "u":
      return String(BigInt(ms) * 1_000n + BigInt(Math.floor(ns / 1_000)));
    default:
      return String(Math.floor(ms / (PRECISION_NS[precision] / 1_000_000)));
  }
}

function formatValue(value: FieldValue, type: FieldType): string | undefined {
  switch (type) {
    case "float":
      return typeof value === "number" ? formatFloat(value) : undefined;
    case "int":
    case "duration":
      return `${value}i`;
    case "uint":
      return `${value}u`;
    case "boolean":
      return value === true ? "true" : "false";
    case "string":
      return `"${String(value).replace(/["\\]/g, "\\$&")}"`;
    case "null":
      return undefined;
    default:
      return type satisfies never;
  }
}

/** Decimal without exponent below 1e21, as InfluxDB writes floats; exponents beyond. */
function formatFloat(value: number): string | undefined {
  if (!Number.isFinite(value)) return undefined;
  if (Object.is(value, -0)) return "-0";
  return String(value);
}

/** Escapes comma and space, and a backslash that a quote, comma, space or `=` would make an escape. */
function escapeMeasurement(text: string): string {
  return /[, \\]/.test(text) ? text.replace(/[, ]|\\(?=["=])/g, "\\$&") : text;
}

/** Escapes comma, equals sign and space. */
function escapeTag(text: string): string {
  return /[,= ]/.test(text) ? text.replace(/[,= ]/g, "\\$&") : text;
}

function escapeFieldKey(text: string): string {
  return /[,= \\]/.test(text) ? text.replace(/[,= ]|\\(?=")/g, "\\$&") : text;
}
