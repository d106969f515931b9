/**
 * What travels between nodes, and the interface of everything that takes it.
 *
 * A message is a method call: the sender calls, the receiver works and calls on, and when the call returns
 * the message has run through everything below. So there is one order, nothing waits inside a task, and a
 * point costs no wrapper object. Calls for one batch are never interleaved with other messages.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { BatchFold, FoldedBatch } from "./batch-fold.ts";
import type { PointRing } from "./point-ring.ts";

/** The head of a batch. Group tags and dimensions are the group's. */
export interface BatchBegin {
  /** Measurement. */
  readonly name: string;
  /** Upper time bound of the batch. */
  readonly tmaxMs: number;
  readonly tmaxNs: number;
  /** Expected number of points; a hint, 0 = unknown. */
  readonly sizeHint: number;
}

export interface Receiver {
  /** One stream point. */
  point(group: Group, point: Point): void;
  /**
   * A run of stream points, each with its group: the same as `point` for each in order, but what is done per
   * call is done once. The first `count` entries count; the receiver may overwrite both lists.
   */
  points(groups: Group[], points: Point[], count: number): void;
  /**
   * The same for a run of one group. The list belongs to somebody else, who shows it to other tasks too: it may only be
   * read, and only during the call. See `sendRun`.
   */
  run?(group: Group, points: readonly Point[], count: number): void;
  /** True for a way in that is best given runs of one group; only where all points have one measurement. */
  readonly takesRuns?: boolean;
  beginBatch(group: Group, begin: BatchBegin): void;
  batchPoint(group: Group, point: Point): void;
  endBatch(group: Group): void;
  /** A whole batch: the same as the three calls above, which it may be replaced by. See `sendBatch`. */
  batch?(group: Group, begin: BatchBegin, points: PointRing): void;
  /** How to work on points of a batch as they come, so that nobody keeps them; `undefined` = it needs them all. */
  fold?(): BatchFold | undefined;
  /** A whole batch that was worked on so. Only where `fold` gave a way. */
  folded?(group: Group, begin: BatchBegin, batch: FoldedBatch): void;
  /** No earlier time will follow in this group. */
  barrier(group: Group, ms: number, ns: number): void;
  /** The group is over: forget what is kept for it. */
  deleteGroup(group: Group): void;
  /** End of the stream; whoever holds messages back for other inputs lets them go. Called once per input. */
  finish(): void;
}

/** Sends a batch that is ready, in one call if the receiver takes it so. The ring is not changed meanwhile. */
export function sendBatch(to: Receiver, group: Group, begin: BatchBegin, points: PointRing): void {
  if (to.batch !== undefined) {
    to.batch(group, begin, points);
    return;
  }
  to.beginBatch(group, begin);
  for (let i = 0; i < points.size; i++) to.batchPoint(group, points.at(i));
  to.endBatch(group);
}

/** Sends a run of one group, in one call if the receiver takes it so. */
export function sendRun(to: Receiver, group: Group, points: readonly Point[], count: number): void {
  if (to.run !== undefined) to.run(group, points, count);
  else for (let i = 0; i < count; i++) to.point(group, points[i] as Point);
}

/** Takes everything and does nothing: what a node without children emits to. */
export const NOWHERE: Receiver = {
  point() {},
  points(groups, points, count) {
    // For those who take this and replace `point`.
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  },
  beginBatch() {},
  batchPoint() {},
  endBatch() {},
  barrier() {},
  deleteGroup() {},
  finish() {},
};

/** Passes every message on unchanged; nodes override what they treat differently. */
export class Forwarding implements Receiver {
  protected readonly out: Receiver;

  constructor(out: Receiver) {
    this.out = out;
  }

  point(group: Group, point: Point): void {
    this.out.point(group, point);
  }

  points(groups: readonly Group[], points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  }

  run(group: Group, points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(group, points[i] as Point);
  }

  beginBatch(group: Group, begin: BatchBegin): void {
    this.out.beginBatch(group, begin);
  }

  batchPoint(group: Group, point: Point): void {
    this.out.batchPoint(group, point);
  }

  endBatch(group: Group): void {
    this.out.endBatch(group);
  }

  barrier(group: Group, ms: number, ns: number): void {
    this.out.barrier(group, ms, ns);
  }

  deleteGroup(group: Group): void {
    this.out.deleteGroup(group);
  }

  finish(): void {
    this.out.finish();
  }
}

/**
 * Gives every message to each of several receivers, in order. A run is taken apart: what comes together again
 * further down (join, union) must see each point on all branches before the next one.
 */
export class FanOut implements Receiver {
  readonly #receivers: readonly Receiver[];

  constructor(receivers: readonly Receiver[]) {
    this.#receivers = receivers;
  }

  point(group: Group, point: Point): void {
    for (const receiver of this.#receivers) receiver.point(group, point);
  }

  points(groups: readonly Group[], points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  }

  beginBatch(group: Group, begin: BatchBegin): void {
    for (const receiver of this.#receivers) receiver.beginBatch(group, begin);
  }

  batchPoint(group: Group, point: Point): void {
    for (const receiver of this.#receivers) receiver.batchPoint(group, point);
  }

  endBatch(group: Group): void {
    for (const receiver of this.#receivers) receiver.endBatch(group);
  }

  barrier(group: Group, ms: number, ns: number): void {
    for (const receiver of this.#receivers) receiver.barrier(group, ms, ns);
  }

  deleteGroup(group: Group): void {
    for (const receiver of this.#receivers) receiver.deleteGroup(group);
  }

  finish(): void {
    for (const receiver of this.#receivers) receiver.finish();
  }
}
