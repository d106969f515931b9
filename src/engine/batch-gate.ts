/**
 * Lets batches into a task, one after the other, in slices of the event loop.
 *
 * A batch may have millions of points, so pushing it through takes turns of at most `SLICE_MS`. Nodes rely on
 * batches not being interleaved with other messages; therefore only one is under way in a task, and what
 * timers or finished I/O want to send meanwhile is put off until it has ended. Whoever sends is
 * answered when its batch ran through, so nothing piles up here: each source has one batch waiting at most.
 */

import type { Clock } from "#lib/clock.ts";
import type { Group } from "#model/group.ts";
import { SLICE_CHECK_POINTS, SLICE_MS, SLICE_STEPS_MAX } from "./limits.ts";
import type { PointCursor } from "./outside-ports.ts";
import type { BatchBegin, Receiver } from "./receiver.ts";
import type { MessageTimer } from "./timer.ts";

export interface OutgoingBatch {
  readonly begin: BatchBegin;
  /** Asked when the batch begins: a group found earlier may be over by then. */
  group(): Group;
  points(group: Group): PointCursor;
}

interface Sending {
  readonly to: Receiver;
  readonly batch: OutgoingBatch;
  readonly answer: () => void;
}

/** The batch under way. */
interface Open {
  readonly to: Receiver;
  readonly group: Group;
  readonly points: PointCursor;
  readonly answer: () => void;
}

export interface BatchGateOptions {
  readonly clock: Clock;
  readonly timer: MessageTimer;
  /** A node threw. Called once; the gate is closed then. */
  failed(error: unknown): void;
}

export class BatchGate {
  readonly #options: BatchGateOptions;
  readonly #waiting: Sending[] = [];
  #deferred: (() => void)[] = [];
  #open: Open | undefined;
  #closed = false;
  #turnOpen = false;
  #deadlineMs = 0;
  #stepsLeft = 0;

  constructor(options: BatchGateOptions) {
    this.#options = options;
  }

  /** True while a batch is under way; the task is then not between two messages. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Sends a batch after those before it. Resolves when it ran through, or when the gate was closed. */
  send(to: Receiver, batch: OutgoingBatch): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ to, batch, answer: resolve });
    if (this.#open === undefined) this.#work();
    return promise;
  }

  /** Runs at once, or when the batch under way has ended. */
  defer(run: () => void): void {
    if (this.#open === undefined) run();
    else this.#deferred.push(run);
  }

  /** Pushes through what was accepted, without slices; takes nothing afterwards. */
  drain(): void {
    if (this.#closed) return;
    this.#stepsLeft = Number.POSITIVE_INFINITY;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    this.#turnOpen = true;
    this.#work();
    this.close();
  }

  /** Drops what is under way. */
  close(): void {
    this.#closed = true;
    const left = this.#open === undefined ? this.#waiting : [this.#open, ...this.#waiting];
    this.#open = undefined;
    this.#deferred = [];
    for (const { answer } of left) answer();
    this.#waiting.length = 0;
  }

  /** Works until nothing is left or this turn is over; the next turn then goes on. */
  #work(): void {
    try {
      while (!this.#closed && this.#hasTime()) {
        if (this.#open === undefined && !this.#begin()) return;
        if (!this.#pushSome()) continue;
        this.#end();
      }
    } catch (error) {
      this.close();
      this.#options.failed(error);
    }
  }

  #hasTime(): boolean {
    const { clock } = this.#options;
    if (this.#turnOpen) return this.#stepsLeft > 0 && clock.monoMs() < this.#deadlineMs;
    this.#turnOpen = true;
    this.#deadlineMs = clock.monoMs() + SLICE_MS;
    this.#stepsLeft = SLICE_STEPS_MAX;
    clock.after(0, () => {
      this.#turnOpen = false;
      if (this.#open !== undefined || this.#waiting.length > 0) this.#work();
    });
    return true;
  }

  #begin(): boolean {
    const next = this.#waiting.shift();
    if (next === undefined) return false;
    const { to, batch, answer } = next;
    const group = batch.group();
    this.#open = { to, group, points: batch.points(group), answer };
    to.beginBatch(group, batch.begin);
    return true;
  }

  /** Pushes a few points; true when there are no more. */
  #pushSome(): boolean {
    const { to, group, points } = this.#open as Open;
    for (let i = 0; i < SLICE_CHECK_POINTS; i++) {
      const point = points.next();
      if (point === undefined) return true;
      to.batchPoint(group, point);
      if (this.#closed) return true;
    }
    this.#stepsLeft -= SLICE_CHECK_POINTS;
    return false;
  }

  #end(): void {
    const sent = this.#open;
    if (this.#closed || sent === undefined) return;
    const { timer } = this.#options;
    timer.next();
    sent.to.endBatch(sent.group);
    timer.done();
    this.#open = undefined;
    this.#stepsLeft--;
    sent.answer();
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) run();
  }
}
