/**
 * Alert ownership of one member as a state machine: who sends each event, and that it happens once.
 *
 * Inputs are methods with the time, outputs are collected and taken with `flush`; nothing in here waits, reads a clock
 * or touches a socket, so the simulator runs the same lines. `now` is *core time*: monotonic milliseconds without the
 * stalls of this process, so that every wait is extended by a stall without being touched (reference gossip.md §13).
 * A stand-alone daemon is a cluster of one and takes the same path. This is only the face: each input goes to the part it
 * belongs to, and `core-parts.ts` connects the parts. Source: reference gossip.md §14.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { Random } from "#lib/random.ts";
import type { ClusterView, MemberId } from "../ports.ts";
import type { LinkState } from "./absences.ts";
import type { Announcement, AnnouncementAnswer } from "./announcements.ts";
import { CoreParts, type CoreStart } from "./core-parts.ts";
import type { Batch, PullAnswer, PullRequest } from "./notices.ts";
import type { Output } from "./outputs.ts";
import type { CoreOptions, CorePorts, PendingRow } from "./ports.ts";
import type { TopicOwners } from "./ranking.ts";

export class OwnershipCore {
  readonly #parts: CoreParts;
  readonly #self: MemberId;
  #now: number;
  /** Of batches and writes put out. */
  #number = 0;

  constructor(ports: CorePorts, random: Random, options: CoreOptions, start: CoreStart) {
    this.#now = start.now;
    this.#self = start.view.localId;
    this.#parts = new CoreParts(ports, random, options, { ...start, now: () => this.#now });
  }

  // ── inputs: events and sends ──────────────────────────────────────────────────────────────────────────────────────

  publish(event: AlertEvent, scope: "cluster" | "local", now: number): void {
    this.#now = now;
    this.#parts.intake.publish(event, scope);
  }

  /**
   * Takes up what an earlier start left on disk. To be called once the handlers are attached, also those of tasks:
   * an event without handlers is settled.
   */
  recover(rows: Iterable<PendingRow>, now: number): void {
    this.#now = now;
    for (const row of rows) this.#parts.intake.recover(row);
  }

  received(from: MemberId, batch: Batch, now: number): void {
    this.#now = now;
    this.#parts.dispatch.together(() => {
      for (const notice of batch.notices) this.#parts.inbox.apply(from, notice);
      batch.events.forEach((event, i) => {
        this.#parts.intake.receive(from, event, batch.before?.[i]);
      });
    });
  }

  /**
   * Does the sender of a batch wait for its acknowledgement? An event is safe with the first one: that of the foremost owner
   * but the sender. Notices are only repeated without.
   */
  isAwaited(from: MemberId, { before, events }: Batch): boolean {
    return events.some(({ topic }, i) => {
      const { acting } = this.#parts.rankings.of(topic);
      const foremost = acting[0] === from ? acting[1] : acting[0];
      return before?.[i] === undefined || foremost === this.#self || !acting.includes(this.#self);
    });
  }

  delivered(to: MemberId, number: number, now: number): void {
    this.#now = now;
    this.#parts.outbox.delivered(to, number);
  }

  /** `refused`: the peer understood the call and will never take this batch. */
  undelivered(to: MemberId, number: number, now: number, why: "failed" | "refused"): void {
    this.#now = now;
    this.#parts.outbox.undelivered(to, number, why);
  }

  /** `turn over`: only for now; asked for by `brief`. */
  sendFinished(ticket: number, succeeded: boolean | "turn over", now: number): void {
    this.#now = now;
    this.#parts.dispatch.sendFinished(ticket, succeeded);
  }

  /** The commit of a `write` output ended, well or not. */
  written(number: number, succeeded: boolean, now: number): void {
    this.#now = now;
    if (!succeeded) this.#parts.counts.add("persist_failed");
    this.#parts.journal.written(number);
  }

  // ── inputs: topics ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The handlers of the cluster that this member has joined are known here. */
  handlersKnown(now: number): void {
    this.#now = now;
    this.#parts.acceptance.handlersKnown();
  }

  /** The topic was deleted: all of it is forgotten, but for events stamped after `before`. */
  forgetTopic(topic: string, now: number, before?: number): void {
    this.#now = now;
    this.#parts.kept.forgetTopic(topic);
    this.#parts.persistence.forgetTopic(topic);
    this.#parts.events.forgetTopic(topic, before);
  }

  /**
   * A task's own topic has these handlers from now on, described so that equal sets have equal texts. It is shared with
   * the members that run the same.
   */
  openInline(topic: string, handlers: string, now: number): void {
    this.#now = now;
    this.#parts.inline.open(topic, handlers);
  }

  closeInline(topic: string, now: number): void {
    this.#now = now;
    this.#parts.inline.close(topic);
  }

  /** Tasks were started: the others may be told which inline topics run here. */
  inlineReady(now: number): void {
    this.#now = now;
    this.#parts.inline.announcements.ready();
  }

  /** Another member says which inline topics it runs. */
  announced(from: MemberId, announcement: Announcement, now: number): AnnouncementAnswer {
    this.#now = now;
    return this.#parts.inline.announcements.received(from, announcement);
  }

  /** The answer to an `announce` output; `undefined` when it failed. */
  announcementAnswered(
    from: MemberId,
    answer: AnnouncementAnswer | undefined | "refused",
    now: number,
  ): void {
    this.#now = now;
    this.#parts.inline.announcements.answered(from, answer);
  }

  // ── inputs: changes around this member ────────────────────────────────────────────────────────────────────────────

  setView(view: ClusterView, now: number): void {
    this.#now = now;
    this.#parts.topology.setView(view);
  }

  link(member: MemberId, state: LinkState, now: number): void {
    this.#now = now;
    this.#parts.topology.link(member, state);
  }

  /** The process was away; core time did not move meanwhile. */
  stalled(now: number, awayMs: number): void {
    this.#now = now;
    this.#parts.counts.add("stall");
    this.#parts.pulls.stalled();
    this.#parts.dispatch.wokeUp(awayMs);
  }

  /** Another member asks what was done. */
  answerPull(from: MemberId, request: PullRequest): PullAnswer {
    return this.#parts.pullAnswers.answer(from, request);
  }

  /** The answer to a `pull` output; `undefined` when it failed. */
  pulled(from: MemberId, answer: PullAnswer | undefined, now: number): void {
    this.#now = now;
    this.#parts.pulls.answered(from, answer);
  }

  /**
   * Hands everything over; `left` is put out when that is done or took too long. A member that is being removed goes on
   * by itself once its view has no others, or with them if the removal did not happen.
   */
  leave(why: "leaving" | "removed", now: number): void {
    this.#now = now;
    this.#parts.departure.leave(why);
  }

  /** Runs what is due. */
  tick(now: number): void {
    this.#now = now;
    this.#parts.timers.runDue(now);
  }

  // ── outputs ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes what is to be done. Call it once after a run of inputs; what they have in common travels together. */
  flush(now: number): readonly Output[] {
    this.#now = now;
    // First what others must know in case this process dies in a moment.
    const { departure, journal, outbox, outputs } = this.#parts;
    outputs.putFirst(outbox.takeBatches(() => ++this.#number));
    const writes = journal.take(++this.#number);
    if (writes !== undefined) outputs.push({ kind: "write", number: this.#number, writes });
    departure.endIfHandedOver();
    return outputs.take();
  }

  /** Nothing is kept back to be written later: the last `flush` follows. */
  closing(): void {
    this.#parts.journal.releaseHeard();
  }

  /** When `tick` is next due, core time; `undefined` when nothing waits. */
  nextAt(): number | undefined {
    return this.#parts.timers.nextAt();
  }

  /** See `Journal`: `settled()` closes a generation and waits until it is safe. */
  closeGeneration(): number {
    return this.#parts.journal.closeGeneration();
  }

  isSafe(generation: number): boolean {
    return this.#parts.journal.isSafe(generation);
  }

  owners(topic: string): TopicOwners {
    return this.#parts.rankings.of(topic);
  }

  /** Events kept for a topic, and sends of it under way. */
  duties(topic: string): { readonly pending: number; readonly sending: number } {
    return this.#parts.events.duties(topic);
  }

  /** Ages of what is known of other members' completions, ms. */
  syncAges(): ReadonlyMap<MemberId, number> {
    return this.#parts.pulls.ages();
  }

  /** Everything was handed over. */
  get hasLeft(): boolean {
    return this.#parts.departure.hasLeft;
  }

  /** Equal on members whose completion tables are equal. */
  get completionDigest(): string {
    return this.#parts.completions.digest;
  }

  counters(): Readonly<Record<string, number>> {
    const { counts } = this.#parts;
    const { primary, secondary } = this.#parts.dispatch.handled;
    return {
      "notification-dropped": counts.get("notice_late"),
      "primary-handle-count": primary,
      "secondary-handle-count": secondary,
      events_held: this.#parts.events.size,
      outbox_size: this.#parts.outbox.size,
      lanes: this.#parts.dispatch.lanes,
      sends_in_flight: this.#parts.dispatch.sendsInFlight,
      completion_ids: this.#parts.completions.size,
      events_deduplicated: counts.get("duplicate_pending") + counts.get("duplicate_settled"),
      events_kept_for_lead: this.#parts.kept.size,
      inline_topics: this.#parts.inline.runners.size,
      ...this.#parts.dispatch.takeovers,
      ...{ superseded: 0, heartbeats_sent: 0, ...counts.all() },
    };
  }
}
