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
  RESEND_MAX_MS,
  RESEND_MIN_MS,
} from "./limits.ts";
import { type Batch, type HoldNotice, laneKey, type Notice } from "./notices.ts";

interface Flight {
  readonly notices: readonly Notice[];
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
    if (notice.kind === "done") this.#holds.delete(laneKey(notice));
    this.#notices.push(notice);
    if (this.#notices.length <= NOTICES_MAX) return true;
    this.#notices.splice(0, this.#notices.length - NOTICES_MAX);
    return false;
  }

  addEvent(held: Held): void {
    this.#events.push(held);
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
    const notices = this.#notices.splice(0, max);
    for (const [key, hold] of this.#holds) {
      if (notices.length >= max) break;
      this.#holds.delete(key);
      notices.push(hold);
    }
    const eventsMax = this.#singly > 0 ? 1 - notices.length : BATCH_EVENTS_MAX;
    const events = isFull ? [] : this.#takeEvents(to, eventsMax);
    if (notices.length === 0 && events.length === 0) return undefined;
    this.#singly = Math.max(0, this.#singly - 1);
    this.#flights.set(number, { notices, events });
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
    const size = flight.notices.length + flight.events.length;
    if (why === "refused") {
      if (size <= 1) return "dropped";
      this.#singly = size;
    }
    const kept = flight.notices.filter((notice) => notice.kind !== "hold");
    this.#notices = [...kept, ...this.#notices];
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

  /** Events that are settled meanwhile, or that came from the peer itself, need not travel. */
  #takeEvents(to: MemberId, max: number): Held[] {
    const taken: Held[] = [];
    let bytes = 0;
    let seen = 0;
    for (const held of this.#events) {
      if (taken.length >= max || bytes > BATCH_BYTES_MAX) break;
      seen++;
      if (held.settled) continue;
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
