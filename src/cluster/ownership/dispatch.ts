/**
 * Decides when this owner tells a handler of an event: waits, claims, sends, hands on.
 *
 * Per lane (topic, event ID, handler) only the oldest unsettled event is looked at. Its wait follows from this member's
 * rank among the acting owners and from the last sign of work by another owner; it is computed anew, never stored, so
 * a change of ranks needs nothing but another look. A wait that is over becomes a claim, unless a completion is known
 * or sends are held back. Source: reference gossip.md §14.3 to §14.6, cluster-behaviour.md U13, U15.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Completions } from "./completions.ts";
import { type Held, type Lane, Lanes, type Work } from "./held.ts";
import { HOLD_CAP_DELAYS, HOLDS_PER_DELAY, RANK_GRACE_MS } from "./limits.ts";
import type { CompletionEntry, LaneId, Notice, PassNotice } from "./notices.ts";
import type { PlantedAlertBug } from "./planted.ts";
import { Progress } from "./progress.ts";
import type { Rankings } from "./ranking.ts";
import type { Reason, ReasonCounts } from "./reasons.ts";
import { Rounds } from "./rounds.ts";
import { compareStamps } from "./stamp.ts";
import type { TimerHeap } from "./timer-heap.ts";

/** What dispatching needs of the core around it. */
export interface DispatchHost {
  readonly self: MemberId;
  readonly delayMs: number;
  readonly rankings: Rankings;
  readonly completions: Completions;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  /** When the acting owners last changed; core time. */
  ranksChangedAt(): number;
  /** May a send be started now? `held` = not until `runBlocked`; `never` = this member is leaving. */
  mayClaim(): "yes" | "held" | "never";
  planted(bug: PlantedAlertBug): boolean;
  /** `brief`: another owner can do it. */
  start(ticket: number, event: AlertEvent, handler: string, brief: boolean): void;
  cancel(ticket: number): void;
  /** Has the endpoint not heard of a started send yet? */
  isQueued(ticket: number): boolean;
  /** Forgets a send that is queued; false when it has begun. */
  withdraw(ticket: number): boolean;
  /** Notices to everyone who may hold a copy as owner. */
  tellOwners(held: Held, notice: Notice): void;
  /** This member is no acting owner, and one has the event: it is offered to those again. False otherwise. */
  offerAgain(held: Held): boolean;
  /** A newer completion entered the table. */
  learned(entry: CompletionEntry): void;
  /** A work of a held event ended, others go on. */
  partlySettled(held: Held): void;
  /** The last work of a held event ended. */
  allSettled(held: Held): void;
}

interface Due {
  readonly at: number;
  readonly why: Reason;
}

const NOBODY: ReadonlySet<MemberId> = new Set();

export class Dispatch {
  readonly #host: DispatchHost;
  readonly #lanes = new Lanes();
  readonly #sending = new Map<number, Work>();
  /** Lanes whose head is due but held back. */
  readonly #blocked = new Set<Lane>();
  /** Lanes to be looked at when `together` ends. */
  #later: Set<Lane> | undefined;
  readonly #rounds = new Rounds();
  readonly #progress = new Progress();
  #tickets = 0;
  /** See `hurry`; core time. */
  #hurriedUntil = Number.NEGATIVE_INFINITY;
  /** Takeovers by rank among the home owners: 1, 2, further ones and stand-ins. */
  readonly #takeovers: [number, number, number] = [0, 0, 0];
  #primary = 0;
  #secondary = 0;

  constructor(host: DispatchHost) {
    this.#host = host;
  }

  /** Sends started as first home owner, and as a later one. */
  get handled(): { readonly primary: number; readonly secondary: number } {
    return { primary: this.#primary, secondary: this.#secondary };
  }

  get takeovers(): Readonly<Record<string, number>> {
    const [first, second, further] = this.#takeovers;
    return { takeovers_rank_1: first, takeovers_rank_2: second, takeovers_rank_3_up: further };
  }

  get sendsInFlight(): number {
    return this.#sending.size;
  }

  /** Is something of the topic being sent for more than this member? */
  isSending(topic: string): boolean {
    for (const { lane, held } of this.#sending.values()) {
      if (lane.topic === topic && !held.solo) return true;
    }
    return false;
  }

  get lanes(): number {
    return this.#lanes.size;
  }

  /** Lanes this member is sending for right now. */
  holds(): readonly LaneId[] {
    const out: LaneId[] = [];
    for (const { lane, held } of this.#sending.values()) {
      if (held.local) continue;
      out.push({ topic: lane.topic, id: lane.id, handler: lane.handler });
    }
    return out;
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

  /** Gives a held event one work per handler and starts what is due. */
  take(held: Held, handlers: readonly string[]): void {
    const works = handlers.map((handler) => this.#lanes.add(held, handler));
    for (const work of works) {
      this.#supersedeResting(work);
      this.run(work.lane);
    }
  }

  /** Looks at every lane again: ranks, failures or the end of a hold may have changed what is due. */
  runAll(): void {
    for (const lane of [...this.#lanes.all()]) {
      const head = lane.works[0];
      if (head?.state === "passed") this.#retryIfLast(head);
      this.run(lane);
    }
  }

  /** Who passed its events on because it left, or was about to, takes its turn again. */
  cameBack(member: MemberId): void {
    for (const lane of this.#lanes.all()) {
      for (const work of lane.works) {
        work.failed.delete(member);
        work.never.delete(member);
        if (member === this.#host.self && work.state === "passed") work.state = "waiting";
      }
    }
  }

  /** Sends are allowed again. */
  runBlocked(): void {
    const lanes = [...this.#blocked];
    this.#blocked.clear();
    for (const lane of lanes) this.run(lane);
  }

  /** Another owner, or a pull, says that a handler was told. */
  done(entry: CompletionEntry, via: "notice" | "pull"): void {
    const isNews = this.#merge(entry, via);
    if (via === "notice") this.#progress.made(entry, this.#host.now());
    const lane = this.#lanes.get(entry);
    if (lane === undefined) return;
    this.#rounds.calm(lane);
    if (via === "notice" && isNews) {
      // A pull tells of the past, perhaps of long ago, and so does what is heard again: who works on the lane now is
      // another question.
      lane.holder = undefined;
      lane.heldSince = undefined;
      lane.renewedAt = this.#host.now();
    }
    for (const work of [...lane.works]) this.#closeIfOlder(work, entry, via);
    this.run(lane);
  }

  /** Another owner says that it is working on a lane; `queued`: its endpoint has not heard of it yet. */
  hold(id: LaneId, from: MemberId, how: "queued" | "sending"): void {
    const now = this.#host.now();
    const lane = this.#lanes.open(id);
    if (lane.holder !== from || lane.heldSince === undefined) {
      lane.heldSince = now;
      lane.holderQueued = how === "queued";
    } else if (lane.holderQueued && how === "sending") {
      lane.heldSince = now;
      lane.holderQueued = false;
    }
    lane.holder = from;
    lane.renewedAt = now;
    if (lane.works.length > 0) this.#host.counts.add("wait_held_by_other");
    const head = lane.works[0];
    if (head?.state === "sending") this.#meet(head, from, how);
    this.run(lane);
  }

  /** Both work on it: who has not begun makes way for one who has, or for the earlier owner. */
  #meet(work: Work, from: MemberId, how: "queued" | "sending"): void {
    if (work.held.solo) return;
    if (how === "queued" && !this.#isBefore(from, work.lane.topic)) {
      this.#sendHold(work);
      return;
    }
    this.#makesWay(work);
  }

  /** Is the other member an earlier owner than this one? Those that are none come last, by ID. */
  #isBefore(other: MemberId, topic: string): boolean {
    const { rankings, self } = this.#host;
    const { acting } = rankings.of(topic);
    const place = (member: MemberId): number => {
      const at = acting.indexOf(member);
      return at < 0 ? acting.length : at;
    };
    return place(other) - place(self) < 0 || (place(other) === place(self) && other < self);
  }

  /** Others have waited longer than this member for what comes now: it says at once when it begins with that. */
  hurry(): void {
    this.#hurriedUntil = this.#host.now() + this.#host.delayMs / HOLDS_PER_DELAY;
  }

  /**
   * This process was away: the others may be about to take over what it is sending. If they may have done so already, what
   * its endpoint has not heard of yet begins anew, behind the pull.
   */
  wokeUp(awayMs: number): void {
    this.hurry();
    const isLong = awayMs >= this.#host.delayMs / HOLDS_PER_DELAY;
    for (const work of [...this.#sending.values()]) {
      if (work.held.solo) continue;
      if (isLong && this.#makesWay(work)) this.run(work.lane);
      else this.#sendHold(work);
    }
  }

  /** Takes a send back that has not begun; false when it goes on. */
  #makesWay(work: Work): boolean {
    const host = this.#host;
    if (host.mayClaim() === "never" || !host.withdraw(work.ticket)) return false;
    this.#endSending(work);
    work.state = "waiting";
    host.counts.add("send_withdrawn");
    return true;
  }

  /** Some members could not tell these handlers (`null`: any of the event's). */
  passed(held: Held, { handlers, failed, round = 0, never = failed }: PassNotice): void {
    for (const work of [...held.works.values()]) {
      if (handlers !== null && !handlers.includes(work.handler)) continue;
      for (const member of never) {
        work.never.add(member);
        work.failed.add(member);
      }
      if (round > work.round && work.state !== "sending") this.#beginRound(work, round);
      for (const member of failed) {
        if (round === work.round) work.failed.add(member);
        if (work.lane.holder === member) work.lane.holder = undefined;
      }
      this.#endRoundIfAllFailed(work);
      this.run(work.lane);
    }
  }

  sendFinished(ticket: number, succeeded: boolean | "turn over"): void {
    const work = this.#sending.get(ticket);
    if (work === undefined) {
      this.#host.counts.add("send_unknown_ticket");
      return;
    }
    this.#endSending(work);
    work.lane.endedAt = this.#host.now();
    if (succeeded === true) this.#sendSucceeded(work);
    else this.#sendFailed(work, succeeded === "turn over" ? "for now" : "for good");
    this.run(work.lane);
  }

  /**
   * Leaving: passes on what was not claimed, with the event, so that the next in rank goes at once. `claimed` also
   * cuts off the sends in flight.
   */
  handOver(held: Iterable<Held>, claimed: "finish claimed" | "cut claimed off"): void {
    const { self, counts } = this.#host;
    for (const one of held) {
      if (one.solo) continue;
      const given: string[] = [];
      for (const work of one.works.values()) {
        if (work.state === "sending") {
          // A long queue would outlast the time for leaving: what its endpoint has not heard of is the next owner's.
          const isTakenBack = this.#host.withdraw(work.ticket);
          if (!isTakenBack && claimed === "finish claimed") continue;
          if (!isTakenBack) this.#host.cancel(work.ticket);
          this.#endSending(work);
          counts.add(isTakenBack ? "send_withdrawn" : "send_cancelled_leaving");
        } else if (work.state === "passed") continue;
        this.#markPassed(work, "for good");
        given.push(work.handler);
      }
      if (given.length === 0) continue;
      const notice: Notice = { kind: "pass", event: one.event, handlers: given, failed: [self] };
      this.#host.tellOwners(one, notice);
    }
  }

  /** Cuts off every send; the event rows stay on disk. Returns how many there were. */
  cancelAll(): number {
    const works = [...this.#sending.values()];
    for (const work of works) {
      this.#host.cancel(work.ticket);
      this.#endSending(work);
      work.state = "waiting";
      this.#host.counts.add("send_cancelled_leaving");
    }
    return works.length;
  }

  /** Ends all works of a held event that are not being sent. */
  drop(held: Held, reason: Reason): void {
    for (const work of [...held.works.values()]) {
      if (work.state === "sending") continue;
      this.#settle(work, reason);
      this.run(work.lane);
    }
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
        this.#settle(work, known);
        continue;
      }
      const due = this.#due(work);
      if (due.at > host.now()) {
        lane.timer = host.timers.set(due.at, () => this.run(lane));
        return;
      }
      if (work.state === "passed") {
        if (work.never.has(host.self)) this.#settle(work, "passed_unanswered");
        else this.#beginRound(work, work.round + 1);
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
      this.#lanes.prune(lane);
    } else lane.timer = timers.set(until, () => this.run(lane));
  }

  #claimIfAllowed(work: Work, why: Reason): void {
    const { counts } = this.#host;
    const may = work.held.local ? "yes" : this.#host.mayClaim();
    if (may === "yes" && this.#isLeftToOwners(work)) return;
    if (may === "yes") this.#claim(work, why);
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
    if (held.solo || held.excused || this.#host.planted("everybody-first")) return false;
    const rank = this.#rank(work, work.failed);
    if (rank === 0 || !this.#host.offerAgain(held)) return false;
    lane.timer = timers.set(this.#host.now() + rank * delayMs, () => this.run(lane));
    return true;
  }

  /** Who is held back for long says so: the next owner is not to take it for gone. */
  #armBlocked(work: Work): void {
    const { timers, delayMs } = this.#host;
    const { lane } = work;
    lane.timer = timers.set(this.#host.now() + delayMs / HOLDS_PER_DELAY, () => {
      if (!this.#blocked.has(lane) || lane.works[0] !== work) return;
      this.#sendHold(work);
      this.#armBlocked(work);
    });
  }

  #claim(work: Work, why: Reason): void {
    const host = this.#host;
    const ticket = ++this.#tickets;
    work.state = "sending";
    work.ticket = ticket;
    this.#sending.set(ticket, work);
    host.counts.add(why);
    const rank = work.held.solo ? 0 : host.rankings.of(work.lane.topic).home.indexOf(host.self);
    if (rank === 0) this.#primary++;
    else {
      this.#secondary++;
      this.#takeovers[rank === 1 ? 0 : rank === 2 ? 1 : 2]++;
    }
    host.start(ticket, work.held.event, work.handler, this.#canBeTakenOver(work));
    if (!work.held.solo) {
      if (why !== "sent_by_rank_0" || this.#isLate(work) || this.#wasAnothers(work)) {
        this.#sendHold(work);
      }
      this.#armHold(work);
    }
  }

  /** Is there another owner that may try if this member fails? */
  #canBeTakenOver({ held, lane, never }: Work): boolean {
    if (held.solo || held.excused) return false;
    const { rankings, self } = this.#host;
    return rankings.of(lane.topic).acting.some((member) => member !== self && !never.has(member));
  }

  /** The others have waited for a sign of life for some time. */
  #isLate({ held }: Work): boolean {
    const { delayMs } = this.#host;
    const waited = this.#host.now() - held.receivedAt;
    return held.receivedAt < this.#hurriedUntil || waited >= delayMs / HOLDS_PER_DELAY;
  }

  /** Who told the last event of this ID may go on with the next one, unless it hears that it is taken. */
  #wasAnothers({ lane }: Work): boolean {
    const last = this.#host.completions.last(lane.topic, lane.id, lane.handler);
    return last !== undefined && last.by !== this.#host.self;
  }

  #armHold(work: Work): void {
    const { timers, delayMs } = this.#host;
    work.holdTimer = timers.set(this.#host.now() + delayMs / HOLDS_PER_DELAY, () => {
      this.#sendHold(work);
      this.#armHold(work);
    });
  }

  #sendHold(work: Work): void {
    const { topic, id, handler } = work.lane;
    if (this.#host.planted("no-hold")) return;
    this.#host.counts.add("heartbeats_sent");
    const isQueued = work.state === "waiting" || this.#host.isQueued(work.ticket);
    const queued = isQueued ? ({ queued: true } as const) : {};
    this.#host.tellOwners(work.held, { kind: "hold", topic, id, handler, ...queued });
  }

  #endSending(work: Work): void {
    this.#sending.delete(work.ticket);
    if (work.holdTimer !== undefined) work.holdTimer.live = false;
    work.holdTimer = undefined;
    work.ticket = 0;
  }

  #sendSucceeded(work: Work): void {
    const host = this.#host;
    const { topic, id, handler } = work.lane;
    const { held } = work;
    if (!held.local) {
      const entry = { topic, id, handler, stamp: held.stamp, by: host.self };
      if (host.completions.merge(entry)) host.learned(entry);
      if (!held.solo) host.tellOwners(held, { kind: "done", ...entry });
    }
    this.#rounds.calm(work.lane);
    this.#settle(work, "send_succeeded");
  }

  #sendFailed(work: Work, how: "for now" | "for good"): void {
    const host = this.#host;
    const { held, round } = work;
    host.counts.add(how === "for now" ? "turn_over" : "send_failed");
    this.#markPassed(work, how);
    if (held.solo) {
      this.#settle(work, "all_failed");
      return;
    }
    const failed = [...work.failed];
    const handlers = [work.handler];
    const never = [...work.never];
    host.tellOwners(held, { kind: "pass", event: held.event, handlers, failed, round, never });
    this.#endRoundIfAllFailed(work);
  }

  #markPassed(work: Work, how: "for now" | "for good"): void {
    work.state = "passed";
    work.passedAt = this.#host.now();
    work.failed.add(this.#host.self);
    if (how === "for good") work.never.add(this.#host.self);
  }

  /** Everybody failed: if one of them may succeed later, all begin anew after a rest. */
  #endRoundIfAllFailed(work: Work): void {
    if (work.state !== "passed" || this.#candidates(work).length > 0) return;
    const { acting } = this.#host.rankings.of(work.lane.topic);
    if (acting.some((member) => !work.never.has(member))) this.#beginRound(work, work.round + 1);
    else this.#settle(work, "all_failed");
  }

  #beginRound(work: Work, round: number): void {
    const { counts, self } = this.#host;
    const now = this.#host.now();
    const over = this.#rounds.begin(work, round, now);
    if (over !== undefined) {
      this.#settle(work, over);
      return;
    }
    counts.add("round_over");
    work.passedAt = now;
    work.state = work.never.has(self) ? "passed" : "waiting";
    const newer = work.lane.works.at(-1);
    if (newer !== undefined) this.#supersedeResting(newer);
  }

  /** Where nobody can be told just now, only the newest event of an ID is worth telling. */
  #supersedeResting(newest: Work): void {
    const { lane } = newest;
    if (lane.rests === 0 || newest.held.solo) return;
    for (const work of [...lane.works]) {
      if (work === newest || work.state === "sending") continue;
      if (compareStamps(work.held.stamp, newest.held.stamp) < 0) {
        this.#settle(work, "superseded_in_trouble");
      }
    }
  }

  /** Everybody it was passed to is gone: this member tries once more. */
  #retryIfLast(work: Work): void {
    const { acting } = this.#host.rankings.of(work.lane.topic);
    if (acting.length !== 1 || acting[0] !== this.#host.self) return;
    work.failed.clear();
    work.never.clear();
    work.state = "waiting";
  }

  /** True when it was not known. */
  #merge(entry: CompletionEntry, via: "notice" | "pull"): boolean {
    const { completions, counts, self } = this.#host;
    const known = completions.last(entry.topic, entry.id, entry.handler);
    const both = known?.by === self && compareStamps(known.stamp, entry.stamp) === 0;
    if (both && entry.by !== self && via === "notice") counts.add("notice_late");
    const isNews = completions.merge(entry);
    if (isNews) this.#host.learned(entry);
    return isNews;
  }

  #closeIfOlder(work: Work, entry: CompletionEntry, via: "notice" | "pull"): void {
    if (work.held.solo) return;
    const order = compareStamps(work.held.stamp, entry.stamp);
    if (order > 0 || (order < 0 && work.state === "sending")) return;
    if (via === "pull" && this.#blocked.has(work.lane)) {
      this.#host.counts.add("pull_prevented_duplicate");
    }
    if (work.state === "sending") {
      this.#host.cancel(work.ticket);
      this.#endSending(work);
      this.#host.counts.add("send_cancelled_done_elsewhere");
    }
    this.#settle(work, order === 0 ? "done_elsewhere" : "superseded");
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

  #settle(work: Work, reason: Reason): void {
    const { held } = work;
    this.#host.counts.add(reason);
    this.#lanes.remove(work);
    if (work.lane.works.length === 0) this.#rounds.calm(work.lane);
    if (TOLD.has(reason)) held.done.push(work.handler);
    if (held.settled) return;
    if (held.works.size === 0) this.#host.allSettled(held);
    else this.#host.partlySettled(held);
  }

  /** Acting owners that have not failed yet, in order. */
  #candidates(work: Work): readonly MemberId[] {
    const { acting } = this.#host.rankings.of(work.lane.topic);
    return acting.filter((member) => !work.failed.has(member));
  }

  /** Acting owners before this member, without those in `failed`. */
  #rank(work: Work, failed: ReadonlySet<MemberId>): number {
    let rank = 0;
    for (const member of this.#host.rankings.of(work.lane.topic).acting) {
      if (member === this.#host.self) return rank;
      if (!failed.has(member)) rank++;
    }
    return rank;
  }

  #due(work: Work): Due {
    const due = this.#dueByRank(work);
    const { notBefore } = work.held;
    return due.at < notBefore ? { at: notBefore, why: due.why } : due;
  }

  #dueByRank(work: Work): Due {
    const { held, lane } = work;
    const { rankings, delayMs, self } = this.#host;
    if (held.solo) return { at: held.receivedAt, why: "sent_by_rank_0" };
    if (work.state === "passed") {
      const base = Math.max(work.passedAt, lane.renewedAt, lane.restUntil);
      return { at: base + (this.#candidates(work).length + 1) * delayMs, why: "passed_unanswered" };
    }
    const received = Math.max(held.receivedAt, lane.restUntil);
    const { home } = rankings.of(lane.topic);
    const ranked = held.excused ? 0 : this.#rank(work, work.failed);
    const why = this.#why(work, ranked, home[0] === self);
    const holding = lane.holder !== undefined && !rankings.isGone(lane.holder);
    const rank = holding ? Math.max(1, ranked) : ranked;
    if (rank === 0 || this.#host.planted("everybody-first")) return { at: received, why };
    if (this.#host.planted("no-takeover")) return { at: Number.POSITIVE_INFINITY, why };
    // Who moved up to be next learns of it at the same moment as the one before: that one goes first.
    const grace = this.#host.ranksChangedAt() + rank * Math.min(RANK_GRACE_MS, delayMs);
    // The silence of a holder begins when it should have said the next HOLD: a cut shorter than the delay is sat out.
    const next = holding ? delayMs / HOLDS_PER_DELAY : 0;
    const renewed = Math.max(received, lane.renewedAt + next) + rank * delayMs;
    // The next event of an ID is the first owner's again, who can begin with it only when this one's end is known.
    const turn = lane.endedAt + rank * Math.min(RANK_GRACE_MS, delayMs);
    const waited = Math.max(renewed, grace, turn);
    if (!holding || lane.holder === undefined || lane.heldSince === undefined)
      return { at: waited, why };
    const cap =
      this.#progress.since(lane, lane.holder, lane.heldSince) +
      (HOLD_CAP_DELAYS + rank - 1) * delayMs;
    return cap < waited ? { at: cap, why: "takeover_hold_cap" } : { at: waited, why };
  }

  #why(work: Work, rank: number, isFirst: boolean): Reason {
    if (isFirst && rank === 0) return "sent_by_rank_0";
    if (work.held.excused) return "takeover_no_owner_answered";
    if (rank > 0) return "takeover_wait";
    return this.#rank(work, NOBODY) > 0 ? "takeover_passed" : "takeover_gone";
  }
}

/** Reasons after which the handler is known to have been told. */
const TOLD: ReadonlySet<Reason> = new Set<Reason>([
  "send_succeeded",
  "done_elsewhere",
  "already_done",
  "superseded",
]);
