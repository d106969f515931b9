/** Builders of points for unit tests. */

import { Group, NO_DIMENSIONS } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";

/** A point of `"db"."rp"` at whole seconds. Numbers are floats, bigints ints. */
export function point(
  name: string,
  tags: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, FieldValue>>,
  seconds: number,
): Point {
  const names = Object.keys(fields);
  const types = names.map((field) => typeOf(fields[field] ?? null));
  const values = names.map((field) => {
    const held = fields[field] ?? null;
    return typeof held === "bigint" ? Number(held) : held;
  });
  const series = makeSeries("db", "rp", name, tags);
  return new Point(series, internShape(names, types), values, seconds * 1000, 0);
}

export function group(tags: Readonly<Record<string, string>> = {}, name = "m"): Group {
  const tagNames = Object.keys(tags);
  if (tagNames.length === 0) return new Group(name, NO_DIMENSIONS, []);
  return new Group(name, { byName: false, tagNames }, Object.values(tags));
}

function typeOf(held: FieldValue): FieldType {
  switch (typeof held) {
    case "number":
      return "float";
    case "bigint":
      return "int";
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    default:
      return "null";
  }
}
