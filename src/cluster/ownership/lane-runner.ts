/**
 * Keeps the order of sends: of each lane (topic, event ID, handler) only the oldest unsettled event is looked at.
 *
 * Its turn is waited for (`turns.ts`); when it has come the event is claimed, unless a completion is known or sends are
 * held back. Looking again is always allowed and changes nothing that is not due. Source: reference gossip.md §14.4,
 * §14.5, cluster-behaviour.md U15.
 */

import type { Completions } from "./completions.ts";
import type { Failures } from "./failures.ts";
import type { Held, Lane, Lanes, Work } from "./held.ts";
import { HOLDS_PER_DELAY } from "./limits.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { Rankings } from "./ranking.ts";
import type { Reason, ReasonCounts } from "./reasons.ts";
import type { Sends } from "./sends.ts";
import { compareStamps } from "./stamp.ts";
import type { TimerHeap } from "./timer-heap.ts";
import type { Turns } from "./turns.ts";

export interface LaneRunnerHost {
  readonly delayMs: number;
  readonly lanes: Lanes;
  readonly turns: Turns;
  readonly sends: Sends;
  readonly failures: Failures;
  readonly rankings: Rankings;
  readonly completions: Completions;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  planted(bug: PlantedAlertBug): boolean;
  /** May a send be started now? `held` = not until `runBlocked`; `never` = this member is leaving. */
  mayClaim(): "yes" | "held" | "never";
  /** This member is no acting owner, and one has the event: it is offered to those again. False otherwise. */
  offerAgain(held: Held): boolean;
  /** Ends a work for this reason. */
  settle(work: Work, reason: Reason): void;
}

export class LaneRunner {
  readonly #host: LaneRunnerHost;
  /** Lanes whose head is due but held back. */
  readonly #blocked = new Set<Lane>();
  /** Lanes to be looked at when `together` ends. */
  #later: Set<Lane> | undefined;
  readonly #look = (lane: Lane): void => this.run(lane);
  readonly #lookBlocked = (work: Work): void => {
    const { lane } = work;
    if (!this.#blocked.has(lane) || lane.works[0] !== work) return;
    this.#host.sends.sayHold(work);
    this.#armBlocked(work);
  };

  constructor(host: LaneRunnerHost) {
    this.#host = host;
  }

  /** Is its head due, but held back? */
  isBlocked(lane: Lane): boolean {
    return this.#blocked.has(lane);
  }

  /**
   * Looks at lanes only when all of `apply` is known: what arrives together may tell of several events of an ID, and one
   * that is known to be done by its end must not be started in the middle.
   */
  together(apply: () => void): void {
    if (this.#later !== undefined) {
      apply();
      return;
    }
    const lanes = new Set<Lane>();
    this.#later = lanes;
    try {
      apply();
    } finally {
      this.#later = undefined;
    }
    for (const lane of lanes) this.run(lane);
  }

  /** Sends are allowed again. */
  runBlocked(): void {
    const lanes = [...this.#blocked];
    this.#blocked.clear();
    for (const lane of lanes) this.run(lane);
  }

  /** Sends, waits or settles the head of a lane, as far as it goes now. */
  run(lane: Lane): void {
    if (this.#later !== undefined) {
      this.#later.add(lane);
      return;
    }
    if (lane.timer !== undefined) lane.timer.live = false;
    lane.timer = undefined;
    const host = this.#host;
    for (;;) {
      const work = lane.works[0];
      if (work === undefined) {
        this.#rest(lane);
        return;
      }
      if (work.state === "sending") return;
      const known = this.#alreadyKnown(work);
      if (known !== undefined) {
        host.settle(work, known);
        continue;
      }
      const due = this.#host.turns.due(work);
      if (due.at > host.now()) {
        lane.timer = host.timers.setFor(lane, due.at, this.#look);
        return;
      }
      if (work.state === "passed") {
        this.#host.failures.unanswered(work);
        continue;
      }
      this.#claimIfAllowed(work, due.why);
      return;
    }
  }

  /** An empty lane that another owner holds is remembered until its hold would have been renewed. */
  #rest(lane: Lane): void {
    const { timers, delayMs } = this.#host;
    const until = lane.renewedAt + delayMs;
    if (lane.holder === undefined || until <= this.#host.now()) {
      this.#blocked.delete(lane);
      this.#host.lanes.prune(lane);
    } else lane.timer = timers.setFor(lane, until, this.#look);
  }

  #claimIfAllowed(work: Work, why: Reason): void {
    const { counts } = this.#host;
    const may = work.held.local ? "yes" : this.#host.mayClaim();
    if (may === "yes" && this.#isLeftToOwners(work)) return;
    if (may === "yes") this.#host.sends.begin(work, why, this.#host.turns.canBeTakenOver(work));
    else if (may === "held") {
      if (!this.#blocked.has(work.lane)) counts.add("held_for_pull");
      this.#blocked.add(work.lane);
      if (!work.held.solo) this.#armBlocked(work);
    }
  }

  /**
   * Who stood in for an owner that is back hears of its sends only when all is settled: like a producer, it asks by
   * offering the event again instead of sending, as long as an acting owner has it.
   */
  #isLeftToOwners(work: Work): boolean {
    const { timers, delayMs } = this.#host;
    const { held, lane } = work;
    const { turns } = this.#host;
    if (held.solo || turns.isExcused(work) || this.#host.planted("everybody-first")) return false;
    const rank = turns.rank(work);
    if (rank === 0 || !this.#host.offerAgain(held)) return false;
    lane.timer = timers.setFor(lane, this.#host.now() + rank * delayMs, this.#look);
    return true;
  }

  /** Who is held back for long says so: the next owner is not to take it for gone. */
  #armBlocked(work: Work): void {
    const { timers, delayMs } = this.#host;
    const { lane } = work;
    const at = this.#host.now() + delayMs / HOLDS_PER_DELAY;
    lane.timer = timers.setFor(work, at, this.#lookBlocked);
  }

  #alreadyKnown(work: Work): Reason | undefined {
    const { held } = work;
    const { topic, id, handler } = work.lane;
    const last = held.local ? undefined : this.#host.completions.last(topic, id, handler);
    if (last === undefined) return undefined;
    const order = compareStamps(held.stamp, last.stamp);
    // Who is alone tells all in the order of raising; in a cluster by now, nothing goes behind what is newer.
    if (held.solo && this.#host.rankings.members.length <= 1) return undefined;
    if (order > 0 || (order < 0 && this.#host.planted("no-order"))) return undefined;
    return order === 0 ? "already_done" : "superseded";
  }
}
