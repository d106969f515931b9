/**
 * Alert ownership on the real world: the `Ownership` port over the core, RPC, the store and the clock.
 *
 * Inputs run the core at once, one after the other; what they ask for is performed together at the end of the turn, so
 * a thousand events published in one go leave in a few batches and one commit. Stalls of the process are measured here
 * and taken out of the core's time (reference gossip.md §13).
 */

import type { AlertEvent } from "#alert/event.ts";
import type { Outcome } from "#alert/outcome.ts";
import type { EventReceiver, Ownership } from "#alert/ports.ts";
import { type Cancel, type Clock, everyInStep } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { put, putLater, remove, type Store, type Write } from "#storage/store.ts";
import { announceInline } from "../calls/announce-inline.ts";
import { deliverAlerts, encodeBatch } from "../calls/deliver-alerts.ts";
import { encodePullAnswer, pullCompletions } from "../calls/pull-completions.ts";
import type { EventStamps } from "../event-stamps.ts";
import { BEAT_MS } from "../limits.ts";
import type { ClusterView, MemberId, Rpc } from "../ports.ts";
import { EncodedPayload, PATIENT } from "../rpc/codec.ts";
import { RpcError } from "../rpc/rpc-error.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import type { Announcement, AnnouncementAnswer } from "./announcements.ts";
import { rowKey } from "./completions.ts";
import { OwnershipCore } from "./core.ts";
import type { StoredWrite } from "./journal.ts";
import { alertCompletions, pendingAlerts } from "./kinds.ts";
import {
  ANNOUNCE_TIMEOUT_MS,
  batchTimeoutMs,
  LEAVE_MAX_MS,
  PULL_TIMEOUT_MS,
  STALL_MIN_MS,
} from "./limits.ts";
import { type Batch, type CompletionEntry, isSameBatch } from "./notices.ts";
import type { Output } from "./outputs.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { TopicOwners } from "./ranking.ts";

/** What of the membership is needed. */
export interface OwnershipMembership {
  view(): ClusterView;
  onChange(listener: (view: ClusterView) => void): void;
}

export interface OwnershipParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly rpc: Rpc;
  readonly membership: OwnershipMembership;
  readonly receiver: EventReceiver;
  /** Stamps what is raised here, and cuts stamps of others that are too far ahead; absent: neither. */
  readonly stamps?: Pick<EventStamps, "stamped" | "taken">;
  /** See `CorePorts`. */
  readonly settledByOwners?: (event: AlertEvent) => void;
}

export interface OwnershipOptions {
  /** Boot number of this process. */
  readonly boot: bigint;
  /** `[alert] delay-per-member`, ms. */
  readonly delayMs: number;
  /** `[alert] full-sync-interval`, ms. */
  readonly fullSyncMs: number;
  /** Topics of single tasks; none when absent. */
  readonly isInline?: (topic: string) => boolean;
  /** `[alert] deduplicate-inline`: share them with the members that run the same. Default true. */
  readonly sharesInline?: boolean;
  /** Deliberate faults, passed by tests only. */
  readonly planted?: ReadonlySet<PlantedAlertBug>;
}

interface SettledWaiter {
  readonly generation: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** On leaving, what the hand-over itself takes at most beyond the sends in flight, ms. */
const LEAVE_MARGIN_MS = 500;

export class OwnershipService implements Ownership {
  readonly #parts: OwnershipParts;
  readonly #options: OwnershipOptions;
  readonly #core: OwnershipCore;
  /** Woken when everything is handed over. */
  #leavers: (() => void)[] = [];
  #waiters: SettledWaiter[] = [];
  /** Inputs that arrived while the core was running. */
  #later: ((now: number) => void)[] = [];
  #running = false;
  #flushSet = false;
  #beatAt: number;
  #stalledMs = 0;
  /** Of the flush under way. */
  #lastSent: { readonly batch: Batch; readonly payload: EncodedPayload } | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #cancelTimer: Cancel = () => {};
  #cancelBeat: Cancel = () => {};
  #closed = false;

  /** Reads the completions from disk. Events may be published from now on. Throws `StorageError`. */
  constructor(parts: OwnershipParts, options: OwnershipOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clock, membership, random, receiver, store, settledByOwners } = parts;
    this.#beatAt = clock.monoMs();
    this.#core = new OwnershipCore(
      {
        accept: (event) => receiver.accept(event),
        acceptCopy: (event) => (receiver.acceptCopy ?? receiver.accept).call(receiver, event),
        record: (event) => receiver.record?.(event),
        isQueued: (ticket) => receiver.isQueued?.(ticket) === true,
        withdraw: (ticket) => receiver.withdraw?.(ticket) === true,
        ...(settledByOwners === undefined ? {} : { settledByOwners }),
      },
      random,
      {
        boot: options.boot.toString(16),
        delayMs: options.delayMs,
        fullSyncMs: options.fullSyncMs,
        ...(options.isInline === undefined ? {} : { isInline: options.isInline }),
        ...(options.planted === undefined ? {} : { planted: options.planted }),
      },
      { view: membership.view(), now: this.#beatAt, completions: storedCompletions(store) },
    );
  }

  /** Starts answering and listening to other members. Call it before RPC accepts connections. */
  open(): void {
    const { clock, membership, rpc } = this.#parts;
    serve(rpc, deliverAlerts, (from, batch) => {
      const taken = this.#parts.stamps?.taken(batch, from) ?? batch;
      this.#input((now) => this.#core.received(from, taken, now));
      return this.#core.isAwaited(from, taken) ? null : PATIENT;
    });
    serve(rpc, pullCompletions, (from, request) =>
      encodePullAnswer(this.#core.answerPull(from, request)),
    );
    serve(rpc, announceInline, (from, announcement) => this.#announced(from, announcement));
    rpc.onLink((member, state) => this.#input((now) => this.#core.link(member, state, now)));
    membership.onChange((view) => this.#input((now) => this.#core.setView(view, now)));
    this.#beatAt = clock.monoMs();
    this.#cancelBeat = everyInStep(clock, BEAT_MS, () => this.#beat());
    this.#input((now) => this.#core.setView(membership.view(), now));
  }

  /**
   * Takes up the events that an earlier start left unsettled on disk. Call it when topic handlers are attached and
   * tasks run, because an event for which no handler is found is settled.
   */
  recover(): void {
    this.#input((now) => this.#core.inlineReady(now));
    const rows = this.#parts.store
      .table(pendingAlerts)
      .entries()
      .map(([row, pending]) => ({ row, ...pending }));
    if (rows.length === 0) return;
    this.#parts.log.info("unsettled alerts of the last run are taken up", { count: rows.length });
    this.#input((now) => this.#core.recover(rows, now));
  }

  publish(event: AlertEvent, scope: "cluster" | "local"): void {
    const { stamps } = this.#parts;
    const raised = scope === "cluster" && stamps !== undefined ? stamps.stamped(event) : event;
    this.#input((now) => this.#core.publish(raised, scope, now));
  }

  openInline(topic: string, handlers: string): void {
    const { isInline, sharesInline = true } = this.#options;
    if (!sharesInline || isInline?.(topic) !== true) return;
    this.#input((now) => this.#core.openInline(topic, handlers, now));
  }

  closeInline(topic: string): void {
    this.#input((now) => this.#core.closeInline(topic, now));
  }

  sendFinished(ticket: number, outcome: Outcome, how?: "turn over"): void {
    const end = how ?? outcome.kind === "sent";
    this.#input((now) => this.#core.sendFinished(ticket, end, now));
  }

  /** Rejects with `StorageError` when the disk did not take what had to be written. */
  settled(): Promise<void> {
    const generation = this.#core.closeGeneration();
    if (this.#later.length === 0 && this.#core.isSafe(generation)) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ generation, resolve, reject });
    return promise;
  }

  /** The handlers of the cluster that this member joined are known here: events may be matched to them. */
  handlersKnown(): void {
    this.#input((now) => this.#core.handlersKnown(now));
  }

  forgetTopic(topic: string, before?: number): void {
    this.#input((now) => this.#core.forgetTopic(topic, now, before));
  }

  owners(topic: string): TopicOwners {
    return this.#core.owners(topic);
  }

  /** How long ago the completions of each other member were last learned, ms; without those never asked. */
  syncAges(): ReadonlyMap<MemberId, number> {
    return this.#core.syncAges();
  }

  /** Events kept for a topic, and sends of it under way. */
  duties(topic: string): { readonly pending: number; readonly sending: number } {
    return this.#core.duties(topic);
  }

  /**
   * Hands unsettled events over to other members; resolves when that is done, after 10 s at the latest. A member that is
   * removed goes on by itself as soon as its view shows no others.
   */
  async handOver(why: "leaving" | "removed"): Promise<void> {
    if (this.#closed) return;
    this.#input((now) => this.#core.leave(why, now));
    if (this.#core.hasLeft) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#leavers.push(resolve);
    const cancel = this.#parts.clock.after(LEAVE_MAX_MS + LEAVE_MARGIN_MS, resolve);
    await promise;
    cancel();
  }

  /** Hands over if that was not done, writes what is left to disk, and stops. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.handOver("leaving");
    this.#core.closing();
    this.#flush();
    this.#closed = true;
    this.#cancelBeat();
    this.#cancelTimer();
    for (const { resolve } of this.#waiters) resolve();
    this.#waiters = [];
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#core.counters(), stalled_ms: Math.round(this.#stalledMs) };
  }

  /** Runs the core now, or after the run that is under way: accepting an event may publish another one. */
  #input(run: (now: number) => void): void {
    if (this.#closed) return;
    this.#later.push(run);
    if (this.#running) return;
    this.#running = true;
    try {
      this.#checkStall();
      for (let next = this.#later.shift(); next !== undefined; next = this.#later.shift()) {
        next(this.#now());
      }
    } finally {
      this.#running = false;
    }
    if (this.#flushSet) return;
    this.#flushSet = true;
    queueMicrotask(() => {
      this.#flushSet = false;
      if (!this.#closed) this.#flush();
    });
  }

  /** Core time: monotonic, without the stalls. */
  #now(): number {
    return this.#parts.clock.monoMs() - this.#stalledMs;
  }

  #beat(): void {
    this.#checkStall();
    this.#beatAt = this.#parts.clock.monoMs();
  }

  /** A heartbeat that is late by too much means that this process was away; the core learns it before anything else. */
  #checkStall(): void {
    const mono = this.#parts.clock.monoMs();
    const late = mono - this.#beatAt - BEAT_MS;
    if (late <= STALL_MIN_MS || this.#options.planted?.has("no-stall") === true) return;
    this.#beatAt = mono;
    this.#stalledMs += late;
    this.#parts.log.warn("the process did not run for a while", { duration_ms: Math.round(late) });
    this.#core.stalled(this.#now(), late);
  }

  #flush(): void {
    for (const output of this.#core.flush(this.#now())) this.#perform(output);
    this.#lastSent = undefined;
    this.#wakeWaiters();
    this.#armTimer();
  }

  #armTimer(): void {
    const at = this.#core.nextAt() ?? Number.POSITIVE_INFINITY;
    if (at === this.#timerAt) return;
    // Also when it is later than before: what was waited for has mostly happened, and waking up in vain costs far more.
    this.#cancelTimer();
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#parts.clock.after(Math.max(0, at - this.#now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      // Adding and subtracting stalls may lose the last bit: never tick before the time that was asked for.
      this.#input((now) => this.#core.tick(now < at && at - now < 1 ? at : now));
    });
  }

  #perform(output: Output): void {
    const { receiver } = this.#parts;
    switch (output.kind) {
      case "batch":
        this.#sendBatch(output);
        return;
      case "start":
        receiver.send(output.ticket, output.event, output.handler, output.brief);
        return;
      case "cancel":
        receiver.cancel(output.ticket);
        return;
      case "write":
        this.#write(output.number, output.writes);
        return;
      case "pull":
        this.#pull(output);
        return;
      case "announce":
        this.#announce(output);
        return;
      case "left":
        for (const wake of this.#leavers.splice(0)) wake();
        return;
    }
  }

  #sendBatch({ to, number, batch }: Extract<Output, { kind: "batch" }>): void {
    const timeoutMs = batchTimeoutMs(this.#options.delayMs);
    ask(this.#parts.rpc, deliverAlerts, to, { payload: this.#payloadOf(batch), timeoutMs }).then(
      () => this.#input((now) => this.#core.delivered(to, number, now)),
      (error) => {
        const why = isRefusal(error) ? "refused" : "failed";
        if (why === "refused") this.#logRefusal(to, error);
        this.#input((now) => this.#core.undelivered(to, number, now, why));
      },
    );
  }

  /** What goes to several members alike is encoded once. */
  #payloadOf(batch: Batch): EncodedPayload {
    const last = this.#lastSent;
    if (last !== undefined && isSameBatch(last.batch, batch)) return last.payload;
    const payload = new EncodedPayload(encodeBatch(batch));
    this.#lastSent = { batch, payload };
    return payload;
  }

  #pull({ from, request }: Extract<Output, { kind: "pull" }>): void {
    const how = { payload: request, timeoutMs: PULL_TIMEOUT_MS };
    ask(this.#parts.rpc, pullCompletions, from, how).then(
      (answer) => this.#input((now) => this.#core.pulled(from, answer, now)),
      () => this.#input((now) => this.#core.pulled(from, undefined, now)),
    );
  }

  #announce({ to, announcement }: Extract<Output, { kind: "announce" }>): void {
    const how = { payload: announcement, timeoutMs: ANNOUNCE_TIMEOUT_MS };
    ask(this.#parts.rpc, announceInline, to, how).then(
      (answer) => this.#input((now) => this.#core.announcementAnswered(to, answer, now)),
      (error) => {
        const answer = isRefusal(error) ? "refused" : undefined;
        this.#input((now) => this.#core.announcementAnswered(to, answer, now));
      },
    );
  }

  /** Answered when it is taken in; a call from within the core cannot happen, so that is now. */
  #announced(from: MemberId, announcement: Announcement): AnnouncementAnswer {
    let answer: AnnouncementAnswer = { taken: false, digest: "" };
    this.#input((now) => {
      answer = this.#core.announced(from, announcement, now);
    });
    return answer;
  }

  #logRefusal(member: MemberId, error: unknown): void {
    this.#parts.log.warn("a member refused alerts", { member, err: errorMessage(error) });
  }

  #write(number: number, writes: readonly StoredWrite[]): void {
    this.#parts.store.commit(writes.map(toWrite)).then(
      () => this.#input((now) => this.#core.written(number, true, now)),
      (error) => {
        this.#parts.log.error("alerts could not be written to disk", { err: errorMessage(error) });
        const waiters = this.#waiters;
        this.#waiters = [];
        for (const { reject } of waiters) reject(error);
        this.#input((now) => this.#core.written(number, false, now));
      },
    );
  }

  #wakeWaiters(): void {
    while (this.#waiters.length > 0) {
      const [first] = this.#waiters;
      if (first === undefined || !this.#core.isSafe(first.generation)) return;
      this.#waiters.shift();
      first.resolve();
    }
  }
}

/** The peer will never take it: its payload was understood to be wrong, or no frame can carry it. */
function isRefusal(error: unknown): boolean {
  return error instanceof RpcError && (error.reason === "answered" || error.reason === "too-large");
}

function toWrite(write: StoredWrite): Write {
  switch (write.kind) {
    case "put-pending":
      return put(pendingAlerts, write.key, write);
    case "remove-pending":
      return remove(pendingAlerts, write.key);
    case "put-completions": {
      const { mayWait, row } = write;
      const putRow = mayWait ? putLater : put;
      return putRow(alertCompletions, rowKey(row.topic, row.id), row);
    }
    case "remove-completions":
      return remove(alertCompletions, rowKey(write.topic, write.id));
  }
}

function* storedCompletions(store: Store): Iterable<CompletionEntry> {
  for (const [, { topic, id, handlers }] of store.table(alertCompletions).entries()) {
    for (const [handler, { stamp, by }] of Object.entries(handlers)) {
      yield { topic, id, handler, stamp, by };
    }
  }
}
