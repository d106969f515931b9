/**
 * Remembers which counters of one sender and boot were seen: the highest and 1,024 below it.
 *
 * A packet older than the window or seen before is a replay. Counters are u64 on the wire; senders
 * start at 1, so a float holds every counter that can occur (2^53 packets of one boot).
 * Source: the sliding window of RFC 4303 §3.4.3, wider because gossip reorders more.
 */

const WINDOW = 1_024;
const WORDS = WINDOW / 32;

export class ReplayWindow {
  boot: bigint;
  #highest = 0;
  readonly #seen = new Uint32Array(WORDS);

  constructor(boot: bigint) {
    this.boot = boot;
  }

  /** Starts over for a newer boot. */
  restart(boot: bigint): void {
    this.boot = boot;
    this.#highest = 0;
    this.#seen.fill(0);
  }

  /** True and remembered when the counter is new. */
  accept(counter: number): boolean {
    if (!(counter >= 1) || counter + WINDOW <= this.#highest) return false;
    if (counter > this.#highest) this.#advance(counter);
    const slot = counter % WINDOW;
    const bit = 1 << (slot & 31);
    const word = this.#seen[slot >> 5] ?? 0;
    if ((word & bit) !== 0) return false;
    this.#seen[slot >> 5] = word | bit;
    return true;
  }

  #advance(to: number): void {
    if (to - this.#highest >= WINDOW) this.#seen.fill(0);
    else {
      for (let counter = this.#highest + 1; counter <= to; counter++) {
        const slot = counter % WINDOW;
        this.#seen[slot >> 5] = (this.#seen[slot >> 5] ?? 0) & ~(1 << (slot & 31));
      }
    }
    this.#highest = to;
  }
}
