/**
 * Writes points to InfluxDB.
 *
 * A point is turned into a line and put into the sink's buffer, which writes in the background, repeats what
 * failed and counts what it had to drop; the task never waits. Database and retention policy are the point's own
 * unless given. Batches have none, so they need them given. The stop of the task waits, for a bounded time, until
 * everything is written. Source: reference nodes.md §6, storage-and-influx.md §6.
 */

import type { DurationNs } from "#lib/int64.ts";
import type { Group } from "#model/group.ts";
import { formatKey, formatLine, type LinePrecision } from "#model/line-protocol-format.ts";
import type { Point } from "#model/point.ts";
import { makeSeries, type Series } from "#model/series.ts";
import { argument, Calls, timerMs } from "../calls.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import type { PointSink, PointSinkCounters, PointTarget } from "../outside-ports.ts";
import { flag, method, value } from "../properties.ts";
import { type BatchBegin, NOWHERE, type Receiver } from "../receiver.ts";
import { SeriesMemo } from "../series-memo.ts";

interface Options {
  readonly cluster: string;
  readonly database: string;
  readonly retentionPolicy: string;
  readonly measurement: string;
  readonly consistency: string;
  readonly precision: string;
  readonly buffer: number;
  readonly flushInterval: DurationNs;
  readonly tags: Readonly<Record<string, string>>;
  readonly create: boolean;
}

const BUFFER_DEFAULT = 1_000;
const FLUSH_INTERVAL_DEFAULT = 10_000_000_000;

export const influxDBOut = defineNode<Options>({
  method: "influxDBOut",
  desc: "influxdb_out",
  goType: "*pipeline.InfluxDBOutNode",
  wants: "either",
  provides: "none",
  doc: "Writes points to InfluxDB.",
  properties: [
    value("cluster", "string", "Name of the InfluxDB; the default one when not given."),
    value("database", "string", "Database; the point's own when not given."),
    value("retentionPolicy", "string", "Retention policy; the point's own when not given."),
    value("measurement", "string", "Measurement; the point's own when not given."),
    value("writeConsistency", "string", "Consistency of the write in a cluster."),
    value("precision", "string", "Unit of the times written: ns, us, ms, s, m, h."),
    value("buffer", "int", "Points per write."),
    value("flushInterval", "duration", "A write happens at least this often."),
    method("tag", ["string", "string"], "Adds a tag to every point."),
    flag("create", "Makes the database, and its retention policy if given, when the task starts."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const tags: Record<string, string> = {};
    for (const args of calls.all("tag")) {
      tags[argument(args, 0, "string").value] = argument(args, 1, "string").value;
    }
    const text = (name: string): string => calls.string(name) ?? "";
    return {
      cluster: text("cluster"),
      database: text("database"),
      retentionPolicy: text("retentionPolicy"),
      measurement: text("measurement"),
      consistency: text("writeConsistency"),
      precision: text("precision"),
      buffer: calls.count("buffer") ?? BUFFER_DEFAULT,
      flushInterval: calls.duration("flushInterval") ?? FLUSH_INTERVAL_DEFAULT,
      tags,
      create: calls.flag("create"),
    };
  },

  start: (options, context) => new InfluxOut(options, context),
});

/**
 * The unit a precision means; `undefined` for unknown ones. Difference: microseconds work (`us` and `u`), which
 * the original does not divide or rejects.
 */
export function outputPrecision(text: string): LinePrecision | undefined {
  switch (text) {
    case "":
    case "ns":
      return "ns";
    case "u":
    case "us":
      return "u";
    case "ms":
    case "s":
    case "m":
    case "h":
      return text;
    default:
      return undefined;
  }
}

/** What is known of a series: where its points go, and the beginning of their lines. */
interface Destination {
  readonly name: string;
  readonly target: PointTarget;
  readonly key: string;
}

class InfluxOut implements Receiver {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #sink: PointSink;
  readonly #precision: LinePrecision | undefined;
  readonly #destinations: SeriesMemo<Destination>;
  readonly #targets = new Map<string, PointTarget>();
  #batchName = "";

  readonly barrier = NOWHERE.barrier;
  readonly deleteGroup = NOWHERE.deleteGroup;
  readonly endBatch = NOWHERE.endBatch;
  readonly finish = NOWHERE.finish;

  constructor(options: Options, context: NodeContext) {
    this.#options = options;
    this.#context = context;
    this.#precision = outputPrecision(options.precision);
    this.#destinations = new SeriesMemo(context.seriesSlot());
    const { cluster, database: db, retentionPolicy: rp, buffer, flushInterval } = options;
    this.#sink = context.services.points.open({
      cluster,
      buffer: Math.max(1, buffer),
      flushIntervalMs: Math.max(1, timerMs(flushInterval)),
      create: options.create && db !== "" ? { db, rp } : undefined,
      task: context.task.id,
      node: context.definition.name,
    });
    const { counters } = this.#sink;
    for (const name of COUNTERS) context.figure(name, () => counters[name]);
    context.onStop(() => this.#sink.close());
  }

  point(_group: Group, point: Point): void {
    const { series } = point;
    let known = this.#destinations.get(series);
    if (known === undefined) {
      const { measurement } = this.#options;
      const name = measurement === "" ? series.name : measurement;
      known = this.#destinations.set(series, this.#destination(series, name, series));
    }
    this.#write(point, known);
  }

  points(groups: readonly Group[], points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  }

  beginBatch(_group: Group, begin: BatchBegin): void {
    const { measurement } = this.#options;
    this.#batchName = measurement === "" ? begin.name : measurement;
  }

  batchPoint(_group: Group, point: Point): void {
    const { series } = point;
    let known = this.#destinations.get(series);
    if (known === undefined || known.name !== this.#batchName) {
      const made = this.#destination(series, this.#batchName, undefined);
      known = this.#destinations.set(series, made);
    }
    this.#write(point, known);
  }

  /** `own` is the series whose database and retention policy count where none are given. */
  #destination(series: Series, name: string, own: Series | undefined): Destination {
    const { database, retentionPolicy, tags } = this.#options;
    const db = database === "" ? (own?.db ?? "") : database;
    const rp = retentionPolicy === "" ? (own?.rp ?? "") : retentionPolicy;
    const { tagKeys, tagValues } = makeSeries("", "", "", { ...series.tags(), ...tags });
    return { name, target: this.#target(db, rp), key: formatKey(name, tagKeys, tagValues) };
  }

  #target(db: string, rp: string): PointTarget {
    const key = JSON.stringify([db, rp]);
    let target = this.#targets.get(key);
    if (target === undefined) {
      const { consistency } = this.#options;
      target = { db, rp, precision: this.#precision ?? "ns", consistency };
      this.#targets.set(key, target);
    }
    return target;
  }

  #write(point: Point, { target, key }: Destination): void {
    if (this.#precision === undefined) {
      const unit = JSON.stringify(this.#options.precision);
      this.#context.error("failed to write point", new Error(`invalid precision ${unit}`));
      return;
    }
    const line = formatLine(key, point, this.#precision);
    if (line === undefined) {
      this.#context.error("failed to write point", new Error("the point has no field to write"));
    } else if (!this.#sink.add(target, line)) {
      this.#context.error("failed to write point", new Error("too many points are waiting"));
    }
  }
}

const COUNTERS = [
  "points_written",
  "write_errors",
  "points_refused",
  "points_overflowed",
  "points_abandoned",
] as const satisfies readonly (keyof PointSinkCounters)[];
