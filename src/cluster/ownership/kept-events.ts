/**
 * Which producer of an event is believed, on this member: notes who says what, and keeps what goes its own way.
 *
 * Only the first acting owner decides, because two that decided by themselves could disagree; the others note what they
 * hear, so that one of them can go on, and are told what was dropped. Kept events wait less than `delay-per-member`: the
 * next owner hears of the decision before it would act. See `leads.ts` for how producers are judged.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Held } from "./held.ts";
import { Leads, type Said, type Verdict } from "./leads.ts";
import { KEPT_EVENTS_MAX, KEPT_SHARE } from "./limits.ts";
import type { Before } from "./notices.ts";
import type { Rankings } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import { stampOf } from "./stamp.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface KeptHost {
  readonly self: MemberId;
  readonly delayMs: number;
  readonly rankings: Rankings;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  /** Does the member run the task, as far as that is known? */
  runs(member: MemberId, topic: string): boolean;
  /** A kept event is taken in after all. */
  take(held: Held): void;
  /** Nobody is to be told of a kept event. */
  drop(held: Held): void;
}

export class KeptEvents {
  readonly #host: KeptHost;
  readonly #leads: Leads;
  readonly #kept = new Map<Said, Held>();

  constructor(host: KeptHost) {
    this.#host = host;
    const { delayMs } = host;
    this.#leads = new Leads({
      delayMs,
      now: () => host.now(),
      isActive: (member, topic) => this.#isActive(member, topic),
      decided: (said, how) => this.#decided(said, how),
    });
  }

  get size(): number {
    return this.#kept.size;
  }

  /** This member raises an event that it had not known. */
  say(held: Held): Verdict {
    const { self } = this.#host;
    const { topic, id } = held.event;
    held.before = this.#leads.lastOf(topic, id, self) ?? "first";
    return this.judge(held, self, held.before);
  }

  /** This member raises what another one did; returns what it raised of the ID before. */
  sayKnown(event: AlertEvent): Before {
    const { self } = this.#host;
    const before = this.#leads.lastOf(event.topic, event.id, self) ?? "first";
    this.note(self, event, before);
    return before;
  }

  /** Do its producers go different ways, as far as this member heard? */
  isDisputed({ topic, id }: AlertEvent): boolean {
    return this.#leads.isDisputed(topic, id);
  }

  /** It was dropped when another producer raised it, but not for this one's reasons. */
  isOverruled(event: AlertEvent, producer: MemberId, last: Before): boolean {
    const { topic, id } = event;
    const said = producer === this.#host.self ? this.#leads.lastOf(topic, id, producer) : last;
    const before = said === "first" ? undefined : said;
    return this.#leads.isOverruled({ topic, id, stamp: stampOf(event), before });
  }

  /** A producer said what is known already. */
  note(producer: MemberId, event: AlertEvent, last: Before): void {
    if (last === undefined) return;
    const { topic, id } = event;
    const before = last === "first" ? undefined : last;
    const said = { topic, id, stamp: stampOf(event), producer, before, isNew: false };
    this.#leads.said(said, false);
  }

  /** A producer said something new; what is to be kept is decided later through the host. */
  judge(held: Held, producer: MemberId, last: Before): Verdict {
    if (last === undefined) return "take";
    const { event, stamp } = held;
    const { topic, id } = event;
    const { counts, delayMs, now, rankings, self, timers } = this.#host;
    const before = last === "first" ? undefined : last;
    const said = { topic, id, stamp, producer, before, isNew: true };
    const isFirst = rankings.of(topic).acting[0] === self;
    const verdict = this.#leads.said(said, isFirst && this.#kept.size < KEPT_EVENTS_MAX);
    if (verdict !== "keep") return verdict;
    counts.add("kept_for_lead");
    held.kept = said;
    this.#kept.set(said, held);
    timers.set(now() + KEPT_SHARE * delayMs, () => {
      if (held.kept === said) this.#leads.expire(said);
    });
    return verdict;
  }

  /** It was taken or given up for another reason. */
  letGo(held: Held): void {
    const { kept } = held;
    if (kept === undefined) return;
    held.kept = undefined;
    this.#kept.delete(kept);
    this.#leads.forgetKept(kept);
  }

  forgetTopic(topic: string): void {
    this.#leads.forgetTopic(topic);
  }

  #isActive(member: MemberId, topic: string): boolean {
    const { rankings, runs, self } = this.#host;
    const isGone = rankings.isGone(member) || !rankings.members.includes(member);
    return (member === self || !isGone) && runs(member, topic);
  }

  #decided(said: Said, how: "take" | "drop"): void {
    const held = this.#kept.get(said);
    if (held === undefined) return;
    this.letGo(held);
    if (how === "drop") this.#host.drop(held);
    else {
      this.#host.counts.add("kept_taken");
      this.#host.take(held);
    }
  }
}
