/**
 * How long nodes work, measured on a sample of messages.
 *
 * Reading a clock twice per node and point would cost as much as the nodes themselves, so only one in
 * `TIMED_MESSAGE_EVERY` messages entering the engine is timed, in all tasks. A node's time excludes the nodes below it: the
 * time spent in a child is subtracted when the child's call returns.
 */

import type { Clock } from "#lib/clock.ts";
import { TIMED_MESSAGE_EVERY } from "./limits.ts";

export class NodeTimer {
  #messages = 0;
  #totalMs = 0;

  add(ms: number): void {
    this.#messages++;
    this.#totalMs += ms;
  }

  /** Mean of the timed messages in whole nanoseconds, 0 before the first. */
  get averageNs(): number {
    return this.#messages === 0 ? 0 : Math.round((this.#totalMs / this.#messages) * 1e6);
  }
}

export class MessageTimer {
  /** True while the message in flight is timed. */
  active = false;
  readonly #clock: Clock;
  /** Messages until the next timed one. */
  #left = 1;
  /** Time spent in finished calls below the current one. */
  #belowMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A message enters the engine; decides whether it is timed. */
  next(): void {
    this.active = --this.#left === 0;
    if (this.active) this.#left = TIMED_MESSAGE_EVERY;
    this.#belowMs = 0;
  }

  /** Counts messages that come together; true when one of them should come alone first, through `next`. */
  isDue(messages: number): boolean {
    const due = messages >= this.#left;
    this.#left = due ? 1 : this.#left - messages;
    return due;
  }

  /** The message has left all tasks; what their timers emit from now on is not timed. */
  done(): void {
    this.active = false;
  }

  /** Starts a timed call; returns what `leave` wants. */
  enter(): TimedCall {
    const call = { startMs: this.#clock.monoMs(), outerMs: this.#belowMs };
    this.#belowMs = 0;
    return call;
  }

  leave(timer: NodeTimer, call: TimedCall): void {
    const wholeMs = this.#clock.monoMs() - call.startMs;
    timer.add(Math.max(0, wholeMs - this.#belowMs));
    this.#belowMs = call.outerMs + wholeMs;
  }
}

export interface TimedCall {
  readonly startMs: number;
  readonly outerMs: number;
}
