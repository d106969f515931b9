/**
 * Alert ownership of one member as a state machine: who sends each event, and that it happens once.
 *
 * Inputs are methods with the time, outputs are collected and taken with `flush`; nothing in here waits, reads a clock
 * or touches a socket, so the simulator runs the same lines. `now` is *core time*: monotonic milliseconds without the
 * stalls of this process, so that every wait is extended by a stall without being touched (reference gossip.md §13).
 * A stand-alone daemon is a cluster of one and takes the same path. Source: reference gossip.md §14.
 */

import { type AlertEvent, eventKey } from "#alert/event.ts";
import type { Random } from "#lib/random.ts";
import type { ClusterView, MemberId } from "../ports.ts";
import { Absences, type LinkState } from "./absences.ts";
import type { Announcement, AnnouncementAnswer } from "./announcements.ts";
import { Completions } from "./completions.ts";
import { Dispatch } from "./dispatch.ts";
import { type Held, newHeld } from "./held.ts";
import { type InlineHost, InlineTopics } from "./inline-topics.ts";
import { Journal, type StoredWrite } from "./journal.ts";
import { KeptEvents } from "./kept-events.ts";
import type { Verdict } from "./leads.ts";
import {
  HANDLERS_WAIT_MS,
  HELD_MAX,
  LEAVE_MAX_MS,
  PULL_PAGE_MAX,
  RECENT_KEYS_MAX,
  REMOVAL_MAX_MS,
  SAFE_WAIT_MS,
} from "./limits.ts";
import type {
  Batch,
  Before,
  CompletionEntry,
  Notice,
  PassNotice,
  PullAnswer,
  PullRequest,
  SettledNotice,
} from "./notices.ts";
import { PeerQueue } from "./peer-queue.ts";
import type { PlantedAlertBug } from "./planted.ts";
import { type PullHost, Pulls } from "./pulls.ts";
import { digestOf, Rankings, type TopicOwners } from "./ranking.ts";
import { type Reason, ReasonCounts } from "./reasons.ts";
import { keyOf, stampOf } from "./stamp.ts";
import { type HeapTimer, TimerHeap } from "./timer-heap.ts";

/** What the shell has to do. */
export type Output =
  | {
      readonly kind: "batch";
      readonly to: MemberId;
      readonly number: number;
      readonly batch: Batch;
    }
  | {
      readonly kind: "start";
      readonly ticket: number;
      readonly event: AlertEvent;
      readonly handler: string;
      /** Another owner can do it: a few attempts are enough. */
      readonly brief: boolean;
    }
  | { readonly kind: "cancel"; readonly ticket: number }
  | { readonly kind: "write"; readonly number: number; readonly writes: readonly StoredWrite[] }
  | { readonly kind: "pull"; readonly from: MemberId; readonly request: PullRequest }
  | { readonly kind: "announce"; readonly to: MemberId; readonly announcement: Announcement }
  /** Everything is handed over; the process may end. */
  | { readonly kind: "left" };

/** Synchronous questions to the alert core. */
export interface CorePorts {
  /**
   * First copy of an event on this owner; returns the handlers to be told outside the process (those inside run on every
   * owner, within this call). Must not call the core.
   */
  accept(event: AlertEvent): readonly string[];
  /** The same for an event of a shared inline topic: its state is each member's own and stays as it is. */
  acceptCopy(event: AlertEvent): readonly string[];
  /** An event of a shared inline topic was raised here: updates the topic's state. Must not call the core. */
  record(event: AlertEvent): void;
  /** An event raised here was taken care of by its owners; this member only passed it on. Must not call the core. */
  settledByOwners?(event: AlertEvent): void;
  /** Does a started send wait behind others, so that the endpoint has not heard of it? Default: no. Must not call the core. */
  isQueued?(ticket: number): boolean;
  /** Forgets a send that `isQueued`; false when it is not. Must not call the core. */
  withdraw?(ticket: number): boolean;
}

export interface CoreOptions {
  /** Tells this start of the process from others. */
  readonly boot: string;
  /** `[alert] delay-per-member`, ms. */
  readonly delayMs: number;
  /** `[alert] full-sync-interval`, ms. */
  readonly fullSyncMs: number;
  /** Topics of single tasks, shared by the members that run them; none when absent. */
  readonly isInline?: (topic: string) => boolean;
  readonly planted?: ReadonlySet<PlantedAlertBug>;
}

/** An event that was not settled when the process ended, as found on disk. */
export interface PendingRow {
  /** Key of its row. */
  readonly row: string;
  readonly event: AlertEvent;
  readonly local: boolean;
  /** Handlers not finished with; absent = all. */
  readonly left?: readonly string[];
}

export class OwnershipCore {
  readonly #ports: CorePorts;
  readonly #options: CoreOptions;
  readonly #timers = new TimerHeap();
  readonly #counts = new ReasonCounts();
  readonly #rankings: Rankings;
  readonly #completions: Completions;
  readonly #journal: Journal;
  readonly #absences: Absences;
  readonly #dispatch: Dispatch;
  readonly #pulls: Pulls;
  readonly #inline: InlineTopics;
  /** Events whose producer goes its own way. */
  readonly #kept: KeptEvents;
  readonly #held = new Map<string, Held>();
  /** Settled lately: key → handlers told. */
  readonly #recent = new Map<string, readonly string[]>();
  readonly #peers = new Map<MemberId, PeerQueue>();
  #outputs: Output[] = [];
  /** Published events not yet known to be safe, oldest first; looked at by a timer. */
  #watched: Held[] = [];
  #watching = false;
  #view: ClusterView;
  #gone: ReadonlyMap<MemberId, Reason> = new Map();
  #goneTimerAt = Number.POSITIVE_INFINITY;
  #now: number;
  #epoch = 1;
  /** When the acting owners last changed. */
  #changedAt = Number.NEGATIVE_INFINITY;
  #number = 0;
  #solo = 0;
  #leaving = false;
  /** Bounds of the leaving that is under way. */
  readonly #leaveTimers: HeapTimer[] = [];
  /** Joined a cluster whose handlers are not known here yet. */
  #awaitsHandlers = false;
  /** Events that came meanwhile. */
  readonly #unaccepted = new Set<Held>();
  /** Leaving this cluster only. */
  #resumable = false;
  #left = false;

  constructor(
    ports: CorePorts,
    random: Random,
    options: CoreOptions,
    start: {
      readonly view: ClusterView;
      readonly now: number;
      readonly completions: Iterable<CompletionEntry>;
    },
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#view = start.view;
    this.#now = start.now;
    this.#rankings = new Rankings((topic) =>
      this.#isInline(topic) ? this.#inline.runners.groupOf(topic) : undefined,
    );
    this.#journal = new Journal(options.boot);
    this.#inline = new InlineTopics(this.#inlineHost(random));
    this.#kept = new KeptEvents(this.#keptHost());
    this.#completions = new Completions(this.#planted("older-completion-wins"));
    this.#absences = new Absences(this.#planted("silence-is-gone") ? 0 : options.delayMs);
    this.#dispatch = new Dispatch(this.#dispatchHost());
    for (const entry of start.completions) this.#completions.merge(entry);
    this.#gone = this.#absences.of(start.view, start.now);
    this.#rankings.update(start.view, new Set(this.#gone.keys()));
    this.#pulls = new Pulls(this.#pullHost(random));
    this.#pulls.started();
    this.#armGone();
  }

  // ── inputs ────────────────────────────────────────────────────────────────────────────────────────────────────────

  publish(event: AlertEvent, scope: "cluster" | "local", now: number): void {
    this.#now = now;
    const alone = this.#view.members.length <= 1;
    const inline = scope === "local" && !alone && this.#inline.runners.isShared(event.topic);
    const local = scope === "local" && !inline;
    const solo = local || alone;
    if (inline) this.#ports.record(event);
    const key = solo ? `${eventKey(event)}#${++this.#solo}` : eventKey(event);
    const known = this.#held.get(key);
    if (known !== undefined) {
      this.#counts.add("duplicate_pending");
      if (!solo) known.before = this.#kept.sayKnown(event);
      if (!known.producer) this.#becomeProducer(known);
      return;
    }
    if (this.#isRecent(key, event, this.#view.localId, undefined)) {
      this.#counts.add("duplicate_settled");
      if (!solo) this.#kept.sayKnown(event);
      return;
    }
    const held = this.#hold(key, event, { solo, local, inline, producer: true });
    this.#journal.expect(held);
    this.#placePublished(held, solo ? "take" : this.#kept.say(held));
    this.#watch(held);
  }

  /**
   * Takes up what an earlier start left on disk. To be called once the handlers are attached, also those of tasks:
   * an event without handlers is settled.
   */
  recover(rows: Iterable<PendingRow>, now: number): void {
    this.#now = now;
    for (const row of rows) this.#recover(row);
  }

  /**
   * A task's own topic has these handlers from now on, described so that equal sets have equal texts. It is shared with
   * the members that run the same.
   */
  openInline(topic: string, handlers: string, now: number): void {
    this.#now = now;
    this.#inline.open(topic, handlers);
  }

  closeInline(topic: string, now: number): void {
    this.#now = now;
    this.#inline.close(topic);
  }

  /** Tasks were started: the others may be told which inline topics run here. */
  inlineReady(now: number): void {
    this.#now = now;
    this.#inline.announcements.ready();
  }

  /** Another member says which inline topics it runs. */
  announced(from: MemberId, announcement: Announcement, now: number): AnnouncementAnswer {
    this.#now = now;
    return this.#inline.announcements.received(from, announcement);
  }

  /** The answer to an `announce` output; `undefined` when it failed. */
  announcementAnswered(
    from: MemberId,
    answer: AnnouncementAnswer | undefined | "refused",
    now: number,
  ): void {
    this.#now = now;
    this.#inline.announcements.answered(from, answer);
  }

  received(from: MemberId, batch: Batch, now: number): void {
    this.#now = now;
    this.#dispatch.together(() => {
      for (const notice of batch.notices) this.#applyNotice(from, notice);
      batch.events.forEach((event, i) => {
        this.#receiveEvent(from, event, batch.before?.[i]);
      });
    });
  }

  delivered(to: MemberId, number: number, now: number): void {
    this.#now = now;
    for (const held of this.#peers.get(to)?.delivered(number) ?? []) {
      if (held.settled) continue;
      held.copies.set(to, "acked");
      this.#journal.markSafe(held);
    }
  }

  /** `refused`: the peer understood the call and will never take this batch. */
  undelivered(to: MemberId, number: number, now: number, why: "failed" | "refused"): void {
    this.#now = now;
    const queue = this.#peers.get(to);
    const result = queue?.undelivered(number, now, why) ?? "unknown";
    if (queue === undefined || result === "unknown") return;
    this.#counts.add(result === "dropped" ? "batch_refused" : "batch_repeated");
    const isGone = this.#rankings.isGone(to) || this.#planted("forgets-batches");
    if (isGone) this.#dropQueue(to, queue);
    else this.#armRetry(queue);
  }

  /** `turn over`: only for now; asked for by `brief`. */
  sendFinished(ticket: number, succeeded: boolean | "turn over", now: number): void {
    this.#now = now;
    this.#dispatch.sendFinished(ticket, succeeded);
  }

  /** The handlers of the cluster that this member has joined are known here. */
  handlersKnown(now: number): void {
    this.#now = now;
    this.#acceptWaiting();
  }

  setView(view: ClusterView, now: number): void {
    this.#now = now;
    const isOther = view.clusterId !== this.#view.clusterId && view.members.length > 1;
    const before = this.#rankings.members;
    const beforeRedundancy = this.#rankings.redundancy;
    this.#view = view;
    if (isOther) this.#awaitHandlers();
    if (this.#resumable && view.members.length <= 1) this.#resume();
    this.#topology();
    const members = this.#rankings.members;
    const same =
      before.length === members.length &&
      before.every((member) => members.includes(member)) &&
      beforeRedundancy === this.#rankings.redundancy;
    if (same) return;
    for (const id of this.#peers.keys()) if (!members.includes(id)) this.#peers.delete(id);
    this.#inline.announcements.retain(members);
    this.#pulls.tableChanged();
  }

  link(member: MemberId, state: LinkState, now: number): void {
    this.#now = now;
    const before = this.#absences.link(member);
    this.#absences.setLink(member, state);
    if (state === "up") {
      this.#dispatch.hurry();
      this.#topology();
      this.#peers.get(member)?.hurry();
      this.#resendTo(member);
      this.#pulls.linked(member, before !== undefined);
      this.#inline.announcements.linked(member);
      return;
    }
    for (const held of this.#held.values()) {
      if (held.copies.get(member) !== "queued") held.copies.delete(member);
    }
    this.#topology();
  }

  /** The process was away; core time did not move meanwhile. */
  stalled(now: number, awayMs: number): void {
    this.#now = now;
    this.#counts.add("stall");
    this.#pulls.stalled();
    this.#dispatch.wokeUp(awayMs);
  }

  answerPull(from: MemberId, request: PullRequest): PullAnswer {
    const boot = this.#pullToken;
    const upTo = this.#completions.sequence;
    const holds = request.before === 0 ? this.#dispatch.holds() : [];
    if (request.digest === this.#completions.digest) {
      return { boot, upTo, entries: [], next: 0, holds };
    }
    const since = request.boot === boot ? request.since : 0;
    const wanted = ({ topic }: { readonly topic: string }): boolean => {
      const { home, acting } = this.#rankings.of(topic);
      return this.#isInline(topic) || home.includes(from) || acting.includes(from);
    };
    const { before } = request;
    const page = this.#completions.page({ since, before, max: PULL_PAGE_MAX, wanted });
    return { boot, upTo, ...page, holds };
  }

  /** The answer to a `pull` output; `undefined` when it failed. */
  pulled(from: MemberId, answer: PullAnswer | undefined, now: number): void {
    this.#now = now;
    this.#pulls.answered(from, answer);
  }

  /** The commit of a `write` output ended, well or not. */
  written(number: number, succeeded: boolean, now: number): void {
    this.#now = now;
    if (!succeeded) this.#counts.add("persist_failed");
    this.#journal.written(number);
  }

  forgetTopic(topic: string, now: number): void {
    this.#now = now;
    this.#kept.forgetTopic(topic);
    for (const id of this.#completions.forget(topic)) this.#journal.removeCompletions(topic, id);
    for (const held of [...this.#held.values()]) {
      if (held.event.topic !== topic) continue;
      if (held.role === "watcher") this.#settle(held, "topic_forgotten");
      else this.#dispatch.drop(held, "topic_forgotten");
    }
  }

  /**
   * Hands everything over; `left` is put out when that is done or took too long. A member that is being removed goes on
   * by itself once its view has no others, or with them if the removal did not happen.
   */
  leave(why: "leaving" | "removed", now: number): void {
    this.#now = now;
    if (this.#leaving) return;
    this.#leaving = true;
    if (why === "removed") {
      this.#resumable = true;
      this.#leaveTimers.push(this.#timers.set(now + REMOVAL_MAX_MS, () => this.#resume()));
    }
    this.#topology();
    this.#dispatch.handOver([...this.#held.values()], "finish claimed");
    this.#leaveTimers.push(this.#timers.set(now + LEAVE_MAX_MS, () => this.#cutOff()));
  }

  /** Runs what is due. */
  tick(now: number): void {
    this.#now = now;
    this.#timers.runDue(now);
  }

  // ── outputs ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes what is to be done. Call it once after a run of inputs; what they have in common travels together. */
  flush(now: number): readonly Output[] {
    this.#now = now;
    // First what others must know in case this process dies in a moment.
    const outputs = this.#batches();
    outputs.push(...this.#outputs);
    this.#outputs = outputs;
    const writes = this.#journal.take(++this.#number);
    if (writes !== undefined) this.#outputs.push({ kind: "write", number: this.#number, writes });
    if (this.#leaving && !this.#left && this.#isHandedOver()) this.#sayLeft();
    this.#outputs = [];
    return outputs;
  }

  #batches(): Output[] {
    const batches: Output[] = [];
    for (const [to, queue] of this.#peers) {
      for (let batch = queue.take(to, ++this.#number, this.#now); batch !== undefined; ) {
        batches.push({ kind: "batch", to, number: this.#number, batch });
        batch = queue.take(to, ++this.#number, this.#now);
      }
    }
    return batches;
  }

  /** When `tick` is next due, core time; `undefined` when nothing waits. */
  nextAt(): number | undefined {
    return this.#timers.nextAt();
  }

  /** See `Journal`: `settled()` closes a generation and waits until it is safe. */
  closeGeneration(): number {
    return this.#journal.closeGeneration();
  }

  isSafe(generation: number): boolean {
    return this.#journal.isSafe(generation);
  }

  owners(topic: string): TopicOwners {
    return this.#rankings.of(topic);
  }

  /** Events kept for a topic, and sends of it under way. */
  duties(topic: string): { readonly pending: number; readonly sending: number } {
    let pending = 0;
    let sending = 0;
    for (const { event, works } of this.#held.values()) {
      if (event.topic !== topic) continue;
      pending++;
      for (const { state } of works.values()) if (state === "sending") sending++;
    }
    return { pending, sending };
  }

  /** Ages of what is known of other members' completions, ms. */
  syncAges(): ReadonlyMap<MemberId, number> {
    return this.#pulls.ages();
  }

  /** Everything was handed over. */
  get hasLeft(): boolean {
    return this.#left;
  }

  /** Equal on members whose completion tables are equal. */
  get completionDigest(): string {
    return this.#completions.digest;
  }

  counters(): Readonly<Record<string, number>> {
    let waiting = 0;
    for (const queue of this.#peers.values()) waiting += queue.size;
    const { primary, secondary } = this.#dispatch.handled;
    return {
      "notification-dropped": this.#counts.get("notice_late"),
      "primary-handle-count": primary,
      "secondary-handle-count": secondary,
      events_held: this.#held.size,
      outbox_size: waiting,
      lanes: this.#dispatch.lanes,
      sends_in_flight: this.#dispatch.sendsInFlight,
      completion_ids: this.#completions.size,
      events_deduplicated:
        this.#counts.get("duplicate_pending") + this.#counts.get("duplicate_settled"),
      events_kept_for_lead: this.#kept.size,
      inline_topics: this.#inline.runners.size,
      ...this.#dispatch.takeovers,
      ...{ superseded: 0, heartbeats_sent: 0, ...this.#counts.all() },
    };
  }

  // ── taking events in ──────────────────────────────────────────────────────────────────────────────────────────────

  #hold(
    key: string,
    event: AlertEvent,
    how: {
      readonly solo: boolean;
      readonly local: boolean;
      readonly inline: boolean;
      readonly producer: boolean;
    },
  ): Held {
    const held = newHeld({ key, event, receivedAt: this.#now, ...how });
    if (how.inline) held.notBefore = this.#inline.runners.quietUntil(event.topic);
    if (this.#held.size >= HELD_MAX) this.#dropOldest();
    this.#held.set(key, held);
    return held;
  }

  #dropOldest(): void {
    for (const held of this.#held.values()) {
      if ([...held.works.values()].some((work) => work.state === "sending")) continue;
      if (held.role === "watcher") this.#settle(held, "held_full");
      else this.#dispatch.drop(held, "held_full");
      return;
    }
  }

  #placePublished(held: Held, verdict: Verdict): void {
    const { acting } = this.#rankings.of(held.event.topic);
    held.epoch = this.#epoch;
    if (!held.solo) this.#sendToOwners(held);
    if (held.solo || acting.includes(this.#view.localId)) this.#takeIn(held, verdict);
    else this.#armWatcher(held);
    this.#storeIfAlone(held);
  }

  #becomeProducer(held: Held): void {
    held.producer = true;
    held.epoch = this.#epoch;
    if (!held.solo) this.#sendToOwners(held);
  }

  #takeIn(held: Held, verdict: Verdict): void {
    if (verdict === "take") this.#becomeOwner(held);
    else if (verdict === "drop") this.#dropKept(held, "lead_said_late");
  }

  #becomeOwner(held: Held): void {
    this.#kept.letGo(held);
    if (this.#awaitsHandlers && !held.solo && !held.inline) {
      this.#counts.add("waits_for_handlers");
      this.#unaccepted.add(held);
      return;
    }
    held.role = "owner";
    held.receivedAt = this.#now;
    const { event, inline } = held;
    const accepted = inline ? this.#ports.acceptCopy(event) : this.#ports.accept(event);
    const { only } = held;
    const handlers = only === undefined ? accepted : accepted.filter((one) => only.includes(one));
    if (handlers.length === 0) {
      if (inline && !held.solo && !this.#inline.runners.isOpen(event.topic)) this.#passOn(held);
      this.#settle(held, "no_handler");
      return;
    }
    this.#dispatch.take(held, handlers);
  }

  /** There are no handlers here just now: the next in rank is not to wait for this member. */
  #passOn(held: Held): void {
    const failed = [this.#view.localId];
    this.#tellOwners(held, { kind: "pass", event: held.event, handlers: null, failed });
  }

  #armWatcher(held: Held): void {
    const { acting } = this.#rankings.of(held.event.topic);
    const wait = Math.max(1, acting.length) * this.#options.delayMs;
    this.#timers.set(this.#now + wait, () => this.#checkWatched(held));
  }

  /**
   * U11: when no owner acknowledged within the time that all of them together have, the producer acts itself. Owners that
   * did are offered the event again, and say so if it is settled; a lost notice would leave the copy here for ever.
   */
  #checkWatched(held: Held): void {
    if (held.settled || held.role === "owner" || this.#leaving) return;
    if (isElsewhere(held)) {
      this.#counts.add("watched_offered_again");
      for (const member of receivers(held)) {
        if (held.copies.get(member) === "acked") held.copies.delete(member);
      }
      this.#sendToOwners(held);
      this.#armWatcher(held);
      return;
    }
    held.excused = true;
    this.#becomeOwner(held);
  }

  #offerAgain(held: Held, acting: readonly MemberId[]): boolean {
    if (acting.includes(this.#view.localId)) return false;
    // One that it came from has handed it over.
    const known = acting.filter((member) => held.copies.get(member) === "acked");
    if (known.length === 0) return false;
    this.#counts.add("watched_offered_again");
    for (const member of known) held.copies.delete(member);
    this.#sendToOwners(held);
    return true;
  }

  /** `before`: see `Batch`. `passed`: it is handed over, not told to all owners. */
  #receiveEvent(from: MemberId, event: AlertEvent, before: Before, passed = false): void {
    const key = eventKey(event);
    if (this.#isRecent(key, event, from, before)) {
      const done = this.#recent.get(key) ?? [];
      this.#counts.add("duplicate_settled");
      this.#kept.note(from, event, before);
      this.#tellSettled(from, event, done);
      this.#tellStandIns(event, done);
      return;
    }
    const known = this.#held.get(key);
    if (known !== undefined) {
      this.#counts.add("duplicate_pending");
      this.#markSource(known, from);
      this.#kept.note(from, event, before);
      const isFree = known.role === "watcher" && known.kept === undefined;
      if (isFree && !this.#leaving) this.#becomeOwner(known);
      return;
    }
    const inline = this.#isInline(event.topic);
    if (inline && !this.#takesInline(from, event.topic, passed)) {
      if (passed) return;
      this.#counts.add("inline_passed");
      this.#tell(from, { kind: "pass", event, handlers: null, failed: [this.#view.localId] });
      return;
    }
    const held = this.#hold(key, event, { solo: false, local: false, inline, producer: false });
    this.#markSource(held, from);
    const { acting, home } = this.#rankings.of(event.topic);
    const self = this.#view.localId;
    if (!acting.includes(self)) this.#counts.add("event_for_non_owner");
    else if (!home.includes(self)) this.#counts.add("stand_in");
    this.#takeIn(held, this.#kept.judge(held, from, before));
    if (held.settled) return;
    if (this.#leaving) this.#giveOn(held);
    this.#storeIfAlone(held);
  }

  /** It came while this member leaves, perhaps unknown to the others, who would wait for it. */
  #giveOn(held: Held): void {
    this.#sendToOwners(held);
    this.#dispatch.handOver([held], "finish claimed");
  }

  /** Handlers are open here, and they are the ones that the other member means. */
  #takesInline(from: MemberId, topic: string, passed: boolean): boolean {
    const { runners } = this.#inline;
    return runners.isOpen(topic) && (passed || runners.isInGroup(topic, from));
  }

  #markSource(held: Held, from: MemberId): void {
    held.sources.add(from);
    held.copies.set(from, "came");
    this.#journal.markSafe(held);
  }

  /** A row on disk says that this event was not settled when the process ended. */
  #recover({ row, event, local, left }: PendingRow): void {
    this.#counts.add("pending_recovered");
    const solo = local || this.#view.members.length <= 1;
    const inline = !local && this.#isInline(event.topic);
    const key = solo ? `${eventKey(event)}#${++this.#solo}` : eventKey(event);
    if (this.#held.has(key)) {
      this.#journal.removeRow(row);
      return;
    }
    const held = this.#hold(key, event, { solo, local, inline, producer: true });
    held.row = row;
    held.only = left;
    this.#placePublished(held, "take");
  }

  #sendToOwners(held: Held): void {
    for (const member of this.#rankings.of(held.event.topic).acting) {
      if (member === this.#view.localId) continue;
      if (held.copies.has(member)) continue;
      held.copies.set(member, "queued");
      this.#peer(member).addEvent(held);
    }
  }

  // ── notices ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #applyNotice(from: MemberId, notice: Notice): void {
    switch (notice.kind) {
      case "done":
        if (!this.#planted("ignores-done")) this.#dispatch.done(notice, "notice");
        return;
      case "hold":
        this.#dispatch.hold(notice, from, notice.queued === true ? "queued" : "sending");
        return;
      case "pass":
        this.#applyPass(from, notice);
        return;
      case "settled":
        this.#applySettled(from, notice);
        return;
    }
  }

  #applyPass(from: MemberId, notice: PassNotice): void {
    const { event } = notice;
    const key = eventKey(event);
    if (!this.#held.has(key)) this.#receiveEvent(from, event, undefined, true);
    const held = this.#held.get(key);
    if (held === undefined) return;
    if (held.role === "watcher") this.#becomeOwner(held);
    this.#dispatch.passed(held, notice);
  }

  #applySettled(from: MemberId, { topic, id, stamp, done, dropped }: SettledNotice): void {
    const key = keyOf(topic, id, stamp);
    const held = this.#held.get(key);
    if (held === undefined) {
      // Its copy may still be on its way here.
      if (dropped === true && !this.#recent.has(key)) this.#remember(key, DROPPED);
      return;
    }
    if (dropped === true) {
      if (held.role === "owner") this.#dispatch.drop(held, "lead_said_same");
      else this.#settle(held, "lead_said_same");
      if (held.settled && held.done.length === 0) this.#remember(key, DROPPED);
      return;
    }
    for (const handler of done) {
      const entry = { topic, id, handler, stamp, by: from };
      if (held.role === "owner") this.#dispatch.done(entry, "notice");
      if (held.epoch === this.#epoch) continue;
      // The owners changed since it was sent: one of them may not be told by the member that settled it.
      this.#counts.add("settled_forwarded");
      for (const member of receivers(held)) {
        if (member !== from) this.#tell(member, { kind: "done", ...entry });
      }
    }
    const { acting } = this.#rankings.of(topic);
    const isFormer = !acting.includes(this.#view.localId) && acting.includes(from);
    // What the owner could not tell, who stood in for it before need not tell either.
    if (held.role === "owner" && isFormer) this.#dispatch.drop(held, "settled_by_owner");
    if (held.role === "watcher" && !this.#planted("keeps-copies")) {
      held.done.push(...done);
      this.#settle(held, "settled_by_owner");
    }
  }

  #tell(member: MemberId, notice: Notice): void {
    if (this.#rankings.isGone(member) || !this.#rankings.members.includes(member)) return;
    if (!this.#peer(member).addNotice(notice)) this.#counts.add("notices_dropped_full");
  }

  #tellOwners(held: Held, notice: Notice): void {
    const { home, acting } = this.#rankings.of(held.event.topic);
    // Who has a copy may have come to wait with it, or still do, unnoticed: owners change, and pass it on.
    const former = notice.kind === "hold" ? held.copies.keys() : receivers(held);
    const next = notice.kind === "done" ? this.#successor(held.event.topic) : [];
    for (const member of new Set([...acting, ...home, ...former, ...next])) {
      if (member !== this.#view.localId) this.#tell(member, notice);
    }
  }

  /** A sole owner's completions would go with it: the one that would stand in knows them too. */
  #successor(topic: string): readonly MemberId[] {
    const { acting, ranking } = this.#rankings.of(topic);
    if (acting.length > 1) return [];
    const isNext = (member: MemberId): boolean =>
      !acting.includes(member) && !this.#rankings.isGone(member);
    return ranking.filter((member) => isNext(member) && member !== this.#view.localId).slice(0, 1);
  }

  /**
   * Who became an owner by the last change does not know what was done before, and is sent the event as well. The first
   * owner says it, until syncs have surely told everybody.
   */
  #tellStandIns(event: AlertEvent, done: readonly string[]): void {
    const { acting } = this.#rankings.of(event.topic);
    const self = this.#view.localId;
    if (acting[0] !== self || this.#now - this.#changedAt > 2 * this.#options.fullSyncMs) return;
    for (const member of acting.slice(1)) {
      for (const handler of done) this.#tell(member, doneNotice(event, handler, self));
    }
  }

  #tellSettled(member: MemberId, event: AlertEvent, done: readonly string[]): void {
    const { topic, id, time, level } = event;
    const stamp = { ms: time.ms, ns: time.ns, level };
    this.#tell(member, { kind: "settled", topic, id, stamp, done });
  }

  // ── settling ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #settle(held: Held, reason: Reason | undefined): void {
    if (reason !== undefined) this.#counts.add(reason);
    this.#kept.letGo(held);
    held.settled = true;
    this.#held.delete(held.key);
    this.#journal.markSafe(held);
    this.#journal.removePending(held);
    if (held.solo) {
      // Another member that begins to run the task may raise the same a moment later.
      const { topic } = held.event;
      const isMine = held.local && this.#inline.runners.isOwn(topic);
      if (isMine && this.#view.members.length > 1) this.#remember(eventKey(held.event), held.done);
      return;
    }
    if (reason === "settled_by_owner" && !held.inline) this.#ports.settledByOwners?.(held.event);
    const isDropped = reason === "lead_said_same" || reason === "lead_said_late";
    this.#remember(held.key, isDropped ? DROPPED : held.done);
    const { home, acting } = this.#rankings.of(held.event.topic);
    for (const member of held.sources) {
      if (home.includes(member) || acting.includes(member)) continue;
      this.#tellSettled(member, held.event, held.done);
    }
  }

  /** Settled lately? What was dropped for one producer's sake may be news when another one raises it. */
  #isRecent(key: string, event: AlertEvent, producer: MemberId, before: Before): boolean {
    const done = this.#recent.get(key);
    if (done !== DROPPED || !this.#kept.isOverruled(event, producer, before))
      return done !== undefined;
    this.#recent.delete(key);
    return false;
  }

  #remember(key: string, done: readonly string[]): void {
    if (this.#recent.size >= RECENT_KEYS_MAX) {
      // Half at once: deleting first keys one by one grows slow with the size of the map.
      let drop = RECENT_KEYS_MAX / 2;
      for (const old of this.#recent.keys()) {
        if (drop-- <= 0) break;
        this.#recent.delete(old);
      }
    }
    this.#recent.set(key, done);
  }

  #learned(entry: CompletionEntry): void {
    const row = this.#completions.row(entry.topic, entry.id);
    if (row !== undefined) this.#journal.putCompletions(row);
    const evicted = this.#completions.evict();
    if (evicted === undefined) return;
    this.#counts.add("completion_evicted");
    this.#journal.removeCompletions(evicted.topic, evicted.id);
  }

  // ── safety on disk ────────────────────────────────────────────────────────────────────────────────────────────────

  #storeIfAlone(held: Held): void {
    if (held.settled || held.row !== "") return;
    const self = this.#view.localId;
    const { acting } = this.#rankings.of(held.event.topic);
    if (!held.solo && acting.some((member) => member !== self)) return;
    this.#counts.add("pending_persisted");
    this.#journal.putPending(held);
  }

  /** Writes events to disk that nobody acknowledged in time. */
  #watch(held: Held): void {
    if (held.unsafe === 0 || held.row !== "") return;
    this.#watched.push(held);
    if (!this.#watching) this.#armWatch(held.receivedAt + SAFE_WAIT_MS);
  }

  #armWatch(at: number): void {
    this.#watching = true;
    this.#timers.set(at, () => this.#storeUnanswered());
  }

  #storeUnanswered(): void {
    this.#watching = false;
    let seen = 0;
    for (const held of this.#watched) {
      const due = held.receivedAt + SAFE_WAIT_MS;
      if (due > this.#now) {
        this.#armWatch(due);
        break;
      }
      seen++;
      if (held.unsafe === 0 || held.settled || held.row !== "") continue;
      this.#counts.add("pending_persisted");
      this.#journal.putPending(held);
    }
    this.#watched.splice(0, seen);
  }

  // ── changes around us ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Looks at who is gone, and moves events and waits accordingly. */
  #topology(): void {
    const gone = this.#absences.of(this.#view, this.#now);
    for (const [member, reason] of gone) {
      if (this.#gone.has(member)) continue;
      this.#counts.add(reason);
      this.#forgetQueued(member);
    }
    for (const [member, reason] of this.#gone) {
      if (reason === "gone_left" && !gone.has(member)) this.#dispatch.cameBack(member);
    }
    this.#gone = gone;
    const away = new Set(gone.keys());
    if (this.#leaving) away.add(this.#view.localId);
    const before = this.#ownershipText();
    this.#rankings.update(this.#view, away);
    this.#armGone();
    this.#pulls.openIfAllowed();
    if (this.#ownershipText() === before) return;
    this.#epoch++;
    this.#changedAt = this.#now;
    this.#counts.add("wait_recomputed");
    for (const held of [...this.#held.values()]) this.#place(held);
    this.#dispatch.runAll();
  }

  #ownershipText(): string {
    const acting = this.#rankings.members.filter((member) => !this.#rankings.isGone(member));
    return `${this.#rankings.redundancy} ${this.#rankings.members.join()} ${acting.join()}`;
  }

  #place(held: Held): void {
    if (held.solo || held.settled) return;
    const isActing = this.#rankings.of(held.event.topic).acting.includes(this.#view.localId);
    if (held.producer || !isActing) this.#sendToOwners(held);
    if (isActing && held.role === "watcher" && !this.#leaving) this.#becomeOwner(held);
    // New owners get the event from its producer; which handlers were told already only owners can say.
    for (const handler of held.role === "owner" ? held.done : []) {
      this.#tellOwners(held, doneNotice(held.event, handler, this.#view.localId));
    }
    this.#storeIfAlone(held);
  }

  /** A member is gone: what was queued for it would wait in vain, and it has forgotten what it acknowledged. */
  #forgetQueued(member: MemberId): void {
    const queue = this.#peers.get(member);
    if (queue !== undefined) this.#dropQueue(member, queue);
    for (const held of this.#held.values()) {
      held.copies.delete(member);
      held.sources.delete(member);
    }
  }

  #dropQueue(member: MemberId, queue: PeerQueue): void {
    const lost = queue.clear();
    if (lost > 0) this.#counts.add("notices_dropped_gone", lost);
    for (const held of this.#held.values()) {
      if (held.copies.get(member) === "queued") held.copies.delete(member);
    }
  }

  /** The connection is back; it may be a new start of that member, which knows nothing. */
  #resendTo(member: MemberId): void {
    for (const held of this.#held.values()) {
      if (held.solo || held.copies.has(member)) continue;
      if (held.producer || this.#leaving) this.#sendToOwners(held);
    }
  }

  #armGone(): void {
    const at = this.#absences.nextAt(this.#now);
    if (at === undefined || (at >= this.#goneTimerAt && this.#goneTimerAt > this.#now)) return;
    this.#goneTimerAt = at;
    this.#timers.set(at, () => {
      this.#goneTimerAt = Number.POSITIVE_INFINITY;
      this.#topology();
    });
  }

  #peer(member: MemberId): PeerQueue {
    let queue = this.#peers.get(member);
    if (queue === undefined) {
      queue = new PeerQueue();
      this.#peers.set(member, queue);
    }
    return queue;
  }

  #armRetry(queue: PeerQueue): void {
    const at = queue.retryAt(this.#now);
    if (at !== undefined) this.#timers.set(at, () => {});
  }

  // ── leaving ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #isHandedOver(): boolean {
    if (this.#dispatch.sendsInFlight > 0) return false;
    for (const queue of this.#peers.values()) if (!queue.isIdle) return false;
    return true;
  }

  /** What others took over is theirs; the rest is this member's own business again. */
  #resume(): void {
    if (!this.#resumable) return;
    this.#resumable = false;
    for (const timer of this.#leaveTimers.splice(0)) timer.live = false;
    this.#leaving = false;
    this.#left = false;
    for (const held of [...this.#held.values()]) {
      // Its producers wait for word of it and are no help: an owner must have it.
      if (held.solo) continue;
      if (!isWith(held, this.#rankings.of(held.event.topic).acting)) {
        if (held.role === "watcher") this.#armWatcher(held);
        continue;
      }
      if (held.role === "watcher") this.#settle(held, "handed_over");
      else this.#dispatch.drop(held, "handed_over");
    }
    this.#dispatch.cameBack(this.#view.localId);
    this.#topology();
  }

  /** The time for sends in flight is over. */
  #cutOff(): void {
    if (this.#left) return;
    this.#dispatch.handOver([...this.#held.values()], "cut claimed off");
    this.#dispatch.cancelAll();
    for (const held of this.#held.values()) {
      if (!isElsewhere(held)) this.#journal.putPending(held);
    }
    this.#sayLeft();
  }

  #sayLeft(): void {
    this.#left = true;
    this.#outputs.push({ kind: "left" });
  }

  /**
   * What "since" belongs to: this start, and the table. Answers name only topics that the asker owns, so after a change of
   * owners it must be told of everything again, however old.
   */
  get #pullToken(): string {
    return `${this.#options.boot}.${this.#tableDigest}`;
  }

  /** Equal on members that rank alike. */
  get #tableDigest(): string {
    const { members, redundancy } = this.#rankings;
    return digestOf(String(redundancy), ...[...members].sort()).toString(16);
  }

  /** Another cluster has other handlers: what comes before they are known here would find none and be settled. */
  #awaitHandlers(): void {
    this.#awaitsHandlers = true;
    this.#timers.set(this.#now + HANDLERS_WAIT_MS, () => this.#acceptWaiting());
  }

  #acceptWaiting(): void {
    if (!this.#awaitsHandlers) return;
    this.#awaitsHandlers = false;
    const waiting = [...this.#unaccepted];
    this.#unaccepted.clear();
    for (const held of waiting) {
      if (!held.settled && held.role === "watcher") this.#becomeOwner(held);
    }
  }

  #planted(bug: PlantedAlertBug): boolean {
    return this.#options.planted?.has(bug) === true;
  }

  // ── producers that disagree ───────────────────────────────────────────────────────────────────────────────────────

  #dropKept(held: Held, reason: Reason): void {
    const { event, stamp } = held;
    const { topic, id } = event;
    this.#tellOwners(held, { kind: "settled", topic, id, stamp, done: [], dropped: true });
    this.#settle(held, reason);
  }

  #keptHost(): ConstructorParameters<typeof KeptEvents>[0] {
    const self = this.#view.localId;
    return {
      ...{ self, delayMs: this.#options.delayMs, rankings: this.#rankings },
      ...{ timers: this.#timers, counts: this.#counts },
      now: () => this.#now,
      runs: (member, topic) => {
        if (!this.#isInline(topic)) return true;
        const { runners } = this.#inline;
        return member === self ? runners.isOpen(topic) : runners.isInGroup(topic, member);
      },
      take: (held) => this.#becomeOwner(held),
      drop: (held) => this.#dropKept(held, "lead_said_same"),
    };
  }

  #isInline(topic: string): boolean {
    return this.#options.isInline?.(topic) === true;
  }

  /** Who shares these topics has changed: events and waits move accordingly. */
  #groupsChanged(topics: ReadonlySet<string>): void {
    for (const topic of topics) this.#rankings.forget(topic);
    let any = false;
    for (const held of [...this.#held.values()]) {
      if (!held.inline || !topics.has(held.event.topic)) continue;
      if (!any) {
        this.#epoch++;
        this.#changedAt = this.#now;
        any = true;
      }
      this.#place(held);
    }
    if (any) this.#dispatch.runAll();
  }

  #heldOf(topic: string): readonly Held[] {
    const of = (held: Held): boolean => held.event.topic === topic && !held.solo;
    return [...this.#held.values()].filter(of);
  }

  #inlineHost(random: Random): InlineHost {
    const { boot, fullSyncMs } = this.#options;
    const self = this.#view.localId;
    return {
      ...{ self, boot, fullSyncMs, random, timers: this.#timers, counts: this.#counts },
      now: () => this.#now,
      others: () => this.#rankings.members.filter((member) => member !== self),
      isLinked: (member) => this.#absences.link(member) === "up",
      tell: (to, announcement) => this.#outputs.push({ kind: "announce", to, announcement }),
      changed: (topics) => this.#groupsChanged(topics),
      handOver: (topic) => {
        const { acting } = this.#rankings.of(topic);
        if (!acting.some((member) => member !== self)) return;
        this.#dispatch.handOver(this.#heldOf(topic), "finish claimed");
      },
      isSending: (topic) => this.#dispatch.isSending(topic),
      letGo: (topic) => {
        for (const held of this.#heldOf(topic)) {
          if (isElsewhere(held)) this.#dispatch.drop(held, "handed_over");
        }
      },
    };
  }

  /** Place of a send among the outputs that are not taken yet. */
  #unstarted(ticket: number): number {
    return this.#outputs.findIndex((one) => one.kind === "start" && one.ticket === ticket);
  }

  #withdraw(ticket: number): boolean {
    const at = this.#unstarted(ticket);
    if (at < 0) return this.#ports.withdraw?.(ticket) === true;
    this.#outputs.splice(at, 1);
    return true;
  }

  #isHeldBack(): boolean {
    return this.#pulls.isShut && !this.#planted("no-pull-gate");
  }

  #pullHost(random: Random): PullHost {
    const { delayMs, fullSyncMs } = this.#options;
    const self = this.#view.localId;
    return {
      delayMs,
      fullSyncMs,
      random,
      timers: this.#timers,
      counts: this.#counts,
      now: () => this.#now,
      others: () => this.#rankings.members.filter((member) => member !== self),
      isAway: (member) => this.#rankings.isGone(member) || !this.#rankings.members.includes(member),
      isLost: (member) => !["up", undefined].includes(this.#absences.link(member)),
      isLinked: (member) => this.#absences.link(member) === "up",
      digest: () => this.#completions.digest,
      sameOwners: ({ boot }) => boot.endsWith(`.${this.#tableDigest}`),
      ask: (from, request) => this.#outputs.push({ kind: "pull", from, request }),
      learn: (from, { entries, holds }) =>
        this.#dispatch.together(() => {
          for (const entry of entries) this.#dispatch.done(entry, "pull");
          for (const lane of holds) this.#dispatch.hold(lane, from, "queued");
        }),
      opened: () => this.#dispatch.runBlocked(),
    };
  }

  #dispatchHost(): ConstructorParameters<typeof Dispatch>[0] {
    return {
      self: this.#view.localId,
      delayMs: this.#options.delayMs,
      rankings: this.#rankings,
      completions: this.#completions,
      timers: this.#timers,
      counts: this.#counts,
      now: () => this.#now,
      ranksChangedAt: () => this.#changedAt,
      mayClaim: () => (this.#leaving ? "never" : this.#isHeldBack() ? "held" : "yes"),
      planted: (bug) => this.#planted(bug),
      start: (ticket, event, handler, brief) =>
        this.#outputs.push({ kind: "start", ticket, event, handler, brief }),
      cancel: (ticket) => this.#outputs.push({ kind: "cancel", ticket }),
      isQueued: (ticket) => this.#ports.isQueued?.(ticket) === true || this.#unstarted(ticket) >= 0,
      withdraw: (ticket) => this.#withdraw(ticket),
      tellOwners: (held, notice) => this.#tellOwners(held, notice),
      offerAgain: (held) => this.#offerAgain(held, this.#rankings.of(held.event.topic).acting),
      learned: (entry) => this.#learned(entry),
      partlySettled: (held) => this.#journal.updatePending(held),
      allSettled: (held) => this.#settle(held, undefined),
    };
  }
}

/** Told to nobody, because another producer had said the same before. */
const DROPPED: readonly string[] = [];

/** Does another member have a copy, as far as this one knows? */
function isElsewhere(held: Held): boolean {
  for (const state of held.copies.values()) if (state !== "queued") return true;
  return false;
}

function doneNotice(event: AlertEvent, handler: string, by: MemberId): Notice {
  const { topic, id } = event;
  return { kind: "done", topic, id, handler, stamp: stampOf(event), by };
}

/** Has one of these members a copy, as far as this one knows? */
function isWith(held: Held, members: readonly MemberId[]): boolean {
  return members.some((member) => (held.copies.get(member) ?? "queued") !== "queued");
}

/** Members this one sent the event to, whether or not they own the topic by now. */
function receivers(held: Held): readonly MemberId[] {
  const out: MemberId[] = [];
  for (const [member, state] of held.copies) if (state !== "came") out.push(member);
  return out;
}
