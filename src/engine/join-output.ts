/**
 * Builds the results of a join out of its sets.
 *
 * A point's result has every input's fields under its prefix; a missing input is filled with the field names
 * of the first input present, or the set is dropped. Batches are joined point by point, by time. Which shape
 * comes out of which input shapes is remembered for the last set, which is usually also the next.
 */

import { compareTime, roundTime, type Time } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";
import type { JoinOptions } from "./join-groups.ts";
import type { Receiver } from "./receiver.ts";
import { groupSeries } from "./series-edit.ts";

/** A whole batch waiting to be joined. */
export interface JoinBatch {
  readonly name: string;
  readonly group: Group;
  readonly points: readonly Point[];
}

/** What the inputs have sent for one time and group, by input. */
export interface Joined {
  readonly items: (Point | JoinBatch | undefined)[];
  count: number;
}

interface Timed extends Time {
  readonly point: Point;
}

export class JoinOutput {
  readonly #options: JoinOptions;
  readonly #out: Receiver;
  readonly #prefixes: readonly string[];
  readonly #series = new WeakMap<Group, Series>();
  #shapes: readonly (Shape | undefined)[] = [];
  #filler: Shape | undefined;
  #shape: Shape | undefined;

  constructor(options: JoinOptions, out: Receiver) {
    this.#options = options;
    this.#out = out;
    this.#prefixes = options.as.map((name) => name + options.delimiter);
  }

  /** Emits the set, filled if need be; drops an incomplete one of an inner join. */
  emit(group: Group, set: Joined, ms: number, ns: number): void {
    const { items } = set;
    if (set.count < items.length && this.#options.fill.kind === "none") return;
    const first = items.find((item) => item !== undefined);
    if (first === undefined) return;
    if (first instanceof Point) {
      const points = items.map((item) => (item instanceof Point ? item : undefined));
      const series = this.#seriesOf(group, first.series.name);
      const joined = this.#join(points, first, series, ms, ns);
      this.#out.point(group, joined);
      return;
    }
    const batches = items.map((item) => (item instanceof Point ? undefined : item));
    this.#emitBatch(group, batches, this.#seriesOf(group, first.name), ms, ns);
  }

  #emitBatch(
    group: Group,
    batches: readonly (JoinBatch | undefined)[],
    series: Series,
    ms: number,
    ns: number,
  ): void {
    const sizeHint = Math.max(...batches.map((batch) => batch?.points.length ?? 0));
    this.#out.beginBatch(group, { name: series.name, tmaxMs: ms, tmaxNs: ns, sizeHint });
    const sorted = batches.map((batch) => this.#inOrder(batch?.points ?? []));
    const at = sorted.map(() => 0);
    let named: Point | undefined;
    for (;;) {
      const next = earliest(sorted, at);
      if (next === undefined) break;
      named ??= next.point;
      const points = sorted.map((list, i) => {
        const item = list[at[i] as number];
        if (item === undefined || item.ms !== next.ms || item.ns !== next.ns) return undefined;
        at[i] = (at[i] as number) + 1;
        return item.point;
      });
      const complete = points.every((point) => point !== undefined);
      if (!complete && this.#options.fill.kind === "none") continue;
      this.#out.batchPoint(group, this.#join(points, named, series, next.ms, next.ns));
    }
    this.#out.endBatch(group);
  }

  /** Points with their rounded times, in order. */
  #inOrder(points: readonly Point[]): readonly Timed[] {
    const { tolerance } = this.#options;
    return points
      .map((point) => ({ ...roundTime(point.timeMs, point.timeNs, tolerance), point }))
      .sort((a, b) => compareTime(a.ms, a.ns, b.ms, b.ns));
  }

  /** `filler` gives the field names for missing inputs. */
  #join(
    points: readonly (Point | undefined)[],
    filler: Point,
    series: Series,
    ms: number,
    ns: number,
  ): Point {
    const { fill } = this.#options;
    const filled = fill.kind === "none" ? null : fill.value;
    const values: FieldValue[] = [];
    for (const point of points) {
      if (point === undefined) for (const _ of filler.shape.names) values.push(filled);
      else for (const held of point.values) values.push(held);
    }
    return new Point(series, this.#shapeOf(points, filler.shape), values, ms, ns);
  }

  #shapeOf(points: readonly (Point | undefined)[], filler: Shape): Shape {
    const known = this.#shape;
    if (
      known !== undefined &&
      this.#filler === filler &&
      points.every((point, i) => point?.shape === this.#shapes[i])
    ) {
      return known;
    }
    const { fill } = this.#options;
    const missing: FieldType = fill.kind === "none" ? "null" : fill.type;
    const names: string[] = [];
    const types: FieldType[] = [];
    points.forEach((point, i) => {
      const shape = point?.shape;
      for (const name of (shape ?? filler).names) names.push(this.#prefixes[i] + name);
      types.push(...(shape === undefined ? filler.names.map(() => missing) : shape.types));
    });
    this.#shapes = points.map((point) => point?.shape);
    this.#filler = filler;
    this.#shape = internShape(names, types);
    return this.#shape;
  }

  #seriesOf(group: Group, firstName: string): Series {
    const name = this.#options.streamName === "" ? firstName : this.#options.streamName;
    let series = this.#series.get(group);
    if (series === undefined || series.name !== name) {
      series = groupSeries(group, name);
      this.#series.set(group, series);
    }
    return series;
  }
}

/** The earliest of the points that are next in each list. */
function earliest(lists: readonly (readonly Timed[])[], at: readonly number[]): Timed | undefined {
  let best: Timed | undefined;
  lists.forEach((list, i) => {
    const item = list[at[i] as number];
    if (item === undefined) return;
    if (best === undefined || compareTime(item.ms, item.ns, best.ms, best.ns) < 0) best = item;
  });
  return best;
}
