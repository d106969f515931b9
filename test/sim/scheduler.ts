/**
 * Virtual time: one heap of things to do, ordered by time and then by the order of asking.
 *
 * Time jumps to the next entry. A running hash over everything that members take in shows whether two
 * runs of one seed were the same.
 */

const NOTED_WHOLE = 48;
const NOTED_EVERY = 31;
const NOTED_END = 8;

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Scheduler {
  readonly #heap: Entry[] = [];
  #order = 0;
  /** Milliseconds since the run began. */
  now = 0;
  steps = 0;
  #hashHigh = 0x811c9dc5;
  #hashLow = 0x2545f491;

  after(delayMs: number, run: () => void): void {
    this.at(this.now + Math.max(0, delayMs), run);
  }

  at(at: number, run: () => void): void {
    const heap = this.#heap;
    const entry = { at: Math.max(at, this.now), order: this.#order++, run };
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parentAt = (i - 1) >> 1;
      const parent = heap[parentAt] as Entry;
      if (!before(entry, parent)) break;
      heap[i] = parent;
      i = parentAt;
    }
    heap[i] = entry;
  }

  /** Runs everything due until `end`, then stands at `end`. */
  runUntil(end: number): void {
    for (let top = this.#heap[0]; top !== undefined && top.at <= end; top = this.#heap[0]) {
      this.#pop();
      this.now = top.at;
      this.steps++;
      top.run();
    }
    this.now = end;
  }

  /**
   * Takes something into the trace hash: all of short bytes, of long ones the ends, where packets have their counters and
   * their seals or checksums, and samples in between.
   */
  note(member: number, kind: string, bytes?: Uint8Array): void {
    this.#mix(Math.round(this.now * 1000) | 0);
    this.#mix(member);
    for (let i = 0; i < kind.length; i++) this.#mix(kind.charCodeAt(i));
    if (bytes === undefined) return;
    const { length } = bytes;
    this.#mix(length);
    const step = length <= NOTED_WHOLE ? 1 : NOTED_EVERY;
    for (let i = 0; i < length; i += step) this.#mix(bytes[i] as number);
    if (step > 1) for (let i = length - NOTED_END; i < length; i++) this.#mix(bytes[i] as number);
  }

  get traceHash(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#hashHigh) + hex(this.#hashLow);
  }

  #mix(value: number): void {
    this.#hashHigh = Math.imul(this.#hashHigh ^ value, 0x01000193);
    this.#hashLow = Math.imul((this.#hashLow ^ (value + 0x9e37)) | 0, 0x85ebca6b);
    this.#hashLow ^= this.#hashLow >>> 13;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let childAt = i * 2 + 1;
      let child = heap[childAt];
      if (child === undefined) break;
      const right = heap[childAt + 1];
      if (right !== undefined && before(right, child)) {
        child = right;
        childAt++;
      }
      if (!before(child, last)) break;
      heap[i] = child;
      i = childAt;
    }
    heap[i] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order;
}
