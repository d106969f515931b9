/**
 * A hybrid logical clock: stamps near wall time that never run backwards, on this member or along what it heard.
 *
 * A stamp is one number, milliseconds × 1024 + a counter: exact in a double until the year 2248, compared by subtraction,
 * made without allocating. A counter that is full runs over into the next millisecond, as it does while the wall clock
 * stands or has stepped back. Stamps of others pull the clock ahead, but never further than a bound, so that one wrong
 * clock does not become everybody's. Pure: the time is given. Source: reference cluster-behaviour.md U17, U25.
 */

import { HLC_AHEAD_MAX_MS } from "./limits.ts";

/** Larger is later; 0 = not stamped. */
export type HybridTime = number;

const PER_MS = 1024;

export class HybridClock {
  #last: HybridTime;
  #clamps = 0;

  /** No stamp will be of a millisecond before `fromMs`: an earlier start may have used those. */
  constructor(fromMs = 0) {
    this.#last = Math.min(Math.max(0, fromMs * PER_MS - 1), Number.MAX_SAFE_INTEGER);
  }

  /** The latest stamp made or heard. */
  get last(): HybridTime {
    return this.#last;
  }

  /** Stamps of others that were further ahead than is believed. */
  get clamps(): number {
    return this.#clamps;
  }

  /** A stamp for what happens here now; later than all before. `nowMs`: wall clock, whole ms. */
  tick(nowMs: number): HybridTime {
    const wall = nowMs * PER_MS;
    const next = wall > this.#last ? wall : this.#last + 1;
    this.#last = Math.min(next, Number.MAX_SAFE_INTEGER);
    return this.#last;
  }

  /** Like `tick`, and every stamp of that millisecond is used up; returns the last of them. */
  close(nowMs: number): HybridTime {
    this.#last = lastOf(millisOf(this.tick(nowMs)));
    return this.#last;
  }

  /** A stamp of another member: what is made here from now on is later. Returns it, or the latest that is believed. */
  hear(stamp: HybridTime, nowMs: number): HybridTime {
    if (stamp <= this.#last) return stamp;
    const latest = Math.max(this.#last, lastOf(nowMs + HLC_AHEAD_MAX_MS));
    if (stamp > latest) this.#clamps++;
    this.#last = Math.min(stamp, latest);
    return this.#last;
  }
}

/** The millisecond of a stamp. */
export function millisOf(stamp: HybridTime): number {
  return Math.floor(stamp / PER_MS);
}

/** The last stamp of a millisecond. */
export function lastOf(ms: number): HybridTime {
  return Math.min(ms * PER_MS + PER_MS - 1, Number.MAX_SAFE_INTEGER);
}
