/**
 * What is on its way to one other member: notices first, then events, in batches that are repeated until acknowledged.
 *
 * A batch goes out at once when the line is free and collects while others are under way, so a quiet line adds no
 * delay and a burst travels in few, large batches. A failed batch returns to the front of the queue.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Held } from "./held.ts";
import {
  BATCH_BYTES_MAX,
  BATCH_EVENTS_MAX,
  BATCH_NOTICES_MAX,
  BATCHES_IN_FLIGHT_MAX,
  NOTICE_BATCHES_IN_FLIGHT_MAX,
  NOTICES_MAX,
  PEER_EVENTS_MAX,
  RESEND_MAX_MS,
  RESEND_MIN_MS,
} from "./limits.ts";
import { type Batch, type HoldNotice, laneKey, type Notice } from "./notices.ts";

interface Flight {
  /** Without HOLDs. */
  readonly notices: readonly Notice[];
  /** HOLDs by lane, without those whose send has ended since. */
  readonly holds: Map<string, HoldNotice> | undefined;
  readonly events: readonly Held[];
}

export class PeerQueue {
  #notices: Notice[] = [];
  /** HOLDs by lane: only the latest of a lane is worth sending. */
  readonly #holds = new Map<string, HoldNotice>();
  #events: Held[] = [];
  readonly #flights = new Map<number, Flight>();
  #retryAt = 0;
  #retryMs = RESEND_MIN_MS;
  /** This many items more travel alone. */
  #singly = 0;

  /** Nothing waits and nothing is unacknowledged. */
  get isIdle(): boolean {
    return this.#flights.size === 0 && !this.#hasWork();
  }

  get size(): number {
    return this.#notices.length + this.#events.length;
  }

  /** False when the queue was full and its oldest notice had to go. */
  addNotice(notice: Notice): boolean {
    if (notice.kind === "hold") {
      this.#holds.set(laneKey(notice), notice);
      return true;
    }
    if (notice.kind === "done") this.#endHold(laneKey(notice));
    this.#notices.push(notice);
    if (this.#notices.length <= NOTICES_MAX) return true;
    this.#notices.splice(0, this.#notices.length - NOTICES_MAX);
    return false;
  }

  /** How many events that are settled had to go because the queue was full; the peer lacks their states. */
  addEvent(held: Held): number {
    const count = this.#events.push(held);
    if (count <= PEER_EVENTS_MAX) return 0;
    this.#events = this.#events.filter(({ settled }) => !settled);
    return count - this.#events.length;
  }

  /** When to try again after a failure; `undefined` when nothing waits for that. */
  retryAt(now: number): number | undefined {
    return this.#hasWork() && this.#retryAt > now ? this.#retryAt : undefined;
  }

  /** The connection is there: what waited for a retry goes now. */
  hurry(): void {
    this.#retryAt = 0;
    this.#retryMs = RESEND_MIN_MS;
  }

  /** The next batch to send under this number, or `undefined` when there is none or it must wait. */
  take(to: MemberId, number: number, now: number): Batch | undefined {
    if (!this.#hasWork() || now < this.#retryAt) return undefined;
    // A notice is not kept waiting behind events: the peer may take over for want of it.
    const isFull = this.#flights.size >= BATCHES_IN_FLIGHT_MAX;
    if (isFull && this.#flights.size >= NOTICE_BATCHES_IN_FLIGHT_MAX) return undefined;
    const max = this.#singly > 0 ? 1 : BATCH_NOTICES_MAX;
    const kept = this.#notices.splice(0, max);
    const holds = this.#takeHolds(max - kept.length);
    const notices = holds === undefined ? kept : [...kept, ...holds.values()];
    const eventsMax = this.#singly > 0 ? 1 - notices.length : BATCH_EVENTS_MAX;
    const events = isFull ? [] : this.#takeEvents(to, eventsMax);
    if (notices.length === 0 && events.length === 0) return undefined;
    this.#singly = Math.max(0, this.#singly - 1);
    this.#flights.set(number, { notices: kept, holds, events });
    const before = events.map((held) => (held.producer ? held.before : undefined));
    return { notices, events: events.map((held) => held.event), before };
  }

  /** Acknowledged; returns the events that arrived. */
  delivered(number: number): readonly Held[] {
    const flight = this.#flights.get(number);
    this.#flights.delete(number);
    this.hurry();
    return flight?.events ?? [];
  }

  /**
   * Failed or unanswered: what it carried goes again later. Refused: it goes again in batches of one, and the one that is
   * refused is dropped, so that a single bad item cannot block the line.
   */
  undelivered(
    number: number,
    now: number,
    why: "failed" | "refused",
  ): "again" | "dropped" | "unknown" {
    const flight = this.#flights.get(number);
    if (flight === undefined) return "unknown";
    this.#flights.delete(number);
    const size = flight.notices.length + (flight.holds?.size ?? 0) + flight.events.length;
    if (why === "refused") {
      if (size <= 1) return "dropped";
      this.#singly = size;
    }
    this.#notices = [...flight.notices, ...this.#notices];
    // The next beat is a third of the delay away: with two of them lost, the others would wait no longer.
    for (const [lane, hold] of flight.holds ?? []) {
      if (!this.#holds.has(lane)) this.#holds.set(lane, hold);
    }
    this.#events = [...flight.events, ...this.#events];
    // Batches that fail together are one failure.
    if (now < this.#retryAt) return "again";
    this.#retryAt = now + this.#retryMs;
    this.#retryMs = Math.min(RESEND_MAX_MS, this.#retryMs * 2);
    return "again";
  }

  /** Empties the queue; returns how many notices were lost by it. Batches under way are forgotten. */
  clear(): number {
    const lost = this.#notices.length;
    this.#notices = [];
    this.#events = [];
    this.#holds.clear();
    this.#flights.clear();
    return lost;
  }

  #hasWork(): boolean {
    return this.#notices.length > 0 || this.#events.length > 0 || this.#holds.size > 0;
  }

  #takeHolds(max: number): Map<string, HoldNotice> | undefined {
    if (max <= 0 || this.#holds.size === 0) return undefined;
    const taken = new Map<string, HoldNotice>();
    for (const [lane, hold] of this.#holds) {
      if (taken.size >= max) break;
      this.#holds.delete(lane);
      taken.set(lane, hold);
    }
    return taken;
  }

  /** A send has ended: what said that it lasts must not be said again. */
  #endHold(lane: string): void {
    this.#holds.delete(lane);
    for (const { holds } of this.#flights.values()) holds?.delete(lane);
  }

  /** Events that were given up meanwhile, or that came from the peer itself, need not travel. */
  #takeEvents(to: MemberId, max: number): Held[] {
    const taken: Held[] = [];
    let bytes = 0;
    let seen = 0;
    for (const held of this.#events) {
      if (taken.length >= max || bytes > BATCH_BYTES_MAX) break;
      seen++;
      if (held.copies.get(to) !== "queued") continue;
      bytes += roughBytes(held.event);
      taken.push(held);
    }
    this.#events.splice(0, seen);
    return taken;
  }
}

/** A guess of the encoded size, good enough to keep batches far below the frame limit. */
function roughBytes(event: AlertEvent): number {
  let cells = 0;
  for (const row of event.series ?? []) {
    cells += (row.values?.length ?? 0) * (row.columns?.length ?? 1);
  }
  const texts = event.message.length + event.details.length + event.id.length;
  return 512 + 2 * texts + 24 * cells;
}
