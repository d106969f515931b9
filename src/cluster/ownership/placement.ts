/**
 * Moves held events when their owners change: to new owners, to this member when it became one, to disk when nobody else
 * is left. Source: reference gossip.md §14.4, §14.6.
 */

import type { MemberId } from "../ports.ts";
import type { Acceptance } from "./acceptance.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Held } from "./held.ts";
import type { HeldEvents } from "./held-events.ts";
import type { Outbox } from "./outbox.ts";
import type { OwnersEpoch } from "./owners-epoch.ts";
import type { Persistence } from "./persistence.ts";
import type { Rankings } from "./ranking.ts";

export interface PlacementHost {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly epoch: OwnersEpoch;
  readonly events: HeldEvents;
  readonly acceptance: Acceptance;
  readonly dispatch: Dispatch;
  readonly outbox: Outbox;
  readonly persistence: Persistence;
  /** Core time. */
  now(): number;
  isLeaving(): boolean;
}

export class Placement {
  readonly #host: PlacementHost;

  constructor(host: PlacementHost) {
    this.#host = host;
  }

  /** The acting owners of all topics may be others. */
  ownersChanged(): void {
    const { dispatch, epoch, events } = this.#host;
    epoch.begin(this.#host.now());
    for (const held of events.snapshot()) this.#place(held);
    dispatch.runAll();
  }

  /** Who shares these inline topics has changed: events and waits move accordingly. */
  groupsChanged(topics: ReadonlySet<string>): void {
    const { dispatch, epoch, events, rankings } = this.#host;
    for (const topic of topics) rankings.forget(topic);
    let any = false;
    for (const held of events.snapshot()) {
      if (!held.inline || !topics.has(held.event.topic)) continue;
      if (!any) epoch.begin(this.#host.now());
      any = true;
      this.#place(held);
    }
    if (any) dispatch.runAll();
  }

  /** The connection is back; it may be a new start of that member, which knows nothing. */
  resendTo(member: MemberId): void {
    const { events, outbox } = this.#host;
    for (const held of events.all()) {
      if (held.solo || held.copies.has(member)) continue;
      if (held.producer || this.#host.isLeaving()) outbox.sendToOwners(held);
    }
  }

  #place(held: Held): void {
    if (held.solo || held.settled) return;
    const { acceptance, outbox, persistence, rankings, self } = this.#host;
    const isActing = rankings.of(held.event.topic).acting.includes(self);
    if (held.producer || !isActing) outbox.sendToOwners(held);
    if (isActing && held.role === "watcher" && !this.#host.isLeaving()) {
      acceptance.becomeOwner(held);
    }
    // New owners get the event from its producer; which handlers were told already only owners can say.
    for (const handler of held.role === "owner" ? held.done : []) outbox.tellDone(held, handler);
    persistence.storeIfAlone(held);
  }
}
