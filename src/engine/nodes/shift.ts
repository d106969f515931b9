/** Moves all times by a duration: points and the end time of batches, not barriers. */

import type { DurationNs } from "#lib/int64.ts";
import { addDuration } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { argument } from "../calls.ts";
import { defineNode, QUIET } from "../node.ts";
import { type BatchBegin, Forwarding, type Receiver } from "../receiver.ts";

export const shift = defineNode<DurationNs>({
  method: "shift",
  goType: "*pipeline.ShiftNode",
  wants: "either",
  provides: "same",
  params: ["duration"],
  doc: "Moves points in time, forwards or (negative) backwards.",
  properties: [QUIET],
  options: ({ args }) => argument(args, 0, "duration").value,
  needs: (_options, below) => below,
  start(by, context) {
    if (by === 0) throw new Error("invalid shift value: must be non zero duration");
    return new Shift(by, context.out);
  },
});

class Shift extends Forwarding {
  readonly #by: DurationNs;

  constructor(by: DurationNs, out: Receiver) {
    super(out);
    this.#by = by;
  }

  override point(group: Group, point: Point): void {
    this.out.point(group, this.#moved(point));
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    const tmax = addDuration(begin.tmaxMs, begin.tmaxNs, this.#by);
    this.out.beginBatch(group, { ...begin, tmaxMs: tmax.ms, tmaxNs: tmax.ns });
  }

  override batchPoint(group: Group, point: Point): void {
    this.out.batchPoint(group, this.#moved(point));
  }

  #moved(point: Point): Point {
    const time = addDuration(point.timeMs, point.timeNs, this.#by);
    return new Point(point.series, point.shape, point.values, time.ms, time.ns);
  }
}
