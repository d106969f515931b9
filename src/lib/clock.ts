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
  let cancel: Cancel = () => {};
  let due = clock.monoMs() + intervalMs;
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
  cancelled: boolean;
}

/** A clock that stands still until `advance` is called. Timers fire in order of time, then of creation. */
export class VirtualClock implements Clock {
  #mono = 0;
  #order = 0;
  #wall: Time;
  readonly #entries: Entry[] = [];

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
    const entry = { at: this.#mono + delayMs, order: this.#order++, run, cancelled: false };
    this.#entries.push(entry);
    return () => {
      entry.cancelled = true;
    };
  }

  /** Moves time forward, firing every timer that comes due, also those set by fired timers. */
  advance(ms: number): void {
    const end = this.#mono + ms;
    for (;;) {
      const next = this.#takeDue(end);
      if (next === undefined) break;
      this.#mono = Math.max(this.#mono, next.at);
      next.run();
    }
    this.#mono = end;
  }

  #takeDue(end: number): Entry | undefined {
    let best = -1;
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const entry = this.#entries[i] as Entry;
      if (entry.cancelled) {
        this.#entries.splice(i, 1);
        if (best > i) best--;
        continue;
      }
      const champion = this.#entries[best];
      const earlier =
        champion === undefined ||
        entry.at < champion.at ||
        (entry.at === champion.at && entry.order < champion.order);
      if (entry.at <= end && earlier) best = i;
    }
    return best < 0 ? undefined : this.#entries.splice(best, 1)[0];
  }
}
