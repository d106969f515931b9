/**
 * One handler's way to the world: attempts, pauses, order and bounds.
 *
 * Events of one ID go out one after another in the order given; different IDs go out side by side. A failed
 * attempt is repeated after a growing, jittered pause (or the one the receiver asked for) until a count or an
 * age is reached. While an ID is in trouble, or the receiver as a whole, the newest event of an ID supersedes the older
 * unsent ones: people need the present state, not the history, and a hung receiver must not fill the memory. A slow but healthy receiver gets every event. Every send ends in exactly one
 * call of `finished`, unless it was cancelled. A *brief* send ends after its first few failures (`passedOn`), because
 * another member can try.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import type { Delivery, Handler } from "./handler.ts";
import {
  type DeliveryLimits,
  TROUBLE_FAILURES,
  TURN_ATTEMPTS,
  TURN_MS,
  TURN_PAUSE_MS,
} from "./limits.ts";
import type { Outcome } from "./outcome.ts";

/** What a handler did since it was attached. All but `waiting`, `inFlight` and `lastError` only grow. */
export interface DeliveryCounters {
  sent: number;
  /** Ended `rejected`: will never work. */
  failed: number;
  /** Attempts that will be or were repeated. */
  retried: number;
  /** Left to another member after the first attempts failed. */
  passedOn: number;
  /** Given up for a newer event of the same ID. */
  superseded: number;
  /** Given up after too many attempts or too long. */
  expired: number;
  /** Refused because the queue was full, or left over when the handler was removed. */
  dropped: number;
  /** Now waiting for their turn, a free place or the end of a pause. */
  waiting: number;
  /** Attempts under way now. */
  inFlight: number;
  /** Of the last attempt that failed, without secrets; empty when none did. */
  lastError: string;
}

/** Why a send ended without `sent`. */
export type EndReason = "sent" | "failed" | "passedOn" | "superseded" | "expired" | "dropped";

export interface QueueParts {
  readonly handler: Handler;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits: DeliveryLimits;
  finished(ticket: number, delivery: Delivery, outcome: Outcome, reason: EndReason): void;
}

interface Job {
  readonly ticket: number;
  readonly delivery: Delivery;
  readonly lane: Lane;
  readonly since: number;
  /** Another member can do it. */
  readonly brief: boolean;
  /** Aborts the attempt in flight. */
  stop: (() => void) | undefined;
  cancelled: boolean;
}

/**
 * The events of one ID, oldest first; the first is being sent, or waits for a free place or the end of a pause. The
 * pause belongs to the ID: whatever event is the newest at its end is tried next, so a stream of new events does
 * not hurry a receiver in trouble.
 */
interface Lane {
  readonly id: string;
  readonly jobs: Job[];
  state: "ready" | "inFlight" | "paused";
  /** Attempts failed in a row. */
  failures: number;
  endPause: Cancel | undefined;
  /** A newer event came during the attempt in flight and is kept elsewhere until its turn. */
  newerExists: boolean;
}

export class HandlerQueue {
  readonly #parts: QueueParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #jobs = new Map<number, Job>();
  /** Lanes to look at, from `#readyHead` on; a lane may be gone or changed by then. */
  #ready: Lane[] = [];
  #readyHead = 0;
  #inFlight = 0;
  /** Attempts of any ID that failed since the receiver last gave an answer to act on. */
  #failures = 0;
  #closing = false;
  #idle: (() => void) | undefined;
  readonly #counters: DeliveryCounters = {
    ...{ sent: 0, failed: 0, retried: 0, passedOn: 0, superseded: 0, expired: 0, dropped: 0 },
    ...{ waiting: 0, inFlight: 0, lastError: "" },
  };

  constructor(parts: QueueParts) {
    this.#parts = parts;
  }

  counters(): Readonly<DeliveryCounters> {
    let inFlight = 0;
    for (const job of this.#jobs.values()) if (job.stop !== undefined) inFlight++;
    return { ...this.#counters, waiting: this.#jobs.size - inFlight, inFlight };
  }

  /** Takes an event. When the queue is full it ends at once as `retry`, counted as dropped. */
  push(ticket: number, delivery: Delivery, brief = false): void {
    if (this.#closing || this.#jobs.size >= this.#parts.limits.waitingMax) {
      const error = this.#closing ? "the handler was removed" : "the handler's queue is full";
      this.#counters.dropped++;
      this.#counters.lastError = error;
      this.#parts.finished(ticket, delivery, { kind: "retry", error }, "dropped");
      return;
    }
    const { id } = delivery.event;
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      lane = { id, jobs: [], state: "ready", failures: 0, endPause: undefined, newerExists: false };
      this.#lanes.set(id, lane);
      this.#ready.push(lane);
    }
    const since = this.#parts.clock.monoMs();
    const job: Job = { ticket, delivery, lane, since, brief, stop: undefined, cancelled: false };
    lane.jobs.push(job);
    lane.newerExists = false;
    this.#jobs.set(ticket, job);
    if (this.#inTrouble(lane)) this.#supersede(lane, 1);
    this.#run();
  }

  /**
   * A newer event of an ID exists and will be pushed when its turn comes. While the ID or the receiver is in trouble,
   * what waits here is superseded now.
   */
  newerExists(id: string): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined) return;
    if (this.#inTrouble(lane)) this.#supersede(lane, 0);
    else if (lane.state === "inFlight") lane.newerExists = true;
  }

  #inTrouble({ state }: Lane): boolean {
    return state === "paused" || (state === "ready" && this.#failures >= TROUBLE_FAILURES);
  }

  /** Waits for a free place, and was never tried. */
  isQueued(ticket: number): boolean {
    const job = this.#jobs.get(ticket);
    return job !== undefined && job.stop === undefined && job.lane.failures === 0;
  }

  /** Forgets a send; `finished` is not called for it. */
  cancel(ticket: number): void {
    const job = this.#jobs.get(ticket);
    if (job === undefined) return;
    job.cancelled = true;
    this.#jobs.delete(ticket);
    // The one in flight is taken out when its attempt ends.
    if (job.stop !== undefined) job.stop();
    else this.#leave(job);
  }

  /** Takes no more, lets what is held go on for the drain time, then gives it up and closes the handler. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#jobs.size > 0) await this.#drained();
    for (const job of [...this.#jobs.values()]) {
      job.cancelled = true;
      this.#counters.dropped++;
      const outcome: Outcome = { kind: "retry", error: "the handler was removed" };
      this.#parts.finished(job.ticket, job.delivery, outcome, "dropped");
      job.stop?.();
    }
    for (const lane of this.#lanes.values()) lane.endPause?.();
    this.#jobs.clear();
    this.#lanes.clear();
    this.#ready = [];
    this.#readyHead = 0;
    await this.#parts.handler.close?.();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(this.#parts.limits.drainMs, resolve);
      this.#idle = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Starts what may start. Sends may push again before this returns, so each lane is taken before it is used. */
  #run(): void {
    while (this.#inFlight < this.#parts.limits.inFlightMax) {
      const lane = this.#takeReady();
      if (lane === undefined) return;
      const job = lane.jobs[0];
      if (lane.state !== "ready") continue;
      if (job === undefined) {
        // All was superseded, and the newer event did not come before the turn did.
        if (this.#lanes.get(lane.id) === lane) this.#lanes.delete(lane.id);
        continue;
      }
      lane.state = "inFlight";
      this.#inFlight++;
      this.#attempt(job);
    }
  }

  #takeReady(): Lane | undefined {
    if (this.#readyHead >= this.#ready.length) {
      this.#ready = [];
      this.#readyHead = 0;
      return undefined;
    }
    const lane = this.#ready[this.#readyHead++];
    // Taken ones are thrown away in bulk: removing them one by one would cost the length each time.
    if (this.#readyHead > 1024) {
      this.#ready = this.#ready.slice(this.#readyHead);
      this.#readyHead = 0;
    }
    return lane;
  }

  #attempt(job: Job): void {
    const { clock, limits } = this.#parts;
    const abort = new AbortController();
    let isOver = false;
    const end = (outcome: Outcome): void => {
      if (isOver) return;
      isOver = true;
      cancelLimit();
      job.stop = undefined;
      this.#inFlight--;
      this.#ended(job, outcome);
      this.#run();
    };
    const stop = (error: string): void => {
      // Not within this call: who cancels is in the middle of something.
      queueMicrotask(() => end({ kind: "retry", error }));
      abort.abort(new Error(error));
    };
    const limitMs = limits.attemptTimeoutMs;
    const cancelLimit = clock.after(limitMs, () => stop(`no answer within ${limitMs / 1000}s`));
    job.stop = () => stop("cancelled");
    void this.#send(job, abort.signal).then(end);
  }

  async #send(job: Job, signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#parts.handler.send(job.delivery, signal);
    } catch (error) {
      return { kind: "retry", error: errorMessage(error) };
    }
  }

  #ended(job: Job, outcome: Outcome): void {
    if (job.cancelled) {
      this.#leave(job);
      return;
    }
    this.#failures = outcome.kind === "retry" ? this.#failures + 1 : 0;
    if (outcome.kind !== "sent") this.#counters.lastError = outcome.error;
    switch (outcome.kind) {
      case "sent":
        this.#finish(job, outcome, "sent");
        return;
      case "rejected":
        this.#finish(job, outcome, "failed");
        return;
      case "retry":
        this.#failedOnce(job, outcome);
    }
  }

  #failedOnce(job: Job, outcome: Outcome & { readonly kind: "retry" }): void {
    const { limits, clock, log } = this.#parts;
    const { lane } = job;
    const age = clock.monoMs() - job.since;
    lane.failures++;
    if (lane.failures >= limits.attemptsMax || age >= limits.ageMaxMs) {
      this.#finish(job, outcome, "expired");
      return;
    }
    const pauseMs = this.#pauseMs(job, outcome.afterMs);
    if (job.brief && outcome.afterMs === undefined && this.#isTurnOver(lane, age + pauseMs)) {
      this.#finish(job, outcome, "passedOn");
      return;
    }
    this.#counters.retried++;
    log.debug("send will be repeated", { event: job.delivery.event.id, err: outcome.error });
    lane.state = "paused";
    lane.endPause = clock.after(pauseMs, () => this.#resume(lane));
    this.#supersede(lane, lane.newerExists ? 0 : 1);
  }

  /** Other IDs fail too: it is not worth while to find that out for each. */
  #isTurnOver({ failures }: Lane, endMs: number): boolean {
    return failures >= TURN_ATTEMPTS || this.#failures > TROUBLE_FAILURES || endMs > TURN_MS;
  }

  #pauseMs({ lane, brief }: Job, afterMs: number | undefined): number {
    const { limits, random } = this.#parts;
    if (afterMs !== undefined) return Math.min(Math.max(0, afterMs), limits.retryAfterMaxMs);
    const first = brief ? TURN_PAUSE_MS : limits.backoffMs;
    const full = Math.min(first * 2 ** (lane.failures - 1), limits.backoffMaxMs);
    return full * (0.5 + random.float() / 2);
  }

  #resume(lane: Lane): void {
    lane.endPause = undefined;
    if (lane.jobs.length === 0) {
      this.#lanes.delete(lane.id);
      return;
    }
    lane.state = "ready";
    this.#ready.push(lane);
    this.#run();
  }

  /** In trouble only the newest event of an ID is worth sending: gives up all but the last `keep`. */
  #supersede(lane: Lane, keep: 0 | 1): void {
    const error = "superseded by a newer event of the same ID";
    for (const job of lane.jobs.splice(0, lane.jobs.length - keep)) {
      this.#jobs.delete(job.ticket);
      this.#counters.superseded++;
      this.#parts.finished(job.ticket, job.delivery, { kind: "rejected", error }, "superseded");
    }
    if (this.#jobs.size === 0) this.#idle?.();
    this.#dropIdle(lane);
  }

  /** Pauses without events are remembered only while there are not too many. */
  #dropIdle(lane: Lane): void {
    if (lane.jobs.length > 0 || this.#lanes.size <= 2 * this.#parts.limits.waitingMax) return;
    lane.endPause?.();
    this.#lanes.delete(lane.id);
  }

  #finish(job: Job, outcome: Outcome, reason: EndReason): void {
    this.#counters[reason]++;
    this.#jobs.delete(job.ticket);
    job.lane.failures = 0;
    this.#leave(job);
    this.#parts.finished(job.ticket, job.delivery, outcome, reason);
  }

  /** Takes a job out of its lane; after an attempt the next one becomes ready. */
  #leave(job: Job): void {
    const { lane } = job;
    const at = lane.jobs.indexOf(job);
    if (at >= 0) lane.jobs.splice(at, 1);
    if (lane.state === "inFlight" && at === 0) {
      lane.state = "ready";
      if (lane.jobs.length > 0) this.#ready.push(lane);
    }
    if (lane.state === "ready" && lane.jobs.length === 0) this.#lanes.delete(lane.id);
    if (this.#jobs.size === 0) this.#idle?.();
    this.#run();
  }
}
