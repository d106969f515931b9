/**
 * Taking events in: raised here, sent by another member, or found on disk after a start.
 *
 * A copy of what is held or was settled lately is counted and answered, never taken twice. What is new is kept with its
 * role: as owner when this member is an acting one (or there is nobody else), as watcher when others are. An event that
 * comes to a member that takes itself for no owner is accepted anyway. Source: reference gossip.md §14.2.
 */

import { type AlertEvent, eventKey } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Acceptance } from "./acceptance.ts";
import type { FirstWord } from "./first-word.ts";
import { addSource, type Held } from "./held.ts";
import type { HeldEvents } from "./held-events.ts";
import type { Journal } from "./journal.ts";
import type { KeptEvents } from "./kept-events.ts";
import type { Verdict } from "./leads.ts";
import type { Before } from "./notices.ts";
import type { Outbox } from "./outbox.ts";
import type { OwnersEpoch } from "./owners-epoch.ts";
import type { Persistence } from "./persistence.ts";
import type { PendingRow } from "./ports.ts";
import type { Rankings } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { RecentKeys } from "./recent-keys.ts";
import type { Runners } from "./runners.ts";
import type { Watchers } from "./watchers.ts";

export interface IntakeHost {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly epoch: OwnersEpoch;
  readonly runners: Runners;
  readonly kept: KeptEvents;
  readonly recent: RecentKeys;
  readonly events: HeldEvents;
  readonly acceptance: Acceptance;
  readonly watchers: Watchers;
  readonly outbox: Outbox;
  readonly firstWord: FirstWord;
  readonly journal: Journal;
  readonly persistence: Persistence;
  readonly counts: ReasonCounts;
  isAlone(): boolean;
  isLeaving(): boolean;
  isInline(topic: string): boolean;
  /** An event of a shared inline topic was raised here. */
  record(event: AlertEvent): void;
  /** Passes on what this member has not begun of an event. */
  handOver(held: Held): void;
}

export class Intake {
  readonly #host: IntakeHost;
  /** Events that only this member may send are told apart even when they are equal. */
  #solo = 0;

  constructor(host: IntakeHost) {
    this.#host = host;
  }

  /** An event was raised here. */
  publish(event: AlertEvent, scope: "cluster" | "local"): void {
    const { counts, events, journal, kept, persistence, recent, runners, self } = this.#host;
    const alone = this.#host.isAlone();
    const inline = scope === "local" && !alone && runners.isShared(event.topic);
    const local = scope === "local" && !inline;
    const solo = local || alone;
    if (inline) this.#host.record(event);
    const key = this.#key(event, solo);
    const known = events.get(key);
    if (known !== undefined) {
      counts.add("duplicate_pending");
      if (!solo) known.before = kept.sayKnown(event);
      if (!known.producer) this.#becomeProducer(known);
      return;
    }
    if (recent.isSettled(key, event, self, undefined)) {
      counts.add("duplicate_settled");
      if (!solo) kept.sayKnown(event);
      return;
    }
    const held = events.hold(key, event, { solo, local, inline, producer: true });
    journal.expect(held);
    this.#placePublished(held, solo ? "take" : kept.say(held));
    persistence.watch(held);
  }

  /**
   * Another member sent an event. `before`: see `Batch`. `passed`: it is handed over, not told to all owners.
   */
  receive(from: MemberId, event: AlertEvent, before: Before, passed = false): void {
    const { events, kept, recent } = this.#host;
    const key = eventKey(event);
    if (recent.isSettled(key, event, from, before)) {
      this.#answerSettled(key, from, event, before);
      return;
    }
    const known = events.get(key);
    if (known !== undefined) {
      this.#receiveKnown(known, from, event, before);
      return;
    }
    const inline = this.#host.isInline(event.topic);
    if (inline && !this.#takesInline(from, event.topic, passed)) {
      if (!passed) this.#refuseInline(from, event);
      return;
    }
    const held = events.hold(key, event, { solo: false, local: false, inline, producer: false });
    this.#markSource(held, from, before);
    this.#countStrangeOwner(event.topic);
    this.#takeIn(held, kept.judge(held, from, before));
    if (held.settled) return;
    if (this.#host.isLeaving()) this.#giveOn(held);
    this.#host.persistence.storeIfAlone(held);
  }

  /** A row on disk says that this event was not settled when the process ended. */
  recover({ row, event, local, left }: PendingRow): void {
    const { counts, events, journal } = this.#host;
    counts.add("pending_recovered");
    const solo = local || this.#host.isAlone();
    const inline = !local && this.#host.isInline(event.topic);
    const key = this.#key(event, solo);
    if (events.has(key)) {
      journal.removeRow(row);
      return;
    }
    const held = events.hold(key, event, { solo, local, inline, producer: true });
    held.row = row;
    held.only = left;
    this.#placePublished(held, "take");
  }

  #key(event: AlertEvent, solo: boolean): string {
    return solo ? `${eventKey(event)}#${++this.#solo}` : eventKey(event);
  }

  #placePublished(held: Held, verdict: Verdict): void {
    const { epoch, firstWord, persistence, rankings, self, watchers } = this.#host;
    const { acting } = rankings.of(held.event.topic);
    held.epoch = epoch.number;
    if (!held.solo) firstWord.raised(held);
    if (held.solo || acting.includes(self)) this.#takeIn(held, verdict);
    else watchers.watch(held);
    persistence.storeIfAlone(held);
  }

  #becomeProducer(held: Held): void {
    held.producer = true;
    held.epoch = this.#host.epoch.number;
    if (!held.solo) this.#host.firstWord.raised(held);
  }

  #takeIn(held: Held, verdict: Verdict): void {
    if (verdict === "take") this.#host.acceptance.becomeOwner(held);
    else if (verdict === "drop") this.#host.events.dropKept(held, "lead_said_late");
  }

  #answerSettled(key: string, from: MemberId, event: AlertEvent, before: Before): void {
    const { counts, kept, outbox, recent } = this.#host;
    const told = recent.toldOf(key);
    counts.add("duplicate_settled");
    if (before !== undefined) this.#host.firstWord.saidSettled(key, from);
    kept.note(from, event, before);
    outbox.tellSettled(from, event, told);
    outbox.tellStandIns(event, told);
  }

  #receiveKnown(known: Held, from: MemberId, event: AlertEvent, before: Before): void {
    const { acceptance, counts, kept } = this.#host;
    counts.add("duplicate_pending");
    this.#markSource(known, from, before);
    kept.note(from, event, before);
    const isFree = known.role === "watcher" && known.kept === undefined;
    if (isFree && !this.#host.isLeaving()) acceptance.becomeOwner(known);
  }

  #markSource(held: Held, from: MemberId, before: Before): void {
    addSource(held, from);
    held.copies.set(from, before === undefined ? "came" : "said");
    if (before !== undefined) this.#host.firstWord.said(held, from);
    this.#host.journal.markSafe(held);
  }

  #countStrangeOwner(topic: string): void {
    const { counts, rankings, self } = this.#host;
    const { acting, home } = rankings.of(topic);
    if (!acting.includes(self)) counts.add("event_for_non_owner");
    else if (!home.includes(self)) counts.add("stand_in");
  }

  /** It came while this member leaves, perhaps unknown to the others, who would wait for it. */
  #giveOn(held: Held): void {
    this.#host.outbox.sendToOwners(held);
    this.#host.handOver(held);
  }

  /** Handlers are open here, and they are the ones that the other member means. */
  #takesInline(from: MemberId, topic: string, passed: boolean): boolean {
    const { runners } = this.#host;
    return runners.isOpen(topic) && (passed || runners.isInGroup(topic, from));
  }

  #refuseInline(from: MemberId, event: AlertEvent): void {
    const { counts, outbox, self } = this.#host;
    counts.add("inline_passed");
    outbox.tell(from, { kind: "pass", event, handlers: null, failed: [self] });
  }
}
