/**
 * Turns batches back into a stream: each point of a batch becomes a point of its own.
 *
 * Points take the batch's measurement and group, keep their tags and time, and lose database and retention
 * policy. Only the first child gets them, as in the original.
 */

import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { Series } from "#model/series.ts";
import { defineNode, inputType, type NodeContext, QUIET } from "../node.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import { SeriesMemo } from "../series-memo.ts";

export const trickle = defineNode({
  method: "trickle",
  goType: "*pipeline.TrickleNode",
  wants: "either",
  provides: "stream",
  doc: "Emits the points of batches one by one.",
  properties: [QUIET],
  options(definition) {
    if (inputType(definition) === "stream") throw new Error("cannot Trickle stream edge");
    return undefined;
  },
  needs: (_options, below) => below,
  start: (_options, context) => new Trickle(context),
});

class Trickle extends Forwarding {
  readonly #series: SeriesMemo<Series>;
  #name = "";

  constructor(context: NodeContext) {
    super(context.firstOut);
    this.#series = new SeriesMemo(context.seriesSlot());
  }

  override beginBatch(_group: Group, begin: BatchBegin): void {
    this.#name = begin.name;
  }

  override batchPoint(group: Group, point: Point): void {
    const { series, shape, values, timeMs, timeNs } = point;
    this.out.point(group, new Point(this.#named(series), shape, values, timeMs, timeNs));
  }

  override endBatch(): void {}

  #named(series: Series): Series {
    if (series.name === this.#name && series.db === "" && series.rp === "") return series;
    const known = this.#series.get(series);
    if (known !== undefined && known.name === this.#name) return known;
    const named = new Series("", "", this.#name, series.tagKeys, series.tagValues);
    return this.#series.set(series, named);
  }
}
