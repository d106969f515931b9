/**
 * A handler attached to a topic: its checked definition, its queue and its counters.
 *
 * A definition this member cannot run (a kind or option of a newer version, a file that is gone) stays attached as
 * *broken*: its sends end at once as `retry`, so that another owner may do them, and the reason is shown.
 */

import { errorMessage } from "#lib/errors.ts";
import type { StopReason } from "./deliver.ts";
import type { Delivery, HandlerServices, HandlerSpec } from "./handler.ts";
import type { CheckedHandler } from "./handler-kinds.ts";
import { type DeliveryCounters, HandlerQueue, type QueueParts } from "./handler-queue.ts";
import { compileEventMatch, type EventMatch } from "./match.ts";
import type { Outcome } from "./outcome.ts";

/** What the API shows of a handler's work. */
export interface HandlerReport extends Readonly<DeliveryCounters> {
  readonly topic: string;
  readonly id: string;
  readonly kind: string;
  /** Events that a stage stopped before sending, by reason. */
  readonly stopped: Readonly<Record<StopReason, number>>;
  /** Why the handler cannot run here; empty when it can. */
  readonly broken: string;
}

/** Who the handler is; `spec` is undefined for inline handlers. */
export interface HandlerIdentity {
  readonly topic: string;
  readonly id: string;
  readonly kind: string;
  readonly spec: HandlerSpec | undefined;
}

type QueueOptions = Omit<QueueParts, "handler">;

export class AttachedHandler {
  readonly identity: HandlerIdentity;
  readonly match: EventMatch;
  /** Sends outside of the process; the others run on every owner. */
  readonly external: boolean;
  readonly stopped: Record<StopReason, number> = { matchFalse: 0, matchError: 0, silenced: 0 };
  readonly #queue: HandlerQueue | undefined;
  readonly #finished: QueueParts["finished"];
  readonly #broken: string;

  private constructor(
    identity: HandlerIdentity,
    parts: {
      readonly match: EventMatch;
      readonly external: boolean;
      readonly queue: HandlerQueue | undefined;
      readonly finished: QueueParts["finished"];
      readonly broken: string;
    },
  ) {
    this.identity = identity;
    this.match = parts.match;
    this.external = parts.external;
    this.#queue = parts.queue;
    this.#finished = parts.finished;
    this.#broken = parts.broken;
  }

  /** Opens a checked handler. When that fails it is attached as broken. */
  static open(
    identity: HandlerIdentity,
    checked: CheckedHandler,
    services: HandlerServices,
    options: QueueOptions,
  ): AttachedHandler {
    const { kind, match } = checked;
    try {
      const handler = kind.open(checked.options, services);
      const queue = new HandlerQueue({ ...options, handler });
      const { finished } = options;
      return new AttachedHandler(identity, {
        match,
        external: kind.external,
        queue,
        finished,
        broken: "",
      });
    } catch (error) {
      return AttachedHandler.broken(identity, errorMessage(error), options);
    }
  }

  static broken(identity: HandlerIdentity, reason: string, options: QueueOptions): AttachedHandler {
    const match = compileEventMatch("");
    const { finished } = options;
    return new AttachedHandler(identity, {
      ...{ match, external: true, queue: undefined },
      ...{ finished, broken: reason },
    });
  }

  /** `brief`: see `TURN_ATTEMPTS`. */
  send(ticket: number, delivery: Delivery, brief = false): void {
    if (this.#queue !== undefined) {
      this.#queue.push(ticket, delivery, brief);
      return;
    }
    const outcome: Outcome = { kind: "retry", error: this.#broken };
    this.#finished(ticket, delivery, outcome, "dropped");
  }

  /** See `HandlerQueue.newerExists`. */
  newerExists(id: string): void {
    this.#queue?.newerExists(id);
  }

  cancel(ticket: number): void {
    this.#queue?.cancel(ticket);
  }

  /** See `HandlerQueue.isQueued`. */
  isQueued(ticket: number): boolean {
    return this.#queue?.isQueued(ticket) === true;
  }

  report(): HandlerReport {
    const { topic, id, kind } = this.identity;
    const counters = this.#queue?.counters() ?? NO_COUNTERS;
    return { topic, id, kind, ...counters, stopped: { ...this.stopped }, broken: this.#broken };
  }

  /** Drains and closes; see `HandlerQueue.close`. */
  async close(): Promise<void> {
    await this.#queue?.close();
  }
}

const NO_COUNTERS: Readonly<DeliveryCounters> = {
  ...{ sent: 0, failed: 0, retried: 0, passedOn: 0, superseded: 0, expired: 0, dropped: 0 },
  ...{ waiting: 0, inFlight: 0, lastError: "" },
};
