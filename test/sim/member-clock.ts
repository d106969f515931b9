/** A process's clock in virtual time: it drifts with its host, stops counting nothing, and dies with its start. */

import type { Cancel, Clock } from "#lib/clock.ts";
import type { Time } from "#lib/time.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimMember } from "./sim-member.ts";

/** Added to every timer, ms, so that rounding never fires it early. */
const LATE_MS = 0.001;

export class MemberClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #member: SimMember;
  readonly #boot: number;

  constructor(scheduler: Scheduler, member: SimMember, boot: number) {
    this.#scheduler = scheduler;
    this.#member = member;
    this.#boot = boot;
  }

  monoMs(): number {
    return this.#member.localMs;
  }

  now(): Time {
    const wall = this.#member.wallOffsetMs + this.#member.localMs;
    const ms = Math.floor(wall);
    return { ms, ns: Math.floor((wall - ms) * 1e6) };
  }

  after(delayMs: number, run: () => void): Cancel {
    let cancelled = false;
    const rate = 1 + this.#member.driftPpm / 1e6;
    this.#scheduler.after(Math.max(0, delayMs) / rate + LATE_MS, () => {
      if (cancelled || !this.#member.runs(this.#boot)) return;
      this.#member.run(() => {
        if (!cancelled) run();
      });
    });
    return () => {
      cancelled = true;
    };
  }
}
