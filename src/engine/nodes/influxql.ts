/**
 * Makes a node of each InfluxQL function.
 *
 * A bucket is a batch, or consecutive points of a group with one time; a stream's bucket goes out when a
 * point with another time arrives, so the last one of a stream stays. The field's type in the first point of a
 * bucket decides; points of another type, or without the field, are errors of their own and skipped.
 * Times, tags and names of the output: reference nodes.md §4.
 */

import { add, type Int64 } from "#lib/int64.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";
import type { TickValue } from "#tick/environment.ts";
import type { BatchFold, FoldedBatch } from "../batch-fold.ts";
import { argument, Calls } from "../calls.ts";
import { NO_FIELDS, unionOf } from "../field-needs.ts";
import { FieldReader } from "../field-writer.ts";
import type { GroupState } from "../group-state.ts";
import type {
  Aggregate,
  Aggregator,
  Collector,
  InfluxqlFunction,
  Multi,
  Selection,
  Selector,
  Transform,
  Transformer,
} from "../influxql/function.ts";
import { INFLUXQL_FUNCTIONS } from "../influxql/registry.ts";
import { type AnyNodeSpec, defineNode, type NodeContext, QUIET } from "../node.ts";
import type { PointRing } from "../point-ring.ts";
import { flag, value } from "../properties.ts";
import { type BatchBegin, Forwarding, type Receiver } from "../receiver.ts";
import { groupSeries } from "../series-edit.ts";
import { SeriesMemo } from "../series-memo.ts";
import {
  loadValue,
  SnapshotError,
  type SnapshotReader,
  type SnapshotWriter,
  savedList,
  savedNumber,
  savedText,
  savedTuple,
  saveValue,
} from "../snapshot.ts";

interface Options {
  readonly args: readonly TickValue[];
  readonly field: string;
  readonly as: string;
  readonly usePointTimes: boolean;
}

/** One node spec per function. */
export const influxqlNodes: readonly AnyNodeSpec[] = INFLUXQL_FUNCTIONS.map(makeNode);

function makeNode(fn: InfluxqlFunction): AnyNodeSpec {
  return defineNode<Options>({
    method: fn.name,
    ...(fn.desc === undefined ? {} : { desc: fn.desc }),
    goType: "*pipeline.InfluxQLNode",
    wants: "either",
    provides: fn.kind === "multi" ? "batch" : fn.kind === "transform" ? "same" : "stream",
    params: fn.params,
    ...(fn.rest === undefined ? {} : { rest: fn.rest }),
    doc: fn.doc,
    properties: [
      value("as", "string", "Name of the result; the function's name when not given."),
      flag("usePointTimes", "Results take the time of the point they come from."),
      QUIET,
    ],

    options({ args, calls: made }) {
      const calls = new Calls(made);
      return {
        args,
        field: argument(args, fn.fieldAt, "string").value,
        as: calls.string("as") ?? fn.name,
        usePointTimes: calls.flag("usePointTimes"),
      };
    },

    needs: ({ field }, below) => unionOf(fn.kind === "selector" ? below : NO_FIELDS, [field]),

    start(options, context): Receiver {
      return fn.kind === "transform"
        ? new TransformNode(fn, options, context)
        : new BucketNode(fn, options, context);
    },
  });
}

const GO_TYPES: Readonly<Record<FieldType, string>> = {
  float: "float64",
  int: "int64",
  uint: "uint64",
  string: "string",
  boolean: "bool",
  duration: "time.Duration",
  null: "<nil>",
};

/** Reads the field and checks its type against the one the bucket began with. */
class Input {
  readonly #fn: InfluxqlFunction;
  readonly #field: string;
  readonly #context: NodeContext;
  readonly #reader: FieldReader;
  /** Type of the value `read` returned. */
  type: FieldType = "float";

  constructor(fn: InfluxqlFunction, field: string, context: NodeContext) {
    this.#fn = fn;
    this.#field = field;
    this.#context = context;
    this.#reader = new FieldReader(field);
  }

  /** The value, or `undefined` when `read` would skip the point. */
  find(point: Point, expected: FieldType | undefined): FieldValue | undefined {
    const held = this.#reader.read(point);
    const { type } = this.#reader;
    if (type === undefined) return undefined;
    if (expected === undefined ? !this.#fn.accepts.includes(type) : type !== expected) {
      return undefined;
    }
    this.type = type;
    return held;
  }

  /** The value, or `undefined` when the point has to be skipped; the error is counted then. */
  read(point: Point, expected: FieldType | undefined): FieldValue | undefined {
    const held = this.#reader.read(point);
    const { type } = this.#reader;
    if (held === undefined || type === undefined) {
      return this.#skip(expected, `field "${this.#field}" missing from point`);
    }
    if (expected === undefined) {
      if (!this.#fn.accepts.includes(type)) {
        const { name } = this.#fn;
        return this.#skip(
          expected,
          `invalid influxql func ${name} with field ${this.#field}: cannot apply ${name} to ${type} field`,
        );
      }
    } else if (type !== expected) {
      const [got, exp] = [GO_TYPES[type], GO_TYPES[expected]];
      return this.#skip(expected, `field ${this.#field} has wrong type: got ${got} exp ${exp}`);
    }
    this.type = type;
    return held;
  }

  #skip(expected: FieldType | undefined, text: string): undefined {
    const message =
      expected === undefined
        ? "failed to realize reduce context from fields"
        : this.#context.input === "batch"
          ? "failed to aggregate point in batch"
          : "failed to aggregate point";
    this.#context.error(message, new Error(text));
    return undefined;
  }
}

/** What is collected for one bucket. `type` is set by the first good point. */
class Bucket {
  name: string;
  series: Series;
  ms: number;
  ns: number;
  type: FieldType | undefined;
  aggregator: Aggregator | undefined;
  selection: Selection | undefined;
  collector: Collector | undefined;
  points = 0;
  /** The good points, when they are kept. */
  readonly kept: Point[] = [];
  /** Time of the last good point. */
  lastMs = 0;
  lastNs = 0;

  constructor(name: string, series: Series, ms: number, ns: number) {
    this.name = name;
    this.series = series;
    this.ms = ms;
    this.ns = ns;
  }

  restart(ms: number, ns: number): void {
    this.ms = ms;
    this.ns = ns;
    this.type = undefined;
    this.aggregator = undefined;
    this.selection = undefined;
    this.collector = undefined;
    this.points = 0;
    this.kept.length = 0;
  }
}

function savedType(saved: unknown): FieldType | undefined {
  return saved === null ? undefined : (savedText(saved) as FieldType);
}

/** What an aggregate found in a bucket, and the series and time of the point that tells it. */
interface Found {
  readonly series: Series;
  readonly type: FieldType | undefined;
  readonly result: FieldValue | undefined;
  readonly ms: number;
  readonly ns: number;
}

const NO_SERIES = new Series("", "", "", [], []);

class BucketNode extends Forwarding implements BatchFold {
  readonly #fn: Aggregate | Selector | Multi;
  readonly #options: Options;
  readonly #input: Input;
  readonly #buckets: GroupState<Bucket>;
  readonly #shapes = new Map<FieldType, Shape>();
  /** Of selected points; other functions make points of the group. */
  readonly #unowned: SeriesMemo<Series> | undefined;
  readonly #renamer: Renamer;
  /** On a stream a bucket is open between messages; its points are kept so that it can be saved. */
  readonly #keepsPoints: boolean;
  /** Batches come one after the other and leave nothing behind: all groups have this one. */
  readonly #forBatches = new Bucket("", NO_SERIES, 0, 0);
  #current: Bucket | undefined;

  constructor(fn: Aggregate | Selector | Multi, options: Options, context: NodeContext) {
    super(context.out);
    this.#fn = fn;
    this.#options = options;
    this.#input = new Input(fn, options.field, context);
    this.#buckets = context.groupState({
      save: (bucket, out) => (bucket === this.#forBatches ? 0 : this.#save(bucket, out)),
      load: (saved, _group, from) =>
        context.input === "batch" ? this.#forBatches : this.#load(saved, from),
    });
    this.#keepsPoints = context.input === "stream";
    this.#unowned = fn.kind === "aggregate" ? undefined : new SeriesMemo(context.seriesSlot());
    this.#renamer = new Renamer(options.field, options.as);
  }

  override point(group: Group, point: Point): void {
    const { timeMs, timeNs } = point;
    let bucket = this.#buckets.get(group);
    if (bucket === undefined) {
      const { name } = point.series;
      bucket = new Bucket(name, groupSeries(group, name), timeMs, timeNs);
      this.#buckets.set(group, bucket);
    } else if (bucket.ms !== timeMs || bucket.ns !== timeNs) {
      this.#emit(group, bucket);
      bucket.restart(timeMs, timeNs);
    }
    this.#add(bucket, point);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    const { name, tmaxMs, tmaxNs } = begin;
    const bucket = this.#forBatches;
    if (this.#buckets.get(group) === undefined) this.#buckets.set(group, bucket);
    bucket.name = name;
    bucket.series = groupSeries(group, name);
    bucket.restart(tmaxMs, tmaxNs);
    this.#current = bucket;
  }

  override batchPoint(_group: Group, point: Point): void {
    if (this.#current !== undefined) this.#add(this.#current, point);
  }

  override endBatch(group: Group): void {
    const bucket = this.#current;
    if (bucket === undefined) return;
    this.#current = undefined;
    this.#emit(group, bucket);
    bucket.restart(0, 0);
  }

  /** Points of windows go out again and again: one call per batch is half the cost of three per point. */
  batch(group: Group, begin: BatchBegin, points: PointRing): void {
    this.beginBatch(group, begin);
    const bucket = this.#forBatches;
    for (let i = 0; i < points.size; i++) this.#add(bucket, points.at(i));
    this.endBatch(group);
  }

  fold(): BatchFold | undefined {
    return this.#fn.kind === "aggregate" && this.#fn.ofSum !== undefined ? this : undefined;
  }

  addFolded(batch: FoldedBatch, point: Point): boolean {
    const held = this.#input.find(point, batch.type);
    if (held === undefined) {
      batch.misfits ??= [];
      batch.misfits.push({ point, expected: batch.type });
      return false;
    }
    const { type } = this.#input;
    if (batch.points++ === 0) {
      batch.type = type;
      batch.firstMs = point.timeMs;
      batch.firstNs = point.timeNs;
    }
    if (type === "float") batch.sum = (batch.sum as number) + (held as number);
    else if (type === "int") batch.sum = add(batch.sum, held as Int64);
    return true;
  }

  folded(group: Group, begin: BatchBegin, batch: FoldedBatch): void {
    const fn = this.#fn;
    if (fn.kind !== "aggregate") return;
    if (this.#buckets.get(group) === undefined) this.#buckets.set(group, this.#forBatches);
    const { type, sum, points, firstMs, firstNs, misfits } = batch;
    if (misfits !== undefined) {
      for (const { point, expected } of misfits) this.#input.read(point, expected);
    }
    const series = groupSeries(group, begin.name);
    const result = points === 0 ? undefined : fn.ofSum?.(sum, points);
    const own = points === 1 && this.#singleKeepsTime;
    const ms = own ? firstMs : begin.tmaxMs;
    this.#emitResult(fn, group, { series, type, result, ms, ns: own ? firstNs : begin.tmaxNs });
  }

  saveFolded(batch: FoldedBatch, out: SnapshotWriter): unknown {
    const { type, sum, points, firstMs, firstNs, misfits = [] } = batch;
    const held = misfits.map(({ point, expected }) => [expected ?? null, out.point(point)]);
    return [this.#foldName, type ?? null, points, saveValue(sum), firstMs, firstNs, held];
  }

  loadFolded(batch: FoldedBatch, saved: unknown, from: SnapshotReader): void {
    const [name, type, points, sum, ms, ns, misfits] = savedTuple(saved, 7);
    if (name !== this.#foldName) return;
    const loaded = loadValue(sum);
    if (typeof loaded !== "number" && typeof loaded !== "bigint") {
      throw new SnapshotError("a sum wanted");
    }
    batch.type = savedType(type);
    for (const misfit of savedList(misfits)) {
      const [expected, point] = savedTuple(misfit, 2);
      batch.misfits ??= [];
      batch.misfits.push({ point: from.point(point), expected: savedType(expected) });
    }
    batch.points = savedNumber(points);
    batch.sum = loaded;
    batch.firstMs = savedNumber(ms);
    batch.firstNs = savedNumber(ns);
  }

  /** What a fold is of: a script may have changed since it was saved. */
  get #foldName(): string {
    return `${this.#fn.name} ${this.#options.field}`;
  }

  override deleteGroup(group: Group): void {
    if (this.#buckets.delete(group)) this.out.deleteGroup(group);
  }

  #add(bucket: Bucket, point: Point): void {
    const held = this.#input.read(point, bucket.type);
    if (held === undefined) return;
    if (bucket.type === undefined) this.#begin(bucket, this.#input.type);
    bucket.points++;
    if (this.#keepsPoints) bucket.kept.push(point);
    bucket.lastMs = point.timeMs;
    bucket.lastNs = point.timeNs;
    if (bucket.aggregator !== undefined) bucket.aggregator.add(held, point.timeMs, point.timeNs);
    else if (bucket.selection !== undefined) bucket.selection.add(held, point);
    else bucket.collector?.add(held, point);
  }

  #save({ name, series, ms, ns, kept }: Bucket, out: SnapshotWriter): unknown {
    return [name, out.series(series), ms, ns, out.points(kept)];
  }

  #load(saved: unknown, from: SnapshotReader): Bucket {
    const [name, series, ms, ns, points] = savedTuple(saved, 5);
    const times = [savedNumber(ms), savedNumber(ns)] as const;
    const bucket = new Bucket(savedText(name), from.series(series), ...times);
    for (const point of from.points(points)) this.#add(bucket, point);
    return bucket;
  }

  #begin(bucket: Bucket, type: FieldType): void {
    const { args } = this.#options;
    bucket.type = type;
    switch (this.#fn.kind) {
      case "aggregate":
        bucket.aggregator = this.#fn.make(type, args);
        break;
      case "selector":
        bucket.selection = this.#fn.make(type, args);
        break;
      default:
        bucket.collector = this.#fn.make(type, args);
    }
  }

  #emit(group: Group, bucket: Bucket): void {
    switch (this.#fn.kind) {
      case "aggregate":
        this.#emitAggregate(this.#fn, group, bucket);
        break;
      case "selector":
        this.#emitSelected(group, bucket);
        break;
      default:
        this.#emitMany(this.#fn, group, bucket);
    }
  }

  #emitAggregate(fn: Aggregate, group: Group, bucket: Bucket): void {
    const { type, series } = bucket;
    const result = bucket.aggregator?.result();
    const own = bucket.points === 1 && this.#singleKeepsTime;
    const ms = own ? bucket.lastMs : bucket.ms;
    this.#emitResult(fn, group, { series, type, result, ms, ns: own ? bucket.lastNs : bucket.ns });
  }

  #emitResult(fn: Aggregate, group: Group, { series, type, result: found, ms, ns }: Found): void {
    let result = found;
    let resultType = type === undefined ? undefined : fn.resultType(type);
    if (result === undefined || resultType === undefined) {
      if (fn.empty === undefined) return;
      result = fn.empty.value;
      resultType = fn.empty.type;
    }
    this.out.point(group, new Point(series, this.#shape(resultType), [result], ms, ns));
  }

  #emitSelected(group: Group, bucket: Bucket): void {
    const selected = bucket.selection?.selected();
    if (selected === undefined) return;
    const renamed = this.#renamer.rename(selected);
    const own = this.#options.usePointTimes;
    this.out.point(
      group,
      new Point(
        this.#unownedSeries(selected.series, bucket.name),
        renamed.shape,
        renamed.values,
        own ? selected.timeMs : bucket.ms,
        own ? selected.timeNs : bucket.ns,
      ),
    );
  }

  #emitMany(fn: Multi, group: Group, bucket: Bucket): void {
    const items = bucket.collector?.results() ?? [];
    if (items.length === 0 && !(fn.emitsEmpty === true && bucket.type !== undefined)) return;
    const own = this.#options.usePointTimes || fn.alwaysPointTimes === true;
    let { ms: tmaxMs, ns: tmaxNs } = bucket;
    if (own) {
      for (const { ms, ns } of items) {
        if (ms > tmaxMs || (ms === tmaxMs && ns > tmaxNs)) [tmaxMs, tmaxNs] = [ms, ns];
      }
    }
    const shape = this.#shape(fn.resultType(bucket.type ?? "float"));
    this.out.beginBatch(group, { name: bucket.name, tmaxMs, tmaxNs, sizeHint: items.length });
    for (const item of items) {
      const series =
        fn.keepsTags === true && item.point !== undefined
          ? this.#unownedSeries(item.point.series, bucket.name)
          : bucket.series;
      const ms = own ? item.ms : bucket.ms;
      const ns = own ? item.ns : bucket.ns;
      this.out.batchPoint(group, new Point(series, shape, [item.value], ms, ns));
    }
    this.out.endBatch(group);
  }

  /** The result of a bucket of one point may take its time. */
  get #singleKeepsTime(): boolean {
    const fn = this.#fn;
    return this.#options.usePointTimes && fn.kind === "aggregate" && fn.singleKeepsTime === true;
  }

  #shape(type: FieldType): Shape {
    let shape = this.#shapes.get(type);
    if (shape === undefined) {
      shape = internShape([this.#options.as], [type]);
      this.#shapes.set(type, shape);
    }
    return shape;
  }

  /** The series with the output's name and no database. */
  #unownedSeries(series: Series, name: string): Series {
    if (series.db === "" && series.rp === "" && series.name === name) return series;
    const known = this.#unowned?.get(series);
    if (known !== undefined && known.name === name) return known;
    const unowned = new Series("", "", name, series.tagKeys, series.tagValues);
    return this.#unowned?.set(series, unowned) ?? unowned;
  }
}

/** Renames the function's field in selected points; a field that had the new name is replaced. */
class Renamer {
  readonly #field: string;
  readonly #as: string;
  #from: Shape | undefined;
  #to: Shape | undefined;
  #sources: readonly number[] = [];

  constructor(field: string, as: string) {
    this.#field = field;
    this.#as = as;
  }

  rename(point: Point): { readonly shape: Shape; readonly values: readonly FieldValue[] } {
    if (this.#field === this.#as) return point;
    if (point.shape !== this.#from) this.#learn(point.shape);
    const values = this.#sources.map((slot) => point.values[slot] as FieldValue);
    return { shape: this.#to ?? point.shape, values };
  }

  #learn(shape: Shape): void {
    const at = shape.slot(this.#field);
    const sources = shape.names
      .map((_, slot) => slot)
      .filter((slot) => shape.names[slot] !== this.#as);
    this.#from = shape;
    this.#sources = sources;
    this.#to = internShape(
      sources.map((slot) => (slot === at ? this.#as : (shape.names[slot] as string))),
      sources.flatMap((slot) => shape.types[slot] ?? []),
    );
  }
}

interface Running {
  series: Series;
  name: string;
  type: FieldType | undefined;
  transformer: Transformer | undefined;
}

class TransformNode extends Forwarding {
  readonly #fn: Transform;
  readonly #options: Options;
  readonly #input: Input;
  readonly #running: GroupState<Running>;
  readonly #shapes = new Map<FieldType, Shape>();

  constructor(fn: Transform, options: Options, context: NodeContext) {
    super(context.out);
    this.#fn = fn;
    this.#options = options;
    this.#input = new Input(fn, options.field, context);
    this.#running = context.groupState({
      save: ({ name, series, type, transformer }, out) => {
        const held = transformer?.save().map(saveValue) ?? [];
        return [name, out.series(series), type ?? null, held];
      },
      load: (saved, _group, from) => this.#load(saved, from),
    });
  }

  override point(group: Group, point: Point): void {
    const running = this.#running.get(group) ?? this.#open(group, point.series.name);
    const result = this.#transform(running, point);
    if (result !== undefined) this.out.point(group, result);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#open(group, begin.name);
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    const running = this.#running.get(group) ?? this.#open(group, point.series.name);
    const result = this.#transform(running, point);
    if (result !== undefined) this.out.batchPoint(group, result);
  }

  override deleteGroup(group: Group): void {
    if (this.#running.delete(group)) this.out.deleteGroup(group);
  }

  #open(group: Group, name: string): Running {
    const known = this.#running.get(group);
    const series = known?.name === name ? known.series : groupSeries(group, name);
    return this.#running.set(group, { series, name, type: undefined, transformer: undefined });
  }

  #load(saved: unknown, from: SnapshotReader): Running {
    const [name, series, type, held] = savedTuple(saved, 4);
    const running: Running = {
      name: savedText(name),
      series: from.series(series),
      type: undefined,
      transformer: undefined,
    };
    if (type === null) return running;
    running.type = savedText(type) as FieldType;
    running.transformer = this.#fn.make(running.type, this.#options.args);
    running.transformer.load(savedList(held).map(loadValue));
    return running;
  }

  #transform(running: Running, point: Point): Point | undefined {
    const held = this.#input.read(point, running.type);
    if (held === undefined) return undefined;
    const { type } = this.#input;
    running.type = type;
    running.transformer ??= this.#fn.make(type, this.#options.args);
    const result = running.transformer.add(held, point.timeMs, point.timeNs);
    if (result === undefined) return undefined;
    const shape = this.#shape(this.#fn.resultType(type));
    return new Point(running.series, shape, [result], point.timeMs, point.timeNs);
  }

  #shape(type: FieldType): Shape {
    let shape = this.#shapes.get(type);
    if (shape === undefined) {
      shape = internShape([this.#options.as], [type]);
      this.#shapes.set(type, shape);
    }
    return shape;
  }
}
