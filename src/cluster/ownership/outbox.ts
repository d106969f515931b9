/**
 * What this member says to the others: events to the acting owners, notices to whoever may hold a copy.
 *
 * One queue per member repeats until acknowledged; a member that is gone has no queue worth keeping, because it has
 * forgotten what it acknowledged and is told anew when it is back. Source: reference gossip.md §14.2, §14.3.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import { type Held, removeSource } from "./held.ts";
import type { Journal } from "./journal.ts";
import type { Notice } from "./notices.ts";
import type { Output } from "./outputs.ts";
import type { OwnersEpoch } from "./owners-epoch.ts";
import { PeerQueue } from "./peer-queue.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { Rankings } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import { stampOf } from "./stamp.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface OutboxHost {
  readonly self: MemberId;
  readonly fullSyncMs: number;
  readonly rankings: Rankings;
  readonly epoch: OwnersEpoch;
  readonly journal: Journal;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  /** All held events. */
  held(): Iterable<Held>;
  planted(bug: PlantedAlertBug): boolean;
}

export class Outbox {
  readonly #host: OutboxHost;
  readonly #peers = new Map<MemberId, PeerQueue>();
  /** When a connection was lost last; core time. */
  readonly #lostAt = new Map<MemberId, number>();

  constructor(host: OutboxHost) {
    this.#host = host;
  }

  /** Events and notices waiting for all other members together. */
  get size(): number {
    let waiting = 0;
    for (const queue of this.#peers.values()) waiting += queue.size;
    return waiting;
  }

  /** Nothing waits and nothing is unacknowledged. */
  get isIdle(): boolean {
    for (const queue of this.#peers.values()) if (!queue.isIdle) return false;
    return true;
  }

  // ── what is said ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends an event to the acting owners that have no copy yet, as far as is known. */
  sendToOwners(held: Held): void {
    for (const member of this.#plan(held)) this.#queue(member, held);
  }

  /** The same, but `sendPlanned` sends what is still planned by then. */
  planForOwners(held: Held): void {
    this.#plan(held);
  }

  /** To the acting owners that the event was planned for, and that nothing made needless since. */
  sendPlanned(held: Held): void {
    for (const member of this.#host.rankings.of(held.event.topic).acting) {
      if (held.copies.get(member) === "queued") this.#queue(member, held);
    }
  }

  /** Who is gone or no member is told nothing. */
  tell(member: MemberId, notice: Notice): void {
    const { counts, rankings } = this.#host;
    if (rankings.isGone(member) || !rankings.members.includes(member)) return;
    if (!this.#peer(member).addNotice(notice)) counts.add("notices_dropped_full");
  }

  /** Tells everyone who may hold a copy as owner. */
  tellOwners(held: Held, notice: Notice): void {
    const { rankings, self } = this.#host;
    const { home, acting } = rankings.of(held.event.topic);
    // Who has a copy may have come to wait with it, or still do, unnoticed: owners change, and pass it on.
    const former = notice.kind === "hold" ? held.copies.members() : held.copies.receivers();
    const told = new Set([...acting, ...home, ...former]);
    // A sole owner's completions would go with it: the one that would stand in knows them too.
    const next = notice.kind === "done" ? rankings.successorOf(held.event.topic, self) : undefined;
    if (next !== undefined) told.add(next);
    told.delete(self);
    for (const member of told) this.tell(member, notice);
  }

  /** This member owns the event and knows that its handler was told. */
  tellDone(held: Held, handler: string): void {
    this.tellOwners(held, doneNotice(held.event, handler, this.#host.self));
  }

  /** To one that keeps a copy: these handlers were told, it may forget it. */
  tellSettled(member: MemberId, event: AlertEvent, done: readonly string[]): void {
    const { topic, id } = event;
    this.tell(member, { kind: "settled", topic, id, stamp: stampOf(event), done });
  }

  /**
   * Who became an owner by the last change does not know what was done before, and is sent the event as well. The first
   * owner says it, until syncs have surely told everybody.
   */
  tellStandIns(event: AlertEvent, done: readonly string[]): void {
    const { epoch, fullSyncMs, rankings, self } = this.#host;
    const { acting } = rankings.of(event.topic);
    if (acting[0] !== self || this.#host.now() - epoch.changedAt > 2 * fullSyncMs) return;
    for (const member of acting.slice(1)) {
      for (const handler of done) this.tell(member, doneNotice(event, handler, self));
    }
  }

  // ── how it travels ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Batches that may go now; `next` gives each its number. */
  takeBatches(next: () => number): Output[] {
    const now = this.#host.now();
    const batches: Output[] = [];
    for (const [to, queue] of this.#peers) {
      let number = next();
      for (let batch = queue.take(to, number, now); batch !== undefined; ) {
        batches.push({ kind: "batch", to, number, batch });
        number = next();
        batch = queue.take(to, number, now);
      }
    }
    return batches;
  }

  delivered(to: MemberId, number: number): void {
    for (const held of this.#peers.get(to)?.delivered(number) ?? []) {
      if (held.settled) continue;
      held.copies.set(to, "acked");
      this.#host.journal.markSafe(held);
    }
  }

  /** `refused`: the peer understood the call and will never take this batch. */
  undelivered(to: MemberId, number: number, why: "failed" | "refused"): void {
    const { counts, planted, rankings } = this.#host;
    const queue = this.#peers.get(to);
    const result = queue?.undelivered(number, this.#host.now(), why) ?? "unknown";
    if (queue === undefined || result === "unknown") return;
    counts.add(result === "dropped" ? "batch_refused" : "batch_repeated");
    if (rankings.isGone(to) || planted("forgets-batches")) this.#drop(to, queue);
    else this.#armRetry(queue);
  }

  /** The connection is there: what waited for a retry goes now. */
  hurry(member: MemberId): void {
    this.#peers.get(member)?.hurry();
  }

  /** The connection is gone: what the member acknowledged it may forget by a new start. */
  disconnected(member: MemberId): void {
    this.#lostAt.set(member, this.#host.now());
    for (const held of this.#host.held()) {
      if (held.copies.get(member) !== "queued") held.copies.delete(member);
    }
  }

  /** When the connection to one of these was lost last, core time. */
  lostAt(members: readonly MemberId[]): number {
    let at = Number.NEGATIVE_INFINITY;
    for (const member of members) at = Math.max(at, this.#lostAt.get(member) ?? at);
    return at;
  }

  /** A member is gone: what was queued for it would wait in vain, and it has forgotten what it acknowledged. */
  forget(member: MemberId): void {
    const queue = this.#peers.get(member);
    if (queue !== undefined) this.#drop(member, queue);
    for (const held of this.#host.held()) {
      held.copies.delete(member);
      removeSource(held, member);
    }
  }

  /** Only these are members from now on. */
  retain(members: readonly MemberId[]): void {
    for (const table of [this.#peers, this.#lostAt]) {
      for (const id of table.keys()) if (!members.includes(id)) table.delete(id);
    }
  }

  #drop(member: MemberId, queue: PeerQueue): void {
    const lost = queue.clear();
    if (lost > 0) this.#host.counts.add("notices_dropped_gone", lost);
    for (const held of this.#host.held()) {
      if (held.copies.get(member) === "queued") held.copies.delete(member);
    }
  }

  #armRetry(queue: PeerQueue): void {
    const at = queue.retryAt(this.#host.now());
    if (at !== undefined) this.#host.timers.set(at, () => {});
  }

  /** Marks those that are to get a copy, and returns them. */
  #plan({ copies, event }: Held): readonly MemberId[] {
    const { rankings, self } = this.#host;
    const { acting } = rankings.of(event.topic);
    const without = acting.filter((member) => member !== self && !copies.has(member));
    for (const member of without) copies.set(member, "queued");
    return without;
  }

  #queue(member: MemberId, held: Held): void {
    const dropped = this.#peer(member).addEvent(held);
    if (dropped > 0) this.#host.counts.add("settled_dropped_full", dropped);
  }

  #peer(member: MemberId): PeerQueue {
    let queue = this.#peers.get(member);
    if (queue === undefined) {
      queue = new PeerQueue();
      this.#peers.set(member, queue);
    }
    return queue;
  }
}

function doneNotice(event: AlertEvent, handler: string, by: MemberId): Notice {
  const { topic, id } = event;
  return { kind: "done", topic, id, handler, stamp: stampOf(event), by };
}
