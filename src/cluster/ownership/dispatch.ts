/**
 * Tells handlers of events: gives each event its works, and ends them by what is heard of them here and from others.
 *
 * Whose turn it is says `turns.ts`; `lane-runner.ts` starts what is due, in order; what was begun is with `sends.ts`, what
 * failed with `failures.ts`. Source: reference gossip.md §14.3 to §14.6.
 */

import type { MemberId } from "../ports.ts";
import { Failures } from "./failures.ts";
import { addTold, type Held, type Lane, Lanes, type Work } from "./held.ts";
import type { Spread } from "./journal.ts";
import { LaneRunner, type LaneRunnerHost } from "./lane-runner.ts";
import { HOLDS_PER_DELAY } from "./limits.ts";
import type { CompletionEntry, LaneId, Notice, PassNotice } from "./notices.ts";
import { Progress } from "./progress.ts";
import type { Reason } from "./reasons.ts";
import { Rounds } from "./rounds.ts";
import { Sends, type SendsHost } from "./sends.ts";
import { compareStamps, type Stamp } from "./stamp.ts";
import { Turns } from "./turns.ts";

/** What dispatching needs around it, also for its parts. */
export interface DispatchHost
  extends SendsHost,
    Omit<LaneRunnerHost, "lanes" | "turns" | "sends" | "failures" | "settle"> {
  /** Is this member about to go? */
  isLeaving(): boolean;
  /** When the acting owners last changed; core time. */
  ranksChangedAt(): number;
  /** A newer completion entered the table. */
  learned(entry: CompletionEntry, spread: Spread): void;
  /** A work of a held event ended, others go on. */
  partlySettled(held: Held): void;
  /** The last work of a held event ended. */
  allSettled(held: Held): void;
}

/** How it is heard that a handler was told; `settled`: when all the event's handlers were, so perhaps late. */
type Via = "notice" | "settled" | "pull";

export class Dispatch {
  readonly #host: DispatchHost;
  readonly #lanes = new Lanes();
  readonly #rounds = new Rounds();
  readonly #progress = new Progress();
  readonly #turns: Turns;
  readonly #sends: Sends;
  readonly #failures: Failures;
  readonly #runner: LaneRunner;

  constructor(host: DispatchHost) {
    this.#host = host;
    const lanes = this.#lanes;
    const progress = this.#progress;
    const rounds = this.#rounds;
    const turns = new Turns({ ...host, progress });
    this.#turns = turns;
    const sends = new Sends(host);
    this.#sends = sends;
    const settle = (work: Work, reason: Reason): void => this.#settle(work, reason);
    const failures = new Failures({ ...host, rounds, turns, settle });
    this.#failures = failures;
    this.#runner = new LaneRunner({ ...host, lanes, turns, sends, failures, settle });
  }

  /** Sends started as first home owner, and as a later one. */
  get handled(): { readonly primary: number; readonly secondary: number } {
    return this.#sends.handled;
  }

  get takeovers(): Readonly<Record<string, number>> {
    return this.#sends.takeovers;
  }

  get sendsInFlight(): number {
    return this.#sends.size;
  }

  get lanes(): number {
    return this.#lanes.size;
  }

  /** Is something of the topic being sent for more than this member? */
  isSending(topic: string): boolean {
    return this.#sends.isSending(topic);
  }

  /** Lanes this member is sending for right now. */
  holds(): readonly LaneId[] {
    return this.#sends.holds();
  }

  /** Looks at lanes only when all of `apply` is known; see `LaneRunner`. */
  together(apply: () => void): void {
    this.#runner.together(apply);
  }

  /** Sends are allowed again. */
  runBlocked(): void {
    this.#runner.runBlocked();
  }

  /** Gives a held event one work per handler and starts what is due. */
  take(held: Held, handlers: readonly string[]): void {
    const works = handlers.map((handler) => this.#lanes.add(held, handler));
    for (const work of works) {
      this.#failures.supersedeResting(work);
      this.#runner.run(work.lane);
    }
  }

  /** Looks at every lane again: ranks, failures or the end of a hold may have changed what is due. */
  runAll(): void {
    for (const lane of [...this.#lanes.all()]) {
      const head = lane.works[0];
      if (head?.state === "passed") this.#failures.retryIfLast(head);
      this.#runner.run(lane);
    }
  }

  /** Who passed its events on because it left, or was about to, takes its turn again. */
  cameBack(member: MemberId): void {
    for (const lane of this.#lanes.all()) {
      for (const work of lane.works) this.#failures.cameBack(work, member);
    }
  }

  /** Another owner, or a pull, says that a handler was told. */
  done(entry: CompletionEntry, via: Via): void {
    const isNews = this.#merge(entry, via);
    if (via !== "pull") this.#progress.made(entry, this.#host.now());
    const lane = this.#lanes.get(entry);
    if (lane === undefined) return;
    if (via !== "pull" && isNews) {
      this.#rounds.calm(lane);
      const now = this.#host.now();
      // What comes late, or is heard again, tells of the past: who works on the lane now is another question.
      if (via === "notice") lane.holder = undefined;
      lane.heldSince = lane.holder === undefined ? undefined : now;
      lane.renewedAt = now;
    }
    for (const work of upTo(lane, entry.stamp)) this.#closeIfOlder(work, entry, via);
    this.#runner.run(lane);
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
    this.#runner.run(lane);
  }

  /** Both work on it: who has not begun makes way for one who has, or for the earlier owner. */
  #meet(work: Work, from: MemberId, how: "queued" | "sending"): void {
    if (work.held.solo) return;
    if (how === "queued" && !this.#turns.isBefore(from, work.lane.topic)) {
      this.#sends.sayHold(work);
      return;
    }
    this.#makesWay(work);
  }

  /** Others have waited longer than this member for what comes now: it says at once when it begins with that. */
  hurry(): void {
    this.#sends.hurry();
  }

  /**
   * This process was away: the others may be about to take over what it is sending. If they may have done so already, what
   * its endpoint has not heard of yet begins anew, behind the pull.
   */
  wokeUp(awayMs: number): void {
    this.hurry();
    const isLong = awayMs >= this.#host.delayMs / HOLDS_PER_DELAY;
    for (const work of this.#sends.all()) {
      if (work.held.solo) continue;
      if (isLong && this.#makesWay(work)) this.#runner.run(work.lane);
      else this.#sends.sayHold(work);
    }
  }

  /** Takes a send back that has not begun; false when it goes on. */
  #makesWay(work: Work): boolean {
    return this.#host.mayClaim() !== "never" && this.#sends.takeBack(work);
  }

  /** Some members could not tell these handlers (`null`: any of the event's). */
  passed(held: Held, notice: PassNotice): void {
    const { handlers } = notice;
    for (const work of held.works) {
      if (handlers !== null && !handlers.includes(work.handler)) continue;
      this.#failures.failedElsewhere(work, notice);
      this.#runner.run(work.lane);
    }
  }

  /** The same of an event that is settled here: who could not tell it does not work on its lanes any more. */
  letGo({ event: { topic, id }, handlers, failed }: PassNotice): void {
    for (const handler of handlers ?? []) {
      const lane = this.#lanes.get({ topic, id, handler });
      if (lane?.holder === undefined || !failed.includes(lane.holder)) continue;
      lane.holder = undefined;
      this.#runner.run(lane);
    }
  }

  sendFinished(ticket: number, succeeded: boolean | "turn over"): void {
    const work = this.#sends.get(ticket);
    if (work === undefined) {
      this.#host.counts.add("send_unknown_ticket");
      return;
    }
    this.#sends.end(work);
    work.lane.endedAt = this.#host.now();
    if (succeeded === true) this.#sendSucceeded(work);
    else this.#failures.failedHere(work, succeeded === "turn over" ? "for now" : "for good");
    this.#runner.run(work.lane);
  }

  /**
   * Leaving: passes on what was not claimed, with the event, so that the next in rank goes at once. `claimed` also
   * cuts off the sends in flight.
   */
  handOver(held: Iterable<Held>, claimed: "finish claimed" | "cut claimed off"): void {
    const { self } = this.#host;
    for (const one of held) {
      if (one.solo) continue;
      const given: string[] = [];
      for (const work of one.works) {
        if (!this.#stops(work, claimed)) continue;
        this.#failures.markPassed(work, "for good");
        given.push(work.handler);
      }
      if (given.length === 0) continue;
      const notice: Notice = { kind: "pass", event: one.event, handlers: given, failed: [self] };
      this.#host.tellOwners(one, notice);
    }
  }

  /** Cuts off every send; the event rows stay on disk. */
  cancelAll(): void {
    for (const work of this.#sends.all()) this.#sends.cutOff(work, "send_cancelled_leaving");
  }

  /** Ends all works of a held event that are not being sent. */
  drop(held: Held, reason: Reason): void {
    for (const work of held.works) {
      if (work.state === "sending") continue;
      this.#settle(work, reason);
      this.#runner.run(work.lane);
    }
  }

  #sendSucceeded(work: Work): void {
    const host = this.#host;
    const { topic, id, handler } = work.lane;
    const { held } = work;
    if (!held.local) {
      const entry = { topic, id, handler, stamp: held.stamp, by: host.self };
      const spread = this.#isShared(held) ? "shared" : "alone";
      if (host.completions.merge(entry)) host.learned(entry, spread);
      if (!held.solo) host.tellOwners(held, { kind: "done", ...entry });
    }
    this.#rounds.calm(work.lane);
    this.#settle(work, "send_succeeded");
  }

  /** Does another owner have it, and so hear of its end? What has a row here comes back with that after a crash. */
  #isShared({ copies, event, row, solo }: Held): boolean {
    return !solo && row === "" && copies.isWith(this.#host.rankings.of(event.topic).acting);
  }

  /** True when it was not known. */
  #merge(entry: CompletionEntry, via: Via): boolean {
    const { completions, counts, self } = this.#host;
    const known = completions.last(entry.topic, entry.id, entry.handler);
    const both = known?.by === self && compareStamps(known.stamp, entry.stamp) === 0;
    if (both && entry.by !== self && via !== "pull") counts.add("notice_late");
    const isNews = completions.merge(entry);
    if (isNews) this.#host.learned(entry, "heard");
    return isNews;
  }

  #closeIfOlder(work: Work, entry: CompletionEntry, via: Via): void {
    if (work.held.solo) return;
    const order = compareStamps(work.held.stamp, entry.stamp);
    if (order > 0 || (order < 0 && work.state === "sending")) return;
    if (via === "pull" && this.#runner.isBlocked(work.lane)) {
      this.#host.counts.add("pull_prevented_duplicate");
    }
    if (work.state === "sending") this.#sends.cutOff(work, "send_cancelled_done_elsewhere");
    this.#settle(work, order === 0 ? "done_elsewhere" : "superseded");
  }

  #settle(work: Work, reason: Reason): void {
    const { held } = work;
    this.#host.counts.add(reason);
    this.#lanes.remove(work);
    if (work.lane.works.length === 0) this.#rounds.calm(work.lane);
    if (TOLD.has(reason)) addTold(held, work.handler);
    if (held.settled) return;
    if (held.works.length === 0) this.#host.allSettled(held);
    else this.#host.partlySettled(held);
  }

  /** Leaving: may it be passed on, being taken back or cut off if it was begun? */
  #stops(work: Work, claimed: "finish claimed" | "cut claimed off"): boolean {
    if (work.state !== "sending") return work.state !== "passed";
    // A long queue would outlast the time for leaving: what its endpoint has not heard of is the next owner's.
    if (this.#sends.takeBack(work)) return true;
    if (claimed === "finish claimed") return false;
    this.#sends.cutOff(work, "send_cancelled_leaving");
    return true;
  }
}

/**
 * The works of a lane that are not newer than this. They stand in order of their stamps, but for one that is being sent, at
 * the head, and those that only this member sends: so a long lane is not gone through for each of its events.
 */
function upTo(lane: Lane, stamp: Stamp): readonly Work[] {
  const found: Work[] = [];
  for (const [place, work] of lane.works.entries()) {
    if (compareStamps(work.held.stamp, stamp) <= 0) found.push(work);
    else if (place > 0 && !work.held.solo) break;
  }
  return found;
}

/** Reasons after which the handler is known to have been told. */
const TOLD: ReadonlySet<Reason> = new Set<Reason>([
  "send_succeeded",
  "done_elsewhere",
  "already_done",
  "superseded",
]);
