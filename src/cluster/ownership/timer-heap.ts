/**
 * Many timers behind one: a binary heap ordered by time, then by creation, so that runs repeat exactly.
 *
 * Cancelled entries stay until their time; waits are seconds, so they are few compared to the events.
 */

export interface HeapTimer {
  readonly at: number;
  live: boolean;
}

interface Entry extends HeapTimer {
  readonly order: number;
  fire(): void;
}

class Timer<T> implements Entry {
  readonly at: number;
  readonly order: number;
  live = true;
  readonly #run: (subject: T) => void;
  readonly #subject: T;

  constructor(at: number, order: number, run: (subject: T) => void, subject: T) {
    this.at = at;
    this.order = order;
    this.#run = run;
    this.#subject = subject;
  }

  fire(): void {
    const run = this.#run;
    run(this.#subject);
  }
}

export class TimerHeap {
  readonly #heap: Entry[] = [];
  #order = 0;

  set(at: number, run: () => void): HeapTimer {
    return this.setFor(undefined, at, run);
  }

  /** The same with what `run` is given: where there are many timers, one function serves them all. */
  setFor<T>(subject: T, at: number, run: (subject: T) => void): HeapTimer {
    const timer = new Timer(at, this.#order++, run, subject);
    this.#heap.push(timer);
    this.#up(this.#heap.length - 1);
    return timer;
  }

  /** When the next live timer is due; `undefined` when there is none. */
  nextAt(): number | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || top.live) return top?.at;
      this.#pop();
    }
  }

  /** Runs everything due, also what these runs set for a time not after `now`. */
  runDue(now: number): void {
    for (;;) {
      const at = this.nextAt();
      if (at === undefined || at > now) return;
      const entry = this.#pop();
      if (entry === undefined) return;
      entry.live = false;
      entry.fire();
    }
  }

  #pop(): Entry | undefined {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (top === undefined || last === undefined || top === last) return top;
    this.#heap[0] = last;
    this.#down(0);
    return top;
  }

  #up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfLater(parent, at)) return;
      at = parent;
    }
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const child = right < this.#heap.length && this.#later(left, right) ? right : left;
      if (!this.#swapIfLater(at, child)) return;
      at = child;
    }
  }

  /** Swaps so that the earlier of the two is at `above`. */
  #swapIfLater(above: number, below: number): boolean {
    if (!this.#later(above, below)) return false;
    const a = this.#heap[above];
    const b = this.#heap[below];
    if (a === undefined || b === undefined) return false;
    this.#heap[above] = b;
    this.#heap[below] = a;
    return true;
  }

  #later(first: number, second: number): boolean {
    const a = this.#heap[first];
    const b = this.#heap[second];
    if (a === undefined || b === undefined) return false;
    return a.at > b.at || (a.at === b.at && a.order > b.order);
  }
}
