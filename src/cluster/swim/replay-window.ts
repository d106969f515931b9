/**
 * Remembers which counters of one sender and boot were seen: the highest and 1,024 below it.
 *
 * A packet older than the window or seen before is a replay. Counters are u64 on the wire; senders
 * start at 1, so a float holds every counter that can occur (2^53 packets of one boot). In a large cluster
 * a member sees one packet in hundreds of each sender's: a few counters are kept as a list, and only
 * a list that grows becomes a bit field.
 * Source: the sliding window of RFC 4303 §3.4.3, wider because gossip reorders more.
 */

const WINDOW = 1_024;
const WORDS = WINDOW / 32;
/** Counters kept as a list, of those within the window. */
const FEW = 8;

export class ReplayWindow {
  boot: bigint;
  #highest = 0;
  #few: number[] = [];
  #field: Uint32Array | undefined;

  constructor(boot: bigint) {
    this.boot = boot;
  }

  /** Starts over for a newer boot. */
  restart(boot: bigint): void {
    this.boot = boot;
    this.#highest = 0;
    this.#few = [];
    this.#field = undefined;
  }

  /** True and remembered when the counter is new. */
  accept(counter: number): boolean {
    if (!(counter >= 1) || counter + WINDOW <= this.#highest) return false;
    if (this.#field !== undefined) return this.#acceptIn(this.#field, counter);
    const few = this.#few;
    if (few.includes(counter)) return false;
    if (counter > this.#highest) this.#highest = counter;
    if (few.length >= FEW) this.#forgetOld();
    if (few.length >= FEW) this.#widen();
    if (this.#field !== undefined) this.#acceptIn(this.#field, counter);
    else few.push(counter);
    return true;
  }

  #forgetOld(): void {
    const few = this.#few;
    let kept = 0;
    for (const seen of few) if (seen + WINDOW > this.#highest) few[kept++] = seen;
    few.length = kept;
  }

  #widen(): void {
    const field = new Uint32Array(WORDS);
    for (const seen of this.#few) mark(field, seen);
    this.#few = [];
    this.#field = field;
  }

  #acceptIn(field: Uint32Array, counter: number): boolean {
    if (counter > this.#highest) this.#advance(field, counter);
    return mark(field, counter);
  }

  #advance(field: Uint32Array, to: number): void {
    if (to - this.#highest >= WINDOW) field.fill(0);
    else {
      for (let counter = this.#highest + 1; counter <= to; counter++) {
        const slot = counter % WINDOW;
        field[slot >> 5] = (field[slot >> 5] ?? 0) & ~(1 << (slot & 31));
      }
    }
    this.#highest = to;
  }
}

/** Sets the counter's bit; says whether it was clear. */
function mark(field: Uint32Array, counter: number): boolean {
  const slot = counter % WINDOW;
  const bit = 1 << (slot & 31);
  const word = field[slot >> 5] ?? 0;
  if ((word & bit) !== 0) return false;
  field[slot >> 5] = word | bit;
  return true;
}
