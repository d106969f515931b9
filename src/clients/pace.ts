/**
 * Lets the event loop turn while a large answer is read: data that is there already comes without any waiting, and
 * gossip, RPC and the API must stay prompt.
 */

import type { Clock } from "#lib/clock.ts";

/** How long a reader may go on before it lets others have a turn, ms. */
const TURN_MS = 5;

export class Pace {
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monoMs();
  }

  /** Returns at once, or after a turn of the event loop when the last one was too long ago. */
  async step(): Promise<void> {
    if (this.#clock.monoMs() - this.#sinceMs < TURN_MS) return;
    await new Promise<void>((done) => void this.#clock.after(0, done));
    this.#sinceMs = this.#clock.monoMs();
  }
}
