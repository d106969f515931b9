/**
 * What follows when a handler could not be told: the next owner's turn, and a new round when all have failed.
 *
 * A work that this member gave up is *passed*: it stays here until another owner says that it was done, or nobody is left
 * that could. How often and how long rounds rest is decided in `rounds.ts`. Source: reference gossip.md §14.3,
 * cluster-behaviour.md U13.
 */

import type { MemberId } from "../ports.ts";
import { type Held, NOBODY, type Work } from "./held.ts";
import type { Notice, PassNotice } from "./notices.ts";
import type { Rankings } from "./ranking.ts";
import type { Reason, ReasonCounts } from "./reasons.ts";
import type { Rounds } from "./rounds.ts";
import { compareStamps } from "./stamp.ts";
import type { Turns } from "./turns.ts";

export interface FailuresHost {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly rounds: Rounds;
  readonly turns: Turns;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  /** Is this member about to go? */
  isLeaving(): boolean;
  /** Notices to everyone who may hold a copy as owner. */
  tellOwners(held: Held, notice: Notice): void;
  /** Ends a work for this reason. */
  settle(work: Work, reason: Reason): void;
}

export class Failures {
  readonly #host: FailuresHost;

  constructor(host: FailuresHost) {
    this.#host = host;
  }

  /** A send of this member failed: the next owner goes at once. */
  failedHere(work: Work, how: "for now" | "for good"): void {
    const { counts } = this.#host;
    const { held, round } = work;
    counts.add(how === "for now" ? "turn_over" : "send_failed");
    this.markPassed(work, how);
    if (held.solo) {
      this.#host.settle(work, "all_failed");
      return;
    }
    const failed = [...work.failed];
    const handlers = [work.handler];
    const never = [...work.never];
    const { event } = held;
    this.#host.tellOwners(held, { kind: "pass", event, handlers, failed, round, never });
    this.#endRoundIfAllFailed(work);
  }

  /** Other members could not tell this handler. */
  failedElsewhere(work: Work, { failed, round = 0, never = failed }: PassNotice): void {
    work.never = withAll(work.never, never);
    work.failed = withAll(work.failed, never);
    if (round > work.round && work.state !== "sending") this.beginRound(work, round);
    for (const member of failed) {
      if (round === work.round) work.failed = withAll(work.failed, [member]);
      if (work.lane.holder === member) work.lane.holder = undefined;
    }
    this.#endRoundIfAllFailed(work);
  }

  /** This member has done what it could for the moment. */
  markPassed(work: Work, how: "for now" | "for good"): void {
    work.state = "passed";
    work.passedAt = this.#host.now();
    const { self } = this.#host;
    work.failed = withAll(work.failed, [self]);
    if (how === "for good") work.never = withAll(work.never, [self]);
  }

  /** Nobody answered for what was passed on. */
  unanswered(work: Work): void {
    const { isLeaving, self } = this.#host;
    if (isLeaving()) work.passedAt = this.#host.now();
    else if (work.never.has(self)) this.#host.settle(work, "passed_unanswered");
    else this.beginRound(work, work.round + 1);
  }

  /** All begin anew after a rest, unless it is given up. */
  beginRound(work: Work, round: number): void {
    const { counts, rounds, self } = this.#host;
    const now = this.#host.now();
    const over = rounds.begin(work, round, now);
    if (over !== undefined) {
      this.#host.settle(work, over);
      return;
    }
    counts.add("round_over");
    work.passedAt = now;
    work.state = work.never.has(self) ? "passed" : "waiting";
    const newer = work.lane.works.at(-1);
    if (newer !== undefined) this.supersedeResting(newer);
  }

  /** Where nobody can be told just now, only the newest event of an ID is worth telling. */
  supersedeResting(newest: Work): void {
    const { lane } = newest;
    if (lane.rests === 0 || newest.held.solo) return;
    for (const work of [...lane.works]) {
      if (work === newest || work.state === "sending") continue;
      if (compareStamps(work.held.stamp, newest.held.stamp) < 0) {
        this.#host.settle(work, "superseded_in_trouble");
      }
    }
  }

  /** Everybody it was passed to is gone: this member tries once more. */
  retryIfLast(work: Work): void {
    const { rankings, self } = this.#host;
    const { acting } = rankings.of(work.lane.topic);
    if (acting.length !== 1 || acting[0] !== self) return;
    work.failed = NOBODY;
    work.never = NOBODY;
    work.state = "waiting";
  }

  /** A member that left is back, or stayed: it can try like the others. */
  cameBack(work: Work, member: MemberId): void {
    work.failed = without(work.failed, member);
    work.never = without(work.never, member);
    if (member === this.#host.self && work.state === "passed") work.state = "waiting";
  }

  /**
   * Everybody failed: if one of them may succeed later, all begin anew after a rest. Who leaves did not try: where all owners
   * do, there will be others.
   */
  #endRoundIfAllFailed(work: Work): void {
    const { isLeaving, rankings, turns } = this.#host;
    if (work.state !== "passed" || isLeaving() || turns.candidates(work).length > 0) return;
    const { acting } = rankings.of(work.lane.topic);
    if (acting.some((member) => !work.never.has(member))) this.beginRound(work, work.round + 1);
    else this.#host.settle(work, "all_failed");
  }
}

function withAll(set: ReadonlySet<MemberId>, members: readonly MemberId[]): ReadonlySet<MemberId> {
  if (members.every((member) => set.has(member))) return set;
  return new Set([...set, ...members]);
}

function without(set: ReadonlySet<MemberId>, member: MemberId): ReadonlySet<MemberId> {
  if (!set.has(member)) return set;
  const left = [...set].filter((one) => one !== member);
  return left.length === 0 ? NOBODY : new Set(left);
}
