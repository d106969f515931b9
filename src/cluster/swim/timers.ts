/**
 * The core's own timers: a binary heap ordered by time, then by creation, so that runs repeat exactly.
 *
 * The core asks the shell for one wake-up at the earliest due time. Keeping the heap inside lets the
 * stall rule (gossip.md §13) move every timer at once. Cancelled timers stay in the heap until their
 * time and are then skipped; they are counted so that the heap is rebuilt when most are dead.
 */

import type { MonoMs } from "../ports.ts";

export interface Timer {
  at: MonoMs;
  readonly order: number;
  readonly run: () => void;
  live: boolean;
}

export class Timers {
  #heap: Timer[] = [];
  #order = 0;
  #dead = 0;

  add(at: MonoMs, run: () => void): Timer {
    const timer: Timer = { at, order: this.#order++, run, live: true };
    this.#heap.push(timer);
    this.#up(this.#heap.length - 1);
    return timer;
  }

  cancel(timer: Timer | undefined): void {
    if (timer === undefined || !timer.live) return;
    timer.live = false;
    this.#dead++;
    if (this.#dead > 64 && this.#dead * 2 > this.#heap.length) this.#rebuild();
  }

  clear(): void {
    for (const timer of this.#heap) timer.live = false;
    this.#heap = [];
    this.#dead = 0;
  }

  get size(): number {
    return this.#heap.length - this.#dead;
  }

  /** When the next live timer is due, or `undefined`. */
  next(): MonoMs | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.live) return top.at;
      this.#pop();
      this.#dead--;
    }
    return undefined;
  }

  /** The next timer due at `now`, taken out; `undefined` when none is. */
  takeDue(now: MonoMs): Timer | undefined {
    const at = this.next();
    if (at === undefined || at > now) return undefined;
    const timer = this.#pop();
    if (timer !== undefined) timer.live = false;
    return timer;
  }

  /** Moves every timer by the same amount; their order stays. */
  shift(ms: number): void {
    for (const timer of this.#heap) timer.at += ms;
  }

  #rebuild(): void {
    const live = this.#heap.filter((timer) => timer.live);
    live.sort((a, b) => a.at - b.at || a.order - b.order);
    this.#heap = live;
    this.#dead = 0;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last !== undefined && last !== top) {
      heap[0] = last;
      this.#down(0);
    }
    return top;
  }

  #up(from: number): void {
    const heap = this.#heap;
    const timer = heap[from] as Timer;
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as Timer;
      if (!before(timer, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = timer;
  }

  #down(from: number): void {
    const heap = this.#heap;
    const timer = heap[from] as Timer;
    let at = from;
    for (;;) {
      let childAt = at * 2 + 1;
      let child = heap[childAt];
      if (child === undefined) break;
      const right = heap[childAt + 1];
      if (right !== undefined && before(right, child)) {
        child = right;
        childAt++;
      }
      if (!before(child, timer)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = timer;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order;
}
