/**
 * Rows: the JSON form in which points leave the engine (httpOut, httpPost, alert data, query results).
 *
 * Key order is fixed: name, tags, columns, values; an empty name or tag set is left out. Columns are `time`
 * and then names in ascending byte order; absent values are null. Times are RFC 3339 text.
 */

import { formatTime } from "#lib/time.ts";
import type { Group } from "./group.ts";
import type { Point } from "./point.ts";
import type { Shape } from "./shape.ts";

/** A cell. Int64 beyond 2^53 is a bigint; `lib/json.ts` writes it exactly. */
export type Cell = string | number | bigint | boolean | null;

export interface Row {
  readonly name?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns?: readonly string[];
  readonly values?: readonly (readonly Cell[])[];
}

/** What `data` of an alert and an httpOut endpoint hold. `null` when there is nothing yet. */
export interface Result {
  readonly series: readonly Row[] | null;
}

/** The row of one stream point: all its tags, `time` and its fields. */
export function rowOfPoint(point: Point): Row {
  const { series, shape, values } = point;
  if (columnsOfPoint?.shape !== shape) columnsOfPoint = columnsOf(shape);
  const { columns, slots } = columnsOfPoint;
  const cells: Cell[] = [formatTime(point.timeMs, point.timeNs)];
  for (const slot of slots) cells.push(values[slot] ?? null);
  return { ...heading(series.name, series.tags()), columns, values: [cells] };
}

/** Columns of a shape's points, and the slots of all but the first. */
interface Columns {
  readonly shape: Shape;
  readonly columns: readonly string[];
  readonly slots: readonly number[];
}

/** Those last asked for: points of one shape come together, and their rows may be kept for long. */
let columnsOfPoint: Columns | undefined;

function columnsOf(shape: Shape): Columns {
  const { sortedNames } = shape;
  return {
    shape,
    columns: ["time", ...sortedNames],
    slots: sortedNames.map((name) => shape.slot(name)),
  };
}

/** The row of a batch: group tags; columns from the first point's fields and non-group tags. */
export function rowOfBatch(name: string, group: Group, points: readonly Point[]): Row {
  const groupTags = group.series.tags();
  const first = points[0];
  if (first === undefined) return heading(name, groupTags);
  const own = first.series.tagKeys.filter((key) => !(key in groupTags));
  const names = [...new Set([...first.shape.names, ...own])].sort();
  return {
    ...heading(name, groupTags),
    columns: ["time", ...names],
    values: points.map((point) => [
      formatTime(point.timeMs, point.timeNs),
      ...names.map((n) => point.field(n) ?? point.series.tag(n) ?? null),
    ]),
  };
}

function heading(name: string, tags: Readonly<Record<string, string>>): Row {
  if (Object.keys(tags).length === 0) return name === "" ? {} : { name };
  return name === "" ? { tags } : { name, tags };
}
