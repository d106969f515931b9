/**
 * When it is this member's turn to tell a handler of an event.
 *
 * The wait follows from this member's rank among the acting owners and from the last sign of work by another owner; it is
 * computed anew, never stored, so a change of ranks needs nothing but another look. Source: reference gossip.md §14.4,
 * cluster-behaviour.md U13.
 */

import type { MemberId } from "../ports.ts";
import { type Lane, NOBODY, type Work } from "./held.ts";
import { HOLD_CAP_DELAYS, HOLDS_PER_DELAY, RANK_GRACE_MS } from "./limits.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { Progress } from "./progress.ts";
import type { Rankings } from "./ranking.ts";
import type { Reason } from "./reasons.ts";

export interface TurnsHost {
  readonly self: MemberId;
  readonly delayMs: number;
  readonly rankings: Rankings;
  readonly progress: Progress;
  /** When the acting owners last changed; core time. */
  ranksChangedAt(): number;
  planted(bug: PlantedAlertBug): boolean;
}

export interface Due {
  /** Core time. */
  readonly at: number;
  /** What it will have been when it is claimed then. */
  readonly why: Reason;
}

export class Turns {
  readonly #host: TurnsHost;

  constructor(host: TurnsHost) {
    this.#host = host;
  }

  /** When this member may claim it, unless something is heard by then. */
  due(work: Work): Due {
    const due = this.#byRank(work);
    const { notBefore } = work.held;
    return due.at < notBefore ? { at: notBefore, why: due.why } : due;
  }

  /** Acting owners that have not failed yet, in order. */
  candidates(work: Work): readonly MemberId[] {
    const { acting } = this.#host.rankings.of(work.lane.topic);
    return acting.filter((member) => !work.failed.has(member));
  }

  /** Acting owners before this member, without those in `failed`. */
  rank(work: Work, failed: ReadonlySet<MemberId> = work.failed): number {
    let rank = 0;
    for (const member of this.#host.rankings.of(work.lane.topic).acting) {
      if (member === this.#host.self) return rank;
      if (!failed.has(member)) rank++;
    }
    return rank;
  }

  /** Acts this producer for want of owners? Not any more when one of them has been heard of since. */
  isExcused({ held, lane }: Work): boolean {
    return held.excused && lane.renewedAt <= held.receivedAt;
  }

  /** Is there another owner that may try if this member fails? */
  canBeTakenOver(work: Work): boolean {
    const { held, lane, never } = work;
    if (held.solo || this.isExcused(work)) return false;
    const { rankings, self } = this.#host;
    return rankings.of(lane.topic).acting.some((member) => member !== self && !never.has(member));
  }

  /** Is the other member an earlier owner than this one? Those that are none come last, by ID. */
  isBefore(other: MemberId, topic: string): boolean {
    const { rankings, self } = this.#host;
    const { acting } = rankings.of(topic);
    const place = (member: MemberId): number => {
      const at = acting.indexOf(member);
      return at < 0 ? acting.length : at;
    };
    return place(other) - place(self) < 0 || (place(other) === place(self) && other < self);
  }

  #byRank(work: Work): Due {
    const { held, lane } = work;
    const { rankings, delayMs, self } = this.#host;
    if (held.solo) return { at: held.receivedAt, why: "sent_by_rank_0" };
    if (work.state === "passed") {
      const base = Math.max(work.passedAt, lane.renewedAt, lane.restUntil);
      return { at: base + (this.candidates(work).length + 1) * delayMs, why: "passed_unanswered" };
    }
    const received = Math.max(held.receivedAt, lane.restUntil);
    const { home } = rankings.of(lane.topic);
    const ranked = this.isExcused(work) ? 0 : this.rank(work);
    const why = this.#why(work, ranked, home[0] === self);
    const { holder } = lane;
    const holding = holder !== undefined && !rankings.isGone(holder);
    // Behind the holder all keep their order.
    const behind = holding && !this.isBefore(holder, lane.topic) ? ranked + 1 : ranked;
    const rank = holding ? Math.max(1, behind) : ranked;
    if (rank === 0 || this.#host.planted("everybody-first")) return { at: received, why };
    if (this.#host.planted("no-takeover")) return { at: Number.POSITIVE_INFINITY, why };
    const renewed = this.#renewedAt(lane, holding) + rank * delayMs;
    const own = received + ranked * delayMs;
    const waited = Math.max(own, renewed, this.#quietUntil(lane, rank));
    const cap = holding ? this.#holdCap(lane, rank) : undefined;
    if (cap === undefined || cap >= waited) return { at: waited, why };
    return { at: Math.max(own, cap), why: "takeover_hold_cap" };
  }

  /** The last sign of work; the silence of a holder begins when it should have said the next HOLD. */
  #renewedAt({ renewedAt }: Lane, holding: boolean): number {
    // So a cut shorter than the delay is sat out.
    return renewedAt + (holding ? this.#host.delayMs / HOLDS_PER_DELAY : 0);
  }

  /** Members learn a little apart of what makes it their turn: those before this one are left the time for that. */
  #quietUntil({ endedAt }: Lane, rank: number): number {
    const grace = rank * Math.min(RANK_GRACE_MS, this.#host.delayMs);
    // Who moved up learns it when the next one does; the next event of an ID is the first owner's again, who can begin with
    // it only when this one's end is known.
    return Math.max(this.#host.ranksChangedAt(), endedAt) + grace;
  }

  /** HOLDs without progress are believed only for so long. */
  #holdCap(lane: Lane, rank: number): number | undefined {
    const { delayMs, progress } = this.#host;
    const { heldSince, holder } = lane;
    if (holder === undefined || heldSince === undefined) return undefined;
    return progress.since(lane, holder, heldSince) + (HOLD_CAP_DELAYS + rank - 1) * delayMs;
  }

  #why(work: Work, rank: number, isFirst: boolean): Reason {
    if (isFirst && rank === 0) return "sent_by_rank_0";
    if (this.isExcused(work)) return "takeover_no_owner_answered";
    if (rank > 0) return "takeover_wait";
    return this.rank(work, NOBODY) > 0 ? "takeover_passed" : "takeover_gone";
  }
}
