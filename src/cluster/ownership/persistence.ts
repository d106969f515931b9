/**
 * Which events and completions go to disk.
 *
 * An event is written when no other live owner holds it: at once when there is none, after a moment when none has
 * acknowledged it. Completions are always written; those that others told of, and write, once per beat. The rows
 * themselves are the journal's business. Source: reference gossip.md §14.7.
 */

import { BEAT_MS } from "../limits.ts";
import type { MemberId } from "../ports.ts";
import type { Completions } from "./completions.ts";
import type { Held } from "./held.ts";
import type { Journal, Spread } from "./journal.ts";
import { HEARD_MAX, SAFE_WAIT_MS } from "./limits.ts";
import type { CompletionEntry } from "./notices.ts";
import type { Rankings } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface PersistenceHost {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly completions: Completions;
  readonly journal: Journal;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
}

export class Persistence {
  readonly #host: PersistenceHost;
  /** Published events not yet known to be safe, oldest first; looked at by a timer. */
  #watched: Held[] = [];
  #watching = false;
  #releasing = false;

  constructor(host: PersistenceHost) {
    this.#host = host;
  }

  /** Writes an event that no other owner will hold. */
  storeIfAlone(held: Held): void {
    if (held.settled || held.row !== "") return;
    const { rankings, self } = this.#host;
    const { acting } = rankings.of(held.event.topic);
    if (!held.solo && acting.some((member) => member !== self)) return;
    this.#store(held);
  }

  /** Writes a published event if nobody acknowledges it in time. */
  watch(held: Held): void {
    if (held.unsafe === 0 || held.row !== "") return;
    this.#watched.push(held);
    if (!this.#watching) this.#arm(held.receivedAt + SAFE_WAIT_MS);
  }

  /** A newer completion entered the table. */
  learned(entry: CompletionEntry, spread: Spread): void {
    const { completions, counts, journal } = this.#host;
    const row = completions.row(entry.topic, entry.id);
    if (row !== undefined) journal.putCompletions(row, spread);
    this.#releaseInStep();
    const evicted = completions.evict();
    if (evicted === undefined) return;
    counts.add("completion_evicted");
    journal.removeCompletions(evicted.topic, evicted.id);
  }

  /** Many rows of one beat cost little more than one; a beat is when this member wakes up anyway. */
  #releaseInStep(): void {
    const { journal, now, timers } = this.#host;
    if (journal.heard >= HEARD_MAX) journal.releaseHeard();
    if (this.#releasing || journal.heard === 0) return;
    this.#releasing = true;
    timers.set(now() - (now() % BEAT_MS) + BEAT_MS, () => {
      this.#releasing = false;
      journal.releaseHeard();
    });
  }

  forgetTopic(topic: string): void {
    const { completions, journal } = this.#host;
    for (const id of completions.forget(topic)) journal.removeCompletions(topic, id);
  }

  #store(held: Held): void {
    this.#host.counts.add("pending_persisted");
    this.#host.journal.putPending(held);
  }

  #arm(at: number): void {
    this.#watching = true;
    this.#host.timers.set(at, () => this.#storeUnanswered());
  }

  #storeUnanswered(): void {
    this.#watching = false;
    let seen = 0;
    for (const held of this.#watched) {
      // Nearly all are safe by now: one look serves them, not a timer each.
      const isSafe = held.unsafe === 0 || held.settled || held.row !== "";
      const due = held.receivedAt + SAFE_WAIT_MS;
      if (!isSafe && due > this.#host.now()) {
        this.#arm(due);
        break;
      }
      seen++;
      if (!isSafe) this.#store(held);
    }
    this.#watched.splice(0, seen);
  }
}
