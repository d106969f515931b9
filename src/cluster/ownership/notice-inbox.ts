/**
 * What other members say about events, taken into account: done, on hold, passed on, settled.
 *
 * Every notice may come twice, in any order, and before the event it speaks of. Source: reference gossip.md §14.3.
 */

import { eventKey } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Acceptance } from "./acceptance.ts";
import type { Dispatch } from "./dispatch.ts";
import { addTold, type Held } from "./held.ts";
import type { HeldEvents } from "./held-events.ts";
import type { Intake } from "./intake.ts";
import type { DoneNotice, Notice, PassNotice, SettledNotice } from "./notices.ts";
import type { Outbox } from "./outbox.ts";
import type { OwnersEpoch } from "./owners-epoch.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { Rankings } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { RecentKeys } from "./recent-keys.ts";
import { keyOf } from "./stamp.ts";

export interface NoticeInboxHost {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly epoch: OwnersEpoch;
  readonly recent: RecentKeys;
  readonly events: HeldEvents;
  readonly intake: Intake;
  readonly acceptance: Acceptance;
  readonly dispatch: Dispatch;
  readonly outbox: Outbox;
  readonly counts: ReasonCounts;
  planted(bug: PlantedAlertBug): boolean;
}

export class NoticeInbox {
  readonly #host: NoticeInboxHost;

  constructor(host: NoticeInboxHost) {
    this.#host = host;
  }

  apply(from: MemberId, notice: Notice): void {
    const { dispatch } = this.#host;
    switch (notice.kind) {
      case "done":
        if (!this.#host.planted("ignores-done")) this.#done(from, notice);
        return;
      case "hold":
        dispatch.hold(notice, from, notice.queued === true ? "queued" : "sending");
        return;
      case "pass":
        this.#passed(from, notice);
        return;
      case "settled":
        if (notice.dropped === true) this.#dropped(notice);
        else this.#settled(from, notice);
        return;
    }
  }

  #done(from: MemberId, notice: DoneNotice): void {
    const { dispatch, events } = this.#host;
    const { topic, id, stamp } = notice;
    const held = events.get(keyOf(topic, id, stamp));
    // Who stands in for an owner that only this member missed for a moment is unknown to the others. What was known already
    // is not passed on: two such members would tell each other for ever.
    const isOpen = held?.works.some(({ handler }) => handler === notice.handler) === true;
    if (isOpen && !held.solo) this.#forward(held, from, notice);
    dispatch.done(notice, "notice");
  }

  /** It carries the event: this member may have missed it. */
  #passed(from: MemberId, notice: PassNotice): void {
    const { acceptance, dispatch, events, intake } = this.#host;
    const key = eventKey(notice.event);
    if (!events.has(key)) intake.receive(from, notice.event, undefined, true);
    const held = events.get(key);
    if (held === undefined) {
      dispatch.letGo(notice);
      return;
    }
    if (held.role === "watcher") acceptance.becomeOwner(held);
    dispatch.passed(held, notice);
  }

  /** Another producer is believed, nobody is to be told. */
  #dropped({ topic, id, stamp }: SettledNotice): void {
    const { events, recent } = this.#host;
    const key = keyOf(topic, id, stamp);
    const held = events.get(key);
    if (held === undefined) {
      // Its copy may still be on its way here.
      if (!recent.has(key)) recent.rememberDropped(key);
      return;
    }
    events.drop(held, "lead_said_same");
    if (held.settled && held.done.length === 0) recent.rememberDropped(key);
  }

  #settled(from: MemberId, { topic, id, stamp, done }: SettledNotice): void {
    const { dispatch, events, rankings, self } = this.#host;
    const held = events.get(keyOf(topic, id, stamp));
    if (held === undefined) return;
    for (const handler of done) {
      const entry = { topic, id, handler, stamp, by: from };
      if (held.role === "owner") dispatch.done(entry, "settled");
      this.#forward(held, from, { kind: "done", ...entry });
    }
    const { acting } = rankings.of(topic);
    const isFormer = !acting.includes(self) && acting.includes(from);
    // What the owner could not tell, who stood in for it before need not tell either.
    if (held.role === "owner" && isFormer) dispatch.drop(held, "settled_by_owner");
    if (held.role === "watcher" && !this.#host.planted("keeps-copies")) {
      addTold(held, ...done);
      events.settle(held, "settled_by_owner");
    }
  }

  /** The owners changed since it was sent: one of them may not be told by the member that settled it. */
  #forward(held: Held, from: MemberId, notice: Notice): void {
    const { counts, epoch, outbox } = this.#host;
    if (held.epoch === epoch.number) return;
    for (const member of held.copies.receivers()) {
      if (member === from) continue;
      counts.add("settled_forwarded");
      outbox.tell(member, notice);
    }
  }
}
