/**
 * The events that this member holds: from the moment they are known here until they are settled.
 *
 * Settling is the one place where an event is let go: its row on disk, its key for late copies, and word to those that
 * sent it and keep a copy only to see it settled. Source: reference gossip.md §14.2, §14.3.
 */

import { type AlertEvent, eventKey } from "#alert/event.ts";
import { type Held, newHeld } from "./held.ts";
import type { Journal } from "./journal.ts";
import type { KeptEvents } from "./kept-events.ts";
import { HELD_MAX } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { Rankings } from "./ranking.ts";
import type { Reason, ReasonCounts } from "./reasons.ts";
import type { RecentKeys } from "./recent-keys.ts";
import type { Runners } from "./runners.ts";

export interface HeldEventsHost {
  readonly rankings: Rankings;
  readonly runners: Runners;
  readonly kept: KeptEvents;
  readonly recent: RecentKeys;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  /** Is there no other member? */
  isAlone(): boolean;
  /** Ends what this owner is not sending of an event; the last end settles it. */
  endWorks(held: Held, reason: Reason): void;
  /** An event raised here was taken care of by its owners. */
  settledByOwners(event: AlertEvent): void;
}

/** How an event came to be held; see `Held`. */
export interface HoldHow {
  readonly solo: boolean;
  readonly local: boolean;
  readonly inline: boolean;
  readonly producer: boolean;
}

export class HeldEvents {
  readonly #host: HeldEventsHost;
  readonly #held = new Map<string, Held>();

  constructor(host: HeldEventsHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#held.size;
  }

  get(key: string): Held | undefined {
    return this.#held.get(key);
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** Not to be used while events may be settled; see `snapshot`. */
  all(): IterableIterator<Held> {
    return this.#held.values();
  }

  snapshot(): Held[] {
    return [...this.#held.values()];
  }

  /** Events of a topic that others share. */
  sharedOf(topic: string): readonly Held[] {
    return this.snapshot().filter((held) => held.event.topic === topic && !held.solo);
  }

  /** Events kept for a topic, and sends of it under way. */
  duties(topic: string): { readonly pending: number; readonly sending: number } {
    let pending = 0;
    let sending = 0;
    for (const { event, works } of this.#held.values()) {
      if (event.topic !== topic) continue;
      pending++;
      for (const { state } of works) if (state === "sending") sending++;
    }
    return { pending, sending };
  }

  /** Takes an event in; the oldest one goes when there are too many. */
  hold(key: string, event: AlertEvent, how: HoldHow): Held {
    const held = newHeld({ key, event, receivedAt: this.#host.now(), ...how });
    if (how.inline) held.notBefore = this.#host.runners.quietUntil(event.topic);
    if (this.#held.size >= HELD_MAX) this.#dropOldest();
    this.#held.set(key, held);
    return held;
  }

  /** Gives an event up; what is being sent of it ends by itself. */
  drop(held: Held, reason: Reason): void {
    if (held.role === "watcher") this.settle(held, reason);
    else this.#host.endWorks(held, reason);
  }

  /** Nobody is to be told of an event that was kept for its producer's sake: the other owners hear of that. */
  dropKept(held: Held, reason: Reason): void {
    const { event, stamp } = held;
    const { topic, id } = event;
    const dropped = { kind: "settled", topic, id, stamp, done: [], dropped: true } as const;
    this.#host.outbox.tellOwners(held, dropped);
    this.settle(held, reason);
  }

  /** Gives up the events of a deleted topic; `before`: but for those stamped after it. */
  forgetTopic(topic: string, before?: number): void {
    for (const held of this.snapshot()) {
      const { event } = held;
      if (event.topic !== topic) continue;
      if (before !== undefined && (event.raisedAt ?? 0) > before) continue;
      this.drop(held, "topic_forgotten");
    }
  }

  /** `reason`: `undefined` when it was counted already. */
  settle(held: Held, reason: Reason | undefined): void {
    const { counts, journal, kept } = this.#host;
    if (reason !== undefined) counts.add(reason);
    kept.letGo(held);
    held.settled = true;
    this.#held.delete(held.key);
    journal.markSafe(held);
    journal.removePending(held);
    if (!isHistory(held, reason)) held.copies.forgetQueued();
    if (held.solo) this.#rememberOwn(held);
    else this.#rememberShared(held, reason);
  }

  /** Another member that begins to run the task may raise the same a moment later. */
  #rememberOwn(held: Held): void {
    const { recent, runners } = this.#host;
    const isMine = held.local && runners.isOwn(held.event.topic);
    if (isMine && !this.#host.isAlone()) recent.remember(eventKey(held.event), held.done);
  }

  #rememberShared(held: Held, reason: Reason | undefined): void {
    const { outbox, rankings, recent } = this.#host;
    const { event } = held;
    if (reason === "settled_by_owner" && !held.inline) this.#host.settledByOwners(event);
    if (reason === "lead_said_same" || reason === "lead_said_late") {
      recent.rememberDropped(held.key);
    } else recent.remember(held.key, held.done);
    const { home, acting } = rankings.of(event.topic);
    for (const member of held.sources) {
      if (home.includes(member) || acting.includes(member)) continue;
      outbox.tellSettled(member, event, held.done);
    }
  }

  #dropOldest(): void {
    for (const held of this.#held.values()) {
      if (held.works.some((work) => work.state === "sending")) continue;
      this.drop(held, "held_full");
      return;
    }
  }
}

/** Did it take its course, so that the other owners must know of it too: of the state of its ID, and whether it changed? */
function isHistory({ done }: Held, reason: Reason | undefined): boolean {
  return done.length > 0 || reason === "no_handler" || reason === "settled_by_owner";
}
