/**
 * This member becomes an owner of an event: it asks which handlers are to be told, and gives each its work.
 *
 * A member that has just joined a cluster does not know its handlers yet: an event that came before them would find none
 * and be settled, so it waits for them, for a bounded time.
 */

import type { MemberId } from "../ports.ts";
import type { Held } from "./held.ts";
import type { HeldEvents } from "./held-events.ts";
import type { KeptEvents } from "./kept-events.ts";
import { HANDLERS_WAIT_MS } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { CorePorts } from "./ports.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { Runners } from "./runners.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface AcceptanceHost {
  readonly self: MemberId;
  readonly ports: Pick<CorePorts, "accept" | "acceptCopy">;
  readonly runners: Runners;
  readonly kept: KeptEvents;
  readonly events: HeldEvents;
  readonly outbox: Outbox;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  /** Gives the event one work per handler. */
  dispatch(held: Held, handlers: readonly string[]): void;
}

export class Acceptance {
  readonly #host: AcceptanceHost;
  /** Joined a cluster whose handlers are not known here yet. */
  #awaitsHandlers = false;
  /** Events that came meanwhile. */
  readonly #unaccepted = new Set<Held>();

  constructor(host: AcceptanceHost) {
    this.#host = host;
  }

  becomeOwner(held: Held): void {
    const { counts, events, kept, ports } = this.#host;
    kept.letGo(held);
    if (this.#awaitsHandlers && !held.solo && !held.inline) {
      counts.add("waits_for_handlers");
      this.#unaccepted.add(held);
      return;
    }
    held.role = "owner";
    held.receivedAt = this.#host.now();
    const { event, inline, only } = held;
    const accepted = inline ? ports.acceptCopy(event) : ports.accept(event);
    const handlers = only === undefined ? accepted : accepted.filter((one) => only.includes(one));
    if (handlers.length > 0) {
      this.#host.dispatch(held, handlers);
      return;
    }
    if (inline && !held.solo && !this.#host.runners.isOpen(event.topic)) this.#passOn(held);
    events.settle(held, "no_handler");
  }

  /** Another cluster has other handlers: what comes before they are known here would find none and be settled. */
  awaitHandlers(): void {
    this.#awaitsHandlers = true;
    this.#host.timers.set(this.#host.now() + HANDLERS_WAIT_MS, () => this.handlersKnown());
  }

  /** They are known, or were waited for long enough. */
  handlersKnown(): void {
    if (!this.#awaitsHandlers) return;
    this.#awaitsHandlers = false;
    const waiting = [...this.#unaccepted];
    this.#unaccepted.clear();
    for (const held of waiting) {
      if (!held.settled && held.role === "watcher") this.becomeOwner(held);
    }
  }

  /** There are no handlers here just now: the next in rank is not to wait for this member. */
  #passOn(held: Held): void {
    const { outbox, self } = this.#host;
    outbox.tellOwners(held, { kind: "pass", event: held.event, handlers: null, failed: [self] });
  }
}
