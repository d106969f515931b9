/**
 * Time as a thing that is given, never taken.
 *
 * The core and everything with a timer get a `Clock`. `daemon/system.ts` builds the real one; the
 * virtual one below drives `kapacitor test`, the simulator and unit tests, so no test sleeps.
 */

import type { Time } from "./time.ts";

/** Cancels a timer; calling it twice or after the timer fired does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** Monotonic milliseconds with fractions, arbitrary zero. For every wait, timeout and interval. */
  monoMs(): number;
  /** Wall-clock time. For stamps, records and data that asks for it; never for waits. */
  now(): Time;
  /** Runs once after at least `delayMs` (any size, ≥ 0). Errors thrown by `run` are the caller's bug. */
  after(delayMs: number, run: () => void): Cancel;
}

/** Runs `run` every `intervalMs` without drift until cancelled; a late tick does not cause catch-up ticks. */
export function every(clock: Clock, intervalMs: number, run: () => void): Cancel {
  return everyFrom(clock, clock.monoMs() + intervalMs, intervalMs, run);
}

/**
 * The same at multiples of the interval, the first time sooner: what beats equally fast wakes the process up once. That
 * is most of what a process costs that has nothing to do.
 */
export function everyInStep(clock: Clock, intervalMs: number, run: () => void): Cancel {
  const now = clock.monoMs();
  return everyFrom(clock, now - (now % intervalMs) + intervalMs, intervalMs, run);
}

function everyFrom(clock: Clock, first: number, intervalMs: number, run: () => void): Cancel {
  let cancel: Cancel = () => {};
  let due = first;
  const arm = (): void => {
    cancel = clock.after(Math.max(0, due - clock.monoMs()), () => {
      due += intervalMs;
      const now = clock.monoMs();
      if (due < now) due = now + intervalMs;
      arm();
      run();
    });
  };
  arm();
  return () => cancel();
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/**
 * A clock that stands still until `advance` is called. Timers fire in order of time, then of creation.
 *
 * Timers wait in a binary heap. A cancelled one stays until it is due, or until half of the heap is cancelled ones.
 */
export class VirtualClock implements Clock {
  #mono = 0;
  #order = 0;
  #wall: Time;
  #heap: Entry[] = [];
  #cancelled = 0;

  constructor(start: Time = { ms: 0, ns: 0 }) {
    this.#wall = start;
  }

  monoMs(): number {
    return this.#mono;
  }

  now(): Time {
    const whole = Math.floor(this.#mono);
    const ns = this.#wall.ns + Math.round((this.#mono - whole) * 1e6);
    const carry = ns >= 1_000_000 ? 1 : 0;
    return { ms: this.#wall.ms + whole + carry, ns: ns - carry * 1_000_000 };
  }

  after(delayMs: number, run: () => void): Cancel {
    const at = this.#mono + delayMs;
    const entry = { at, order: this.#order++, run, isCancelled: false };
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
    return () => this.#cancel(entry);
  }

  /** Moves time forward, firing every timer that comes due, also those set by fired timers. */
  advance(ms: number): void {
    const end = this.#mono + ms;
    for (;;) {
      const [next] = this.#heap;
      if (next === undefined || next.at > end) break;
      this.#dropFirst();
      if (next.isCancelled) {
        this.#cancelled--;
        continue;
      }
      next.isCancelled = true;
      this.#mono = Math.max(this.#mono, next.at);
      next.run();
    }
    this.#mono = end;
  }

  /** A fired timer counts as cancelled, so that cancelling it later does nothing. */
  #cancel(entry: Entry): void {
    if (entry.isCancelled) return;
    entry.isCancelled = true;
    this.#cancelled++;
    if (this.#cancelled * 2 <= this.#heap.length) return;
    this.#heap = this.#heap.filter(({ isCancelled }) => !isCancelled).sort(compareEntries);
    this.#cancelled = 0;
  }

  #rise(index: number): void {
    const heap = this.#heap;
    const entry = heap[index] as Entry;
    let at = index;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Entry;
      if (compareEntries(parent, entry) <= 0) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  #dropFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && compareEntries(right, child) < 0) {
        child = right;
        below++;
      }
      if (compareEntries(last, child) <= 0) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

function compareEntries(a: Entry, b: Entry): number {
  return a.at - b.at || a.order - b.order;
}
