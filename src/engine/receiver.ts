/**
 * What travels between nodes, and the interface of everything that takes it.
 *
 * A message is a method call: the sender calls, the receiver works and calls on, and when the call returns
 * the message has run through everything below. So there is one order, nothing waits inside a task, and a
 * point costs no wrapper object. Calls for one batch are never interleaved with other messages.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";

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
  beginBatch(group: Group, begin: BatchBegin): void;
  batchPoint(group: Group, point: Point): void;
  endBatch(group: Group): void;
  /** No earlier time will follow in this group. */
  barrier(group: Group, ms: number, ns: number): void;
  /** The group is over: forget what is kept for it. */
  deleteGroup(group: Group): void;
  /** End of the stream; whoever holds messages back for other inputs lets them go. Called once per input. */
  finish(): void;
}

/** Takes everything and does nothing: what a node without children emits to. */
export const NOWHERE: Receiver = {
  point() {},
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

/** Gives every message to each of several receivers, in order. */
export class FanOut implements Receiver {
  readonly #receivers: readonly Receiver[];

  constructor(receivers: readonly Receiver[]) {
    this.#receivers = receivers;
  }

  point(group: Group, point: Point): void {
    for (const receiver of this.#receivers) receiver.point(group, point);
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
