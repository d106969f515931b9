/**
 * Keeps one of N points of a group, or the points whose time is a multiple of a duration.
 *
 * Counting starts with the first point, which is kept; in batches it starts anew with each batch and counts
 * the points within (the original's documentation says batches).
 */

import type { DurationNs, Int64 } from "#lib/int64.ts";
import { truncateTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { GroupState } from "../group-state.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import { savedNumber } from "../snapshot.ts";

type Options =
  | { readonly kind: "count"; readonly every: Int64 }
  | { readonly kind: "time"; readonly every: DurationNs };

export const sample = defineNode<Options>({
  method: "sample",
  goType: "*pipeline.SampleNode",
  wants: "either",
  provides: "same",
  params: ["any"],
  doc: "Keeps every Nth point, or points at multiples of a duration.",
  properties: [QUIET],

  options({ args }) {
    const [every] = args;
    if (every?.kind === "int") return { kind: "count", every: every.value };
    if (every?.kind === "duration") return { kind: "time", every: every.value };
    throw new Error("must pass int64 or duration to new sample node");
  },

  needs: (_options, below) => below,
  start(options, context) {
    if (options.every === 0)
      throw new Error("invalid sample rate: must be positive integer or duration");
    return new Sample(options, context);
  },
});

interface Count {
  seen: number;
}

class Sample extends Forwarding {
  readonly #options: Options;
  readonly #counts: GroupState<Count>;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#counts = context.groupState({
      save: ({ seen }) => seen,
      load: (saved) => ({ seen: savedNumber(saved) }),
    });
  }

  override point(group: Group, point: Point): void {
    if (this.#keeps(group, point)) this.out.point(group, point);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#counts.set(group, { seen: 0 });
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    if (this.#keeps(group, point)) this.out.batchPoint(group, point);
  }

  override deleteGroup(group: Group): void {
    if (this.#counts.delete(group)) this.out.deleteGroup(group);
  }

  #keeps(group: Group, point: Point): boolean {
    const count = this.#counts.get(group) ?? this.#counts.set(group, { seen: 0 });
    if (this.#options.kind === "count") return count.seen++ % Number(this.#options.every) === 0;
    const { timeMs, timeNs } = point;
    const down = truncateTime(timeMs, timeNs, this.#options.every);
    return down.ms === timeMs && down.ns === timeNs;
  }
}
