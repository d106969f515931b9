/**
 * What an InfluxQL function is: how values of one field of a bucket of points become a result.
 *
 * Four kinds. *Aggregates* reduce to one value. *Selectors* choose one point. *Multi* functions give a batch.
 * *Transforms* give a value per point and remember across points. `nodes/influxql.ts` does the rest: buckets,
 * names, tags, times, types, errors. A bucket is a batch, or consecutive points of a stream with one time.
 */

import type { Int64 } from "#lib/int64.ts";
import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import type { ParamType, TickValue } from "#tick/environment.ts";

interface Common {
  /** Chain method; also the default name of the result. */
  readonly name: string;
  /** Prefix of node names when it is not the method. */
  readonly desc?: string;
  /** Parameters of the method; the field is the one at `fieldAt`. */
  readonly params: readonly ParamType[];
  readonly rest?: ParamType;
  readonly fieldAt: number;
  /** Field types it takes. */
  readonly accepts: readonly FieldType[];
  readonly doc: string;
}

export interface Aggregate extends Common {
  readonly kind: "aggregate";
  /** The result of a bucket without values; absent when there is none. */
  readonly empty?: { readonly type: FieldType; readonly value: FieldValue };
  resultType(input: FieldType): FieldType;
  make(input: FieldType, args: readonly TickValue[]): Aggregator;
  /** The result of a single point may take that point's time. */
  readonly singleKeepsTime?: boolean;
  /**
   * The result from the number of values (> 0) and their sum, where it depends on no more: windows above need not keep
   * their points then. The sum is that of floats or int64s; of other types there is none, and 0 is given.
   */
  ofSum?(sum: Int64, points: number): FieldValue;
}

export interface Aggregator {
  add(value: FieldValue, ms: number, ns: number): void;
  /** `undefined` when there is no result. */
  result(): FieldValue | undefined;
}

export interface Selector extends Common {
  readonly kind: "selector";
  make(input: FieldType, args: readonly TickValue[]): Selection;
}

export interface Selection {
  add(value: FieldValue, point: Point): void;
  selected(): Point | undefined;
}

export interface Multi extends Common {
  readonly kind: "multi";
  resultType(input: FieldType): FieldType;
  /** Points keep their own times whatever `usePointTimes` says. */
  readonly alwaysPointTimes?: boolean;
  /** Points keep their own tags; else they have the group's. */
  readonly keepsTags?: boolean;
  /** Emits an empty batch when there are too few points. */
  readonly emitsEmpty?: boolean;
  make(input: FieldType, args: readonly TickValue[]): Collector;
}

export interface Collector {
  add(value: FieldValue, point: Point): void;
  results(): readonly Item[];
}

export interface Item {
  readonly value: FieldValue;
  readonly ms: number;
  readonly ns: number;
  /** The point it comes from, when it is one. */
  readonly point?: Point;
}

export interface Transform extends Common {
  readonly kind: "transform";
  resultType(input: FieldType): FieldType;
  make(input: FieldType, args: readonly TickValue[]): Transformer;
}

export interface Transformer {
  /** The value for this point, or `undefined` when there is none yet. */
  add(value: FieldValue, ms: number, ns: number): FieldValue | undefined;
  /** What it remembers, and back; values are field values. */
  save(): readonly FieldValue[];
  load(saved: readonly FieldValue[]): void;
}

export type InfluxqlFunction = Aggregate | Selector | Multi | Transform;

export const NUMBERS: readonly FieldType[] = ["float", "int"];
export const ANY: readonly FieldType[] = ["float", "int", "string", "boolean", "duration"];

/** The order of two values of one type: negative, zero or positive. */
export function compareValues(a: FieldValue, b: FieldValue): number {
  if (a === null || b === null) return 0;
  return a < b ? -1 : a > b ? 1 : 0;
}
