/**
 * A point: one timestamped set of fields of one series.
 *
 * Immutable once emitted. A node that changes tags, fields or time makes a new point and shares what it can
 * (series, shape, values array). `values` are in shape order; see `shape.ts` for how each type is held.
 */

import type { Series } from "./series.ts";
import type { FieldType, FieldValue, Shape } from "./shape.ts";

export class Point {
  readonly series: Series;
  readonly shape: Shape;
  readonly values: readonly FieldValue[];
  /** Time, first half: whole milliseconds since 1970. */
  readonly timeMs: number;
  /** Time, second half: 0 … 999,999 nanoseconds. */
  readonly timeNs: number;
  /**
   * Place in the run of points that is being pushed into the tasks, −1 outside of one. What many tasks ask about
   * the same point is answered once and kept by place (engine/point-filters.ts). Costs no memory: the object's
   * other five fields leave room for it.
   */
  seat = -1;

  constructor(
    series: Series,
    shape: Shape,
    values: readonly FieldValue[],
    timeMs: number,
    timeNs: number,
  ) {
    this.series = series;
    this.shape = shape;
    this.values = values;
    this.timeMs = timeMs;
    this.timeNs = timeNs;
  }

  /** The value of a field, or `undefined` when the point has no such field. */
  field(name: string): FieldValue | undefined {
    const slot = this.shape.slot(name);
    return slot < 0 ? undefined : this.values[slot];
  }

  /** The type of a field, or `undefined`. */
  fieldType(name: string): FieldType | undefined {
    const slot = this.shape.slot(name);
    return slot < 0 ? undefined : this.shape.types[slot];
  }

  /** Fields as a plain object in shape order. For templates and results, not for hot paths. */
  fields(): Record<string, FieldValue> {
    const out: Record<string, FieldValue> = {};
    this.shape.names.forEach((name, i) => {
      out[name] = this.values[i] as FieldValue;
    });
    return out;
  }
}
