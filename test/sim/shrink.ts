/**
 * Makes a failing plan smaller while the same invariant fails: fewer faults, less workload, fewer members, fair weather,
 * round times (simulation.md §11).
 *
 * The usual result is three members and one to three faults. What is left can be read, and kept as a story.
 */

import type { AlertPlan } from "./alert-plan.ts";
import { CALM } from "./network.ts";
import type { Plan } from "./plan.ts";
import { play, type RunOptions, type RunResult } from "./simulation.ts";

/** Runs that one shrinking may take. */
const RUNS_MAX = 400;
const MEMBERS_MIN = 2;

/** The invariant that a failure names: what stands before the first space or colon. */
export function invariantOf(failure: string): string {
  return /^[A-Za-z]+\d*/.exec(failure)?.[0] ?? failure;
}

export interface Shrunk {
  readonly plan: Plan;
  readonly result: RunResult;
  readonly runs: number;
}

export function shrink(plan: Plan, invariant: string, options: RunOptions = {}): Shrunk {
  const shrinker = new Shrinker(plan, invariant, options);
  shrinker.reduce();
  return shrinker.outcome();
}

class Shrinker {
  #plan: Plan;
  #result: RunResult;
  #runs = 1;
  readonly #invariant: string;
  readonly #options: RunOptions;

  constructor(plan: Plan, invariant: string, options: RunOptions) {
    this.#plan = plan;
    this.#invariant = invariant;
    this.#options = options;
    this.#result = play(plan, options);
  }

  outcome(): Shrunk {
    return { plan: this.#plan, result: this.#result, runs: this.#runs };
  }

  reduce(): void {
    for (let before = ""; before !== this.#size() && this.#runs < RUNS_MAX; ) {
      before = this.#size();
      this.#faults();
      this.#workload();
      this.#members();
      this.#calm();
    }
    this.#round();
  }

  #size(): string {
    const { faults, members, alerts, weather } = this.#plan;
    return JSON.stringify([faults.length, members, alerts?.events.length, weather]);
  }

  /** Takes the smaller plan if the same invariant fails in it. */
  #try(plan: Plan): boolean {
    if (this.#runs >= RUNS_MAX) return false;
    this.#runs++;
    const result = play(plan, this.#options);
    if (!result.failures.some((failure) => invariantOf(failure) === this.#invariant)) return false;
    this.#plan = plan;
    this.#result = result;
    return true;
  }

  /** Leaves out halves, then quarters, then single ones. */
  #without<T>(list: () => readonly T[], set: (rest: readonly T[]) => Plan): void {
    for (let size = Math.ceil(list().length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < list().length; ) {
        const rest = [...list().slice(0, at), ...list().slice(at + size)];
        if (!this.#try(set(rest))) at += size;
      }
    }
  }

  #faults(): void {
    this.#without(
      () => this.#plan.faults,
      (faults) => ({ ...this.#plan, faults }),
    );
  }

  #workload(): void {
    const { alerts } = this.#plan;
    if (alerts === undefined) return;
    const now = (): AlertPlan => this.#plan.alerts ?? alerts;
    this.#without(
      () => now().events,
      (events) => ({ ...this.#plan, alerts: { ...now(), events } }),
    );
    const used = new Set(now().events.map(({ topic }) => topic));
    const topics = Object.entries(now().topics).filter(([topic]) => used.has(topic));
    this.#try({ ...this.#plan, alerts: { ...now(), topics: Object.fromEntries(topics) } });
    const single = topics.map(([topic, handlers]) => [topic, handlers.slice(0, 1)] as const);
    this.#try({ ...this.#plan, alerts: { ...now(), topics: Object.fromEntries(single) } });
  }

  /** Leaves out the last member, as long as that goes. */
  #members(): void {
    while (this.#plan.members > MEMBERS_MIN) {
      const { faults, alerts, core, driftPpm } = this.#plan;
      const members = this.#plan.members - 1;
      const stays = (index: number): boolean => index < members;
      const smaller: Plan = {
        ...this.#plan,
        members,
        driftPpm: driftPpm.slice(0, members),
        core: core.filter(stays),
        faults: faults.filter(({ target, other }) => stays(target) && stays(other)),
      };
      const events = alerts?.events.map((event) => ({
        ...event,
        by: event.by.filter(({ member }) => stays(member)),
      }));
      const plan =
        alerts === undefined || events === undefined
          ? smaller
          : { ...smaller, alerts: { ...alerts, events: events.filter(({ by }) => by.length > 0) } };
      if (!this.#try(plan)) return;
    }
  }

  #calm(): void {
    const { driftPpm, faults, alerts } = this.#plan;
    this.#try({ ...this.#plan, weather: { ...CALM } });
    this.#try({ ...this.#plan, driftPpm: driftPpm.map(() => 0) });
    this.#try({ ...this.#plan, sealed: false });
    this.#try({ ...this.#plan, mischief: false });
    const last = Math.max(
      5_000,
      ...faults.map(({ at, lengthMs }) => at + lengthMs + 5_000),
      ...(alerts?.events ?? []).map(({ at }) => at + 5_000),
    );
    if (last < this.#plan.safetyMs) this.#try({ ...this.#plan, safetyMs: last });
  }

  #round(): void {
    for (const step of [1_000, 100]) {
      const near = (ms: number): number => Math.max(step, Math.round(ms / step) * step);
      this.#plan.faults.forEach((_, i) => {
        const faults = this.#plan.faults.map((fault, j) =>
          i === j ? { ...fault, at: near(fault.at), lengthMs: near(fault.lengthMs) } : fault,
        );
        this.#try({ ...this.#plan, faults });
      });
    }
  }
}
