/**
 * Who tells the owners of an event that several members raise: the first acting owner, if it can be relied on.
 *
 * Members that run the same task raise the same events, and each of them telling all the others costs n² messages per
 * event. So an owner that is not the first keeps its copies back for a moment: the first one, if it raises the event too,
 * has told everybody by then, and the copies are not needed. It is waited for where it said what this member raised of
 * the topic lately; when its word does not come, the copies go out, and it has to earn that anew. Nothing is given up
 * meanwhile: the event is held here like any other. Refines reference gossip.md §14.2.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Held } from "./held.ts";
import {
  FIRST_WORD_MAX,
  FIRST_WORD_WAIT_MS,
  RANKED_TOPICS_MAX,
  WORDS_AFTER_MISS,
  WORDS_AT_FIRST,
} from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { Rankings } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { HeapTimer, TimerHeap } from "./timer-heap.ts";

export interface FirstWordHost {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  readonly outbox: Outbox;
  /** Core time. */
  now(): number;
  isLeaving(): boolean;
  /** Do the producers of this ID go different ways? */
  isDisputed(event: AlertEvent): boolean;
  planted(bug: PlantedAlertBug): boolean;
}

/** How far the first owner of a topic is relied on. */
interface Reliance {
  readonly member: MemberId;
  /** So many more of our events it has to say in a row. */
  wanted: number;
}

interface Waiting {
  readonly held: Held;
  readonly until: number;
}

export class FirstWord {
  readonly #host: FirstWordHost;
  readonly #reliances = new Map<string, Reliance>();
  /** By event key, oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  #timer: HeapTimer | undefined;

  constructor(host: FirstWordHost) {
    this.#host = host;
  }

  /** This member raised it: it goes to the owners now, soon, or not at all. */
  raised(held: Held): void {
    const { counts, outbox } = this.#host;
    const { topic } = held.event;
    const first = this.#first(topic);
    if (first !== undefined && held.copies.get(first) === "said") {
      this.#kept(topic, first);
      counts.add("left_to_first_owner");
    } else if (first !== undefined && this.#isReliable(held, first)) {
      outbox.planForOwners(held);
      this.#waiting.set(held.key, { held, until: this.#host.now() + FIRST_WORD_WAIT_MS });
      this.#arm();
    } else outbox.sendToOwners(held);
  }

  /** Another member raised what is held here. */
  said(held: Held, from: MemberId): void {
    if (held.producer) this.#said(held, from);
  }

  /** Another member raised what was settled here. */
  saidSettled(key: string, from: MemberId): void {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) this.#said(waiting.held, from);
  }

  /** All that waits is sent. */
  release(): void {
    for (const { held } of this.#waiting.values()) this.#host.outbox.sendPlanned(held);
    this.#waiting.clear();
    this.#arm();
  }

  #said(held: Held, from: MemberId): void {
    const { topic } = held.event;
    if (from !== this.#first(topic)) return;
    this.#kept(topic, from);
    this.#host.counts.add("left_to_first_owner");
    held.copies.forgetQueued();
    if (this.#waiting.delete(held.key)) this.#arm();
  }

  /** The first acting owner, where it is another one and this member is an owner as well. */
  #first(topic: string): MemberId | undefined {
    const { rankings, self } = this.#host;
    const { acting } = rankings.of(topic);
    return acting[0] === self || !acting.includes(self) ? undefined : acting[0];
  }

  #isReliable({ event }: Held, first: MemberId): boolean {
    if (this.#host.isLeaving() || this.#waiting.size >= FIRST_WORD_MAX) return false;
    const reliance = this.#reliances.get(event.topic);
    if (reliance?.member !== first || reliance.wanted > 0) return false;
    return !this.#host.isDisputed(event);
  }

  /** It said what this member raised. */
  #kept(topic: string, first: MemberId): void {
    const known = this.#reliances.get(topic);
    if (known?.member === first) {
      if (known.wanted > 0) known.wanted--;
      return;
    }
    if (this.#reliances.size >= RANKED_TOPICS_MAX) this.#reliances.clear();
    this.#reliances.set(topic, { member: first, wanted: WORDS_AT_FIRST - 1 });
  }

  /** One timer while anything waits; a look at which nothing is due yet sets the next. */
  #arm(): void {
    if (this.#waiting.size === 0) {
      if (this.#timer !== undefined) this.#timer.live = false;
    } else if (this.#timer?.live !== true) {
      const [oldest] = this.#waiting.values();
      const at = oldest?.until ?? this.#host.now();
      this.#timer = this.#host.timers.set(at, () => this.#sendOverdue());
    }
  }

  #sendOverdue(): void {
    const { counts, outbox } = this.#host;
    const now = this.#host.now();
    for (const [key, { held, until }] of this.#waiting) {
      if (until > now) break;
      this.#waiting.delete(key);
      const reliance = this.#reliances.get(held.event.topic);
      if (reliance !== undefined) reliance.wanted = WORDS_AFTER_MISS;
      counts.add("first_owner_missed");
      if (!this.#host.planted("trusts-first-word")) outbox.sendPlanned(held);
    }
    this.#arm();
  }
}
