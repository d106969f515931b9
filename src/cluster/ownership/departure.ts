/**
 * Leaving: hands over what was not begun, waits for what is being sent, cuts it off when that takes too long.
 *
 * A member that is being removed from its cluster only goes on by itself: as soon as its table has no others, or with
 * them if the removal did not happen. Source: reference gossip.md §14.6.
 */

import type { MemberId } from "../ports.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Held } from "./held.ts";
import type { HeldEvents } from "./held-events.ts";
import type { Journal } from "./journal.ts";
import { LEAVE_MAX_MS, REMOVAL_MAX_MS } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { Rankings } from "./ranking.ts";
import type { HeapTimer, TimerHeap } from "./timer-heap.ts";
import type { Watchers } from "./watchers.ts";

export interface DepartureHost {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly events: HeldEvents;
  readonly watchers: Watchers;
  readonly dispatch: Dispatch;
  readonly outbox: Outbox;
  readonly journal: Journal;
  readonly timers: TimerHeap;
  /** Core time. */
  now(): number;
  /** What is kept back for another one's word is sent. */
  release(): void;
  /** Whether this member acts has changed. */
  changed(): void;
  /** Everything is handed over. */
  left(): void;
}

export class Departure {
  readonly #host: DepartureHost;
  #leaving = false;
  /** Leaving this cluster only. */
  #resumable = false;
  #left = false;
  /** Bounds of the leaving that is under way. */
  readonly #timers: HeapTimer[] = [];

  constructor(host: DepartureHost) {
    this.#host = host;
  }

  get isLeaving(): boolean {
    return this.#leaving;
  }

  /** Everything was handed over. */
  get hasLeft(): boolean {
    return this.#left;
  }

  leave(why: "leaving" | "removed"): void {
    const { dispatch, events, timers } = this.#host;
    if (this.#leaving) return;
    this.#leaving = true;
    const now = this.#host.now();
    if (why === "removed") {
      this.#resumable = true;
      this.#timers.push(timers.set(now + REMOVAL_MAX_MS, () => this.resume(false)));
    }
    this.#host.release();
    this.#host.changed();
    dispatch.handOver(events.snapshot(), "finish claimed");
    this.#timers.push(timers.set(now + LEAVE_MAX_MS, () => this.#cutOff()));
  }

  /** To be called when everything that can be put out was. */
  endIfHandedOver(): void {
    if (!this.#leaving || this.#left) return;
    const { dispatch, outbox } = this.#host;
    if (dispatch.sendsInFlight === 0 && outbox.isIdle) this.#end();
  }

  /**
   * Takes part again, if it was only removed: what others took over is theirs, the rest is its own business again.
   * `alone`: there are no others any more that it could share with.
   */
  resume(alone: boolean): void {
    if (!this.#resumable) return;
    const { dispatch, events, self, watchers } = this.#host;
    this.#resumable = false;
    for (const timer of this.#timers.splice(0)) timer.live = false;
    this.#leaving = false;
    this.#left = false;
    for (const held of events.snapshot()) {
      // Its producers wait for word of it and are no help: an owner must have it.
      if (held.solo) continue;
      if (alone ? this.#isOfOthers(held) : this.#isWithOwners(held)) {
        events.drop(held, "handed_over");
      } else if (held.role === "watcher") watchers.watch(held);
    }
    dispatch.cameBack(self);
    this.#host.changed();
  }

  #isWithOwners({ copies, event }: Held): boolean {
    return copies.isWith(this.#host.rankings.of(event.topic).acting);
  }

  /**
   * Who raised it and sent it here, not knowing of the removal, keeps it until it is settled and gives it to the owners there
   * are now: unless that one is gone, it is no business of a member outside. What was raised here an owner must have.
   */
  #isOfOthers(held: Held): boolean {
    if (held.producer) return this.#isWithOwners(held);
    return held.copies.isElsewhere() || held.sources.length > 0;
  }

  /** The time for sends in flight is over. */
  #cutOff(): void {
    if (this.#left) return;
    const { dispatch, events, journal } = this.#host;
    dispatch.handOver(events.snapshot(), "cut claimed off");
    dispatch.cancelAll();
    for (const held of events.all()) {
      if (!held.copies.isElsewhere()) journal.putPending(held);
    }
    this.#end();
  }

  #end(): void {
    this.#left = true;
    this.#host.left();
  }
}
