/**
 * An edge links exactly two nodes and calls the child at once; it never holds a message.
 *
 * Idea: one point runs through its whole task before the next one starts, so order needs no care and
 * nothing waits inside a task. Waiting happens only where I/O begins, in the bounded queues of the rim; what
 * to do when those are full is decided there and nowhere else.
 * The edge counts what it carries (a point is one, a batch is one, barriers and deletions do not count) and
 * allocates nothing per message. Since nothing waits, `collected` and `emitted` are the same number.
 * Runs of points are not timed: now and then a point comes alone and is (timer.ts).
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { BatchFold, FoldedBatch } from "./batch-fold.ts";
import type { GroupCounts } from "./group-counts.ts";
import type { TaskTicks } from "./group-expiry.ts";
import { NodeError } from "./node-error.ts";
import type { PointRing } from "./point-ring.ts";
import { type BatchBegin, type Receiver, sendRun } from "./receiver.ts";
import type { MessageTimer, NodeTimer } from "./timer.ts";

export interface EdgeOptions {
  readonly parent: string;
  readonly child: string;
  readonly type: "stream" | "batch";
  readonly to: Receiver;
  /** Shared by all tasks of the engine; says which messages are timed. */
  readonly timer: MessageTimer;
  readonly nodeTimer: NodeTimer;
  /** Counts per group, when a `stats` node watches this edge. */
  readonly groups: GroupCounts | undefined;
  /** Written into groups that a message touches, when idle groups expire. */
  readonly ticks: TaskTicks | undefined;
}

export class Edge implements Receiver {
  readonly parent: string;
  readonly child: string;
  readonly type: "stream" | "batch";
  readonly #to: Receiver;
  readonly #timer: MessageTimer;
  readonly #nodeTimer: NodeTimer;
  readonly #groups: GroupCounts | undefined;
  readonly #ticks: TaskTicks | undefined;
  #collected = 0;

  constructor(options: EdgeOptions) {
    this.parent = options.parent;
    this.child = options.child;
    this.type = options.type;
    this.#to = options.to;
    this.#timer = options.timer;
    this.#nodeTimer = options.nodeTimer;
    this.#groups = options.groups;
    this.#ticks = options.ticks;
  }

  /** Points or batches carried so far. */
  get collected(): number {
    return this.#collected;
  }

  point(group: Group, point: Point): void {
    this.#collected++;
    if (this.#ticks !== undefined) group.seen = this.#ticks.now;
    if (this.#groups !== undefined) this.#groups.add(group, 1);
    try {
      if (this.#timer.active) {
        const timer = this.#timer;
        const call = timer.enter();
        this.#to.point(group, point);
        timer.leave(this.#nodeTimer, call);
      } else {
        this.#to.point(group, point);
      }
    } catch (error) {
      throw this.#failure(error);
    }
  }

  points(groups: Group[], points: Point[], count: number): void {
    this.#collected += count;
    if (this.#ticks !== undefined) {
      for (let i = 0; i < count; i++) (groups[i] as Group).seen = this.#ticks.now;
    }
    if (this.#groups !== undefined) {
      for (let i = 0; i < count; i++) this.#groups.add(groups[i] as Group, 1);
    }
    try {
      this.#to.points(groups, points, count);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  get takesRuns(): boolean {
    return this.#to.takesRuns === true;
  }

  run(group: Group, points: readonly Point[], count: number): void {
    this.#collected += count;
    if (this.#ticks !== undefined) group.seen = this.#ticks.now;
    if (this.#groups !== undefined) this.#groups.add(group, count);
    try {
      sendRun(this.#to, group, points, count);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  beginBatch(group: Group, begin: BatchBegin): void {
    if (this.#ticks !== undefined) group.seen = this.#ticks.now;
    try {
      this.#to.beginBatch(group, begin);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  batchPoint(group: Group, point: Point): void {
    if (this.#groups !== undefined) this.#groups.add(group, 1);
    try {
      this.#to.batchPoint(group, point);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  endBatch(group: Group): void {
    this.#collected++;
    try {
      if (this.#timer.active) {
        const timer = this.#timer;
        const call = timer.enter();
        this.#to.endBatch(group);
        timer.leave(this.#nodeTimer, call);
      } else {
        this.#to.endBatch(group);
      }
    } catch (error) {
      throw this.#failure(error);
    }
  }

  batch(group: Group, begin: BatchBegin, points: PointRing): void {
    if (this.#timer.active || this.#to.batch === undefined) {
      this.beginBatch(group, begin);
      for (let i = 0; i < points.size; i++) this.batchPoint(group, points.at(i));
      this.endBatch(group);
      return;
    }
    this.#collected++;
    if (this.#ticks !== undefined) group.seen = this.#ticks.now;
    if (this.#groups !== undefined) this.#groups.add(group, points.size);
    try {
      this.#to.batch(group, begin, points);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Not where the points of batches are counted per group. */
  fold(): BatchFold | undefined {
    return this.#groups === undefined ? this.#to.fold?.() : undefined;
  }

  folded(group: Group, begin: BatchBegin, batch: FoldedBatch): void {
    this.#collected++;
    if (this.#ticks !== undefined) group.seen = this.#ticks.now;
    try {
      if (this.#timer.active) {
        const timer = this.#timer;
        const call = timer.enter();
        this.#to.folded?.(group, begin, batch);
        timer.leave(this.#nodeTimer, call);
      } else {
        this.#to.folded?.(group, begin, batch);
      }
    } catch (error) {
      throw this.#failure(error);
    }
  }

  barrier(group: Group, ms: number, ns: number): void {
    try {
      this.#to.barrier(group, ms, ns);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  deleteGroup(group: Group): void {
    this.#groups?.delete(group);
    try {
      this.#to.deleteGroup(group);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  finish(): void {
    try {
      this.#to.finish();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): NodeError {
    return error instanceof NodeError ? error : new NodeError(this.child, error);
  }
}
