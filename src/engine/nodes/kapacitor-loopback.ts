/**
 * Writes points back into the engine, as if a client had written them.
 *
 * They take effect after the point in hand has run through all tasks. A target that the task itself reads is
 * refused when the task is enabled. Batches keep their own measurement, as in the original. Barriers and
 * deletions end here.
 */

import { formatDbrp } from "#model/dbrp.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { makeSeries, type Series } from "#model/series.ts";
import { argument, Calls } from "../calls.ts";
import { type Counter, defineNode, type NodeContext, QUIET } from "../node.ts";
import { method, value } from "../properties.ts";
import { type BatchBegin, NOWHERE, type Receiver } from "../receiver.ts";
import { SeriesMemo } from "../series-memo.ts";

interface Options {
  readonly db: string;
  readonly rp: string;
  readonly measurement: string;
  readonly tags: Readonly<Record<string, string>>;
}

export const kapacitorLoopback = defineNode<Options>({
  method: "kapacitorLoopback",
  desc: "kapacitor_loopback",
  goType: "*pipeline.KapacitorLoopbackNode",
  wants: "either",
  provides: "none",
  doc: "Writes points back into Kapacitor.",
  properties: [
    value("database", "string", "Database of the points. Required."),
    value("retentionPolicy", "string", "Retention policy of the points. Required."),
    value("measurement", "string", "Measurement of the points; their own when not given."),
    method("tag", ["string", "string"], "Adds a tag to every point."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const tags: Record<string, string> = {};
    for (const args of calls.all("tag")) {
      tags[argument(args, 0, "string").value] = argument(args, 1, "string").value;
    }
    const db = calls.string("database") ?? "";
    const rp = calls.string("retentionPolicy") ?? "";
    if (db === "") throw new Error("must specify a database");
    if (rp === "") throw new Error("must specify a retention policy");
    return { db, rp, measurement: calls.string("measurement") ?? "", tags };
  },

  start(options, context) {
    const { db, rp } = options;
    if (context.task.dbrps.some((dbrp) => dbrp.db === db && dbrp.rp === rp)) {
      throw new Error(`loop detected on dbrp: ${formatDbrp({ db, rp })}`);
    }
    return new Loopback(options, context);
  },
});

class Loopback implements Receiver {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #series: SeriesMemo<Series>;
  readonly #written: Counter;
  #batchName = "";

  readonly barrier = NOWHERE.barrier;
  readonly deleteGroup = NOWHERE.deleteGroup;
  readonly endBatch = NOWHERE.endBatch;
  readonly finish = NOWHERE.finish;

  constructor(options: Options, context: NodeContext) {
    this.#options = options;
    this.#context = context;
    this.#series = new SeriesMemo(context.seriesSlot());
    this.#written = context.counter("points_written");
  }

  point(_group: Group, point: Point): void {
    const { measurement } = this.#options;
    this.#write(point, measurement === "" ? point.series.name : measurement);
  }

  points(groups: readonly Group[], points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  }

  beginBatch(_group: Group, begin: BatchBegin): void {
    this.#batchName = begin.name;
  }

  batchPoint(_group: Group, point: Point): void {
    this.#write(point, this.#batchName);
  }

  #write(point: Point, name: string): void {
    let series = this.#series.get(point.series);
    if (series === undefined || series.name !== name) {
      const { db, rp, tags } = this.#options;
      const all = { ...point.series.tags(), ...tags };
      series = this.#series.set(point.series, makeSeries(db, rp, name, all));
    }
    const { shape, values, timeMs, timeNs } = point;
    if (this.#context.writeBack(new Point(series, shape, values, timeMs, timeNs))) {
      this.#written.value++;
    } else {
      this.#context.error("failed to write point", new Error("too many points are going round"));
    }
  }
}
