/**
 * Stamps of a member's hybrid clock on the events it raises, on what it hears, and on topics that are deleted (U17, U25).
 *
 * A member alone stamps nothing. Stamps are reserved on disk some seconds ahead, so a start never gives one that an
 * earlier start gave, whatever the wall clock did meanwhile; a write per few seconds of events is what that costs. (One
 * that jumps beyond the reservation is given at once, while the next is on its way to the disk: an event does not wait.)
 * What does not carry a stamp, because a member alone or of an earlier release raised it, is left as it is.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { TopicDeletion } from "#alert/ports.ts";
import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { put, type Store } from "#storage/store.ts";
import { HybridClock, type HybridTime, lastOf, millisOf } from "./ownership/hybrid-clock.ts";
import { HYBRID_CLOCK_ROW, hybridClock } from "./ownership/kinds.ts";
import {
  HLC_FLOORS_MAX,
  HLC_RESERVE_MS,
  HLC_RESERVE_RETRY_MS,
  HLC_WARN_EVERY_MS,
} from "./ownership/limits.ts";
import type { Batch } from "./ownership/notices.ts";
import type { ClusterView } from "./ports.ts";

export interface EventStampsParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly membership: { view(): ClusterView };
}

/** What a deletion by another member means here. */
export interface HeardDeletion extends TopicDeletion {
  /**
   * False: that member's clock is too far ahead. All that is known now is older, and of what comes later only what was
   * raised before now: a wrong clock must not silence the future.
   */
  readonly isBelieved: boolean;
}

export class EventStamps {
  readonly #parts: EventStampsParts;
  readonly #clock: HybridClock;
  /** Topics deleted by a stamp that this member's clock does not follow: events of theirs are stamped above it. */
  readonly #floors = new Map<string, HybridTime>();
  /** A stamp from here on wants a new reservation. */
  #renewFrom: HybridTime = 0;
  #reserveFailures = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  /** Reads from disk which stamps are used up. Throws `StorageError`. */
  constructor(parts: EventStampsParts) {
    this.#parts = parts;
    this.#clock = new HybridClock(parts.store.table(hybridClock).get(HYBRID_CLOCK_ROW)?.untilMs);
  }

  /** The event as raised by this member now; the same one while there is no other member. */
  stamped(event: AlertEvent): AlertEvent {
    const { localId, members } = this.#parts.membership.view();
    if (members.length <= 1) return event;
    const tick = this.#kept(this.#clock.tick(this.#nowMs()));
    const raisedAt = this.#floors.size === 0 ? tick : this.#aboveFloor(event.topic, tick);
    return { ...event, raisedAt, raisedBy: localId };
  }

  /** What another member sent, with stamps that are believed; the same batch when all are. */
  taken(batch: Batch, from: string): Batch {
    const take = (event: AlertEvent): AlertEvent => this.#taken(event, from);
    const events = changed(batch.events, take);
    const notices = changed(batch.notices, (notice) => {
      if (notice.kind !== "pass") return notice;
      const event = take(notice.event);
      return event === notice.event ? notice : { ...notice, event };
    });
    const isSame = events === batch.events && notices === batch.notices;
    return isSame ? batch : { ...batch, events, notices };
  }

  /** A stamp that another member gave; returns what of it is believed. */
  hear(stamp: HybridTime, from: string): HybridTime {
    if (stamp <= this.#clock.last) return stamp;
    const nowMs = this.#nowMs();
    const believed = this.#clock.hear(stamp, nowMs);
    if (believed < stamp) this.#warn(from, millisOf(stamp) - nowMs);
    return believed;
  }

  /** A topic is deleted here now: what is stamped up to `before`, the end of a millisecond, was raised before that. */
  deletion(): TopicDeletion & { readonly atMs: number } {
    const before = this.#kept(this.#clock.close(this.#nowMs()));
    return { atMs: millisOf(before), before, by: this.#parts.membership.view().localId };
  }

  /** The same for a topic that another member deleted at its `atMs`. */
  deletedElsewhere(topic: string, atMs: number, by: string): HeardDeletion {
    const before = lastOf(atMs);
    if (this.hear(before, by) === before) return { before, by, isBelieved: true };
    this.#setFloor(topic, before);
    return { before: lastOf(this.#nowMs()), by, isBelieved: false };
  }

  /** The same for a deletion found on disk; `undefined` when it is ahead: when it was heard of is not known any more. */
  deletedBefore(topic: string, atMs: number): HybridTime | undefined {
    if (atMs < this.#nowMs()) return lastOf(atMs);
    this.#setFloor(topic, lastOf(atMs));
    return undefined;
  }

  counters(): Readonly<Record<string, number>> {
    return { hlc_clamps: this.#clock.clamps, hlc_reserve_failures: this.#reserveFailures };
  }

  #nowMs(): number {
    return this.#parts.clock.now().ms;
  }

  #taken(event: AlertEvent, from: string): AlertEvent {
    const { raisedAt, raisedBy } = event;
    if (raisedAt === undefined || raisedAt <= this.#clock.last) return event;
    const believed = this.hear(raisedAt, raisedBy ?? from);
    return believed === raisedAt ? event : { ...event, raisedAt: believed };
  }

  /** Whoever deleted the topic believes its own stamp: what is raised here from now on must be later than that, there. */
  #setFloor(topic: string, floor: HybridTime): void {
    this.#floors.set(topic, Math.max(floor, this.#floors.get(topic) ?? 0));
    if (this.#floors.size <= HLC_FLOORS_MAX) return;
    const [oldest = ""] = this.#floors.keys();
    this.#floors.delete(oldest);
  }

  #aboveFloor(topic: string, tick: HybridTime): HybridTime {
    const floor = this.#floors.get(topic);
    if (floor === undefined) return tick;
    if (tick > floor) {
      this.#floors.delete(topic);
      return tick;
    }
    const above = Math.min(floor + 1, Number.MAX_SAFE_INTEGER);
    this.#floors.set(topic, above);
    return above;
  }

  #kept(stamp: HybridTime): HybridTime {
    if (stamp >= this.#renewFrom) this.#reserve(millisOf(stamp));
    return stamp;
  }

  #reserve(fromMs: number): void {
    const { log, store } = this.#parts;
    const untilMs = fromMs + HLC_RESERVE_MS;
    this.#renewFrom = lastOf(fromMs + HLC_RESERVE_MS / 2);
    store.commit([put(hybridClock, HYBRID_CLOCK_ROW, { untilMs })]).catch((error: unknown) => {
      this.#reserveFailures++;
      this.#renewFrom = lastOf(millisOf(this.#clock.last) + HLC_RESERVE_RETRY_MS);
      log.error("stamps of events were not reserved", { err: errorMessage(error) });
    });
  }

  #warn(from: string, aheadMs: number): void {
    const { clock, log } = this.#parts;
    const now = clock.monoMs();
    if (now - this.#warnedAt < HLC_WARN_EVERY_MS) return;
    this.#warnedAt = now;
    const fields = { member: from, ahead_ms: aheadMs, clamps: this.#clock.clamps };
    log.warn("a stamp is too far ahead: the clock of a member is wrong", fields);
  }
}

/** The same list when nothing in it changes. */
function changed<T>(all: readonly T[], change: (one: T) => T): readonly T[] {
  let out: T[] | undefined;
  all.forEach((one, i) => {
    const now = change(one);
    if (now === one) return;
    out ??= [...all];
    out[i] = now;
  });
  return out ?? all;
}
