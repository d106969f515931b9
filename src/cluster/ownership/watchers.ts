/**
 * What a producer that is no owner does for its events: it keeps a copy and looks whether the owners take care of them.
 *
 * When no owner acknowledged within the time that all of them together have, the producer acts itself. An owner that did
 * is asked by offering the event again: it says when all is settled, and a lost notice would leave the copy here for
 * ever. Source: cluster-behaviour.md U11.
 */

import type { MemberId } from "../ports.ts";
import type { Held } from "./held.ts";
import type { Outbox } from "./outbox.ts";
import type { Rankings } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface WatchersHost {
  readonly self: MemberId;
  readonly delayMs: number;
  readonly rankings: Rankings;
  readonly outbox: Outbox;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  isLeaving(): boolean;
  becomeOwner(held: Held): void;
}

export class Watchers {
  readonly #host: WatchersHost;
  readonly #look = (held: Held): void => this.#check(held);

  constructor(host: WatchersHost) {
    this.#host = host;
  }

  /** Looks at it when all its owners had their time. */
  watch(held: Held): void {
    this.#host.timers.setFor(held, this.#host.now() + this.#waitMs(held), this.#look);
  }

  /**
   * Offers an event again to acting owners that have it, to learn whether it is settled; false when this member is one
   * itself, or none of them has it.
   */
  offerAgain(held: Held): boolean {
    const { counts, outbox, rankings, self } = this.#host;
    const { acting } = rankings.of(held.event.topic);
    if (acting.includes(self)) return false;
    // One that it came from has handed it over.
    const known = acting.filter((member) => held.copies.get(member) === "acked");
    if (known.length === 0) return false;
    counts.add("watched_offered_again");
    for (const member of known) held.copies.delete(member);
    outbox.sendToOwners(held);
    return true;
  }

  #check(held: Held): void {
    const { counts, outbox } = this.#host;
    if (held.settled || held.role === "owner" || this.#host.isLeaving()) return;
    if (!held.copies.isElsewhere()) {
      if (this.#isOfferedAnew(held)) return;
      held.excused = true;
      this.#host.becomeOwner(held);
      return;
    }
    counts.add("watched_offered_again");
    for (const member of held.copies.receivers()) {
      if (held.copies.get(member) === "acked") held.copies.delete(member);
    }
    outbox.sendToOwners(held);
    this.watch(held);
  }

  /**
   * An owner that acknowledged it lost its connection since. It may have told it, and is asked by offering it anew when the
   * connection is back: so the owners get their time once more, from the loss on.
   */
  #isOfferedAnew(held: Held): boolean {
    const { now, outbox, rankings, timers } = this.#host;
    const wait = this.#waitMs(held);
    const lostAt = outbox.lostAt(rankings.of(held.event.topic).acting);
    const until = Math.min(lostAt + wait, held.receivedAt + 2 * wait);
    if (lostAt < held.receivedAt || until <= now()) return false;
    timers.setFor(held, until, this.#look);
    return true;
  }

  #waitMs({ event }: Held): number {
    const { delayMs, rankings } = this.#host;
    return Math.max(1, rankings.of(event.topic).acting.length) * delayMs;
  }
}
