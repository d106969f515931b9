/**
 * The alert core's façade: topics, attached handlers and delivery, behind the ports of `ports.ts`.
 *
 * Events come from alert nodes (`publish`) and go to `Ownership`; on each owner they come back through `accept`
 * (topic state, stages, who wants it) and `send` (the handler's queue). Inside it is all synchronous; waiting
 * happens only in the handlers' queues, so nothing here blocks a task.
 */

import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { compareTime, type Time } from "#lib/time.ts";
import type { PropertyCall, PropertySpec } from "#tick/environment.ts";
import { AttachedHandler, type HandlerIdentity, type HandlerReport } from "./attached-handler.ts";
import { type Candidate, decide } from "./deliver.ts";
import type { AlertEvent, EventState } from "./event.ts";
import { globalHandlers } from "./global-handlers.ts";
import type { Delivery, HandlerKind, HandlerServices, HandlerSpec } from "./handler.ts";
import { type CheckedHandler, HandlerKinds } from "./handler-kinds.ts";
import type { EndReason } from "./handler-queue.ts";
import { KindCounts } from "./kind-counts.ts";
import { type Level, OK } from "./level.ts";
import { DELIVERY_LIMITS, type DeliveryLimits, EARLY_EVENTS_MAX } from "./limits.ts";
import type { Outcome } from "./outcome.ts";
import type {
  DeliveryReports,
  EventReceiver,
  HandlerTable,
  Ownership,
  TopicDeletion,
  TopicInfo,
  TopicStates,
  TopicStore,
} from "./ports.ts";
import { Silences } from "./silence.ts";
import { TopicTable } from "./topic-table.ts";
import { Trace, type TracedEvent, type TraceEvaluation, type TraceStep } from "./trace.ts";

export interface AlertServiceOptions {
  /** `handlers/registry.ts`. */
  readonly kinds: readonly HandlerKind[];
  /** `publish` is added here. */
  readonly services: Omit<HandlerServices, "publish">;
  readonly store: TopicStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Default `DELIVERY_LIMITS`; `[alert] topic-buffer-length` is `waitingMax`. */
  readonly limits?: DeliveryLimits;
  /** Kinds that are refused: `-disable-handlers`. */
  readonly disabled?: ReadonlySet<string>;
}

/** Counters in the shape of `debug/vars`. */
export interface AlertStatistic {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, number>>;
}

interface RunningSend {
  readonly handler: AttachedHandler;
  readonly event: AlertEvent;
}

/** Also has the methods of the engine's `AlertPort`. */
export class AlertService implements EventReceiver, HandlerTable, TopicStates, DeliveryReports {
  readonly #options: AlertServiceOptions;
  readonly #limits: DeliveryLimits;
  readonly #kinds: HandlerKinds;
  readonly #services: HandlerServices;
  readonly #topics: TopicTable;
  readonly #silences = new Silences();
  readonly #trace = new Trace();
  readonly #counts = new KindCounts();
  /** Handlers by topic, in ascending order of IDs; inline ones in script order. */
  readonly #handlers = new Map<string, AttachedHandler[]>();
  /** Running sends by ticket. */
  readonly #sends = new Map<number, RunningSend>();
  readonly #closing = new Set<Promise<void>>();
  #ownership: Ownership | undefined;
  #early: { readonly event: AlertEvent; readonly scope: "cluster" | "local" }[] = [];
  #earlyDropped = 0;
  /** Internal handlers (publish, aggregate) are no one's tickets; theirs are negative. */
  #internalTicket = 0;

  constructor(options: AlertServiceOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DELIVERY_LIMITS;
    this.#kinds = new HandlerKinds(options.kinds, {
      ...(options.disabled === undefined ? {} : { disabled: options.disabled }),
      match: { now: () => options.clock.now() },
    });
    this.#services = {
      ...options.services,
      publish: (event) => this.publish(event, "cluster"),
      count: (name, tags, counter) => this.#counts.add(name, tags, counter),
    };
    this.#topics = new TopicTable(options.store, options.log);
  }

  /** Connects delivery. Events published before are handed over now. */
  setOwnership(ownership: Ownership): void {
    this.#ownership = ownership;
    const early = this.#early;
    this.#early = [];
    for (const { event, scope } of early) ownership.publish(event, scope);
  }

  // The engine's AlertPort.

  /** Takes an event for its topic; returns at once. */
  publish(event: AlertEvent, scope: "cluster" | "local"): void {
    if (this.#ownership !== undefined) {
      this.#ownership.publish(event, scope);
      return;
    }
    if (this.#early.length >= EARLY_EVENTS_MAX) {
      this.#early.shift();
      this.#earlyDropped++;
    }
    this.#early.push({ event, scope });
  }

  /** An evaluation that inhibition stopped: nothing is published, but the trace says why. */
  inhibited(event: TracedEvent & Pick<AlertEvent, "category">): void {
    const { topic, id, category } = event;
    this.#trace.begin(event, this.#topics.event(topic, id)?.level ?? OK);
    const reason = `an active alert inhibits category ${JSON.stringify(category)}`;
    const at = this.#options.clock.now();
    this.#trace.step(event, { stage: "inhibit", handler: "", verdict: "stopped", reason, at });
  }

  isBlank(topic: string): boolean {
    return this.#topics.isBlank(topic);
  }

  lastState(topic: string, id: string): EventState | undefined {
    return this.#topics.event(topic, id);
  }

  /** Handler IDs are `<kind><place>`, so they are the same after a restart. Throws `Error` for wrong options. */
  openInline(topic: string, calls: readonly PropertyCall[]): void {
    const checked = calls.map((call) => this.#kinds.inline(call));
    const globals = globalHandlers(this.#kinds, this.#services, calls);
    checked.push(...globals.kinds.map((kind) => this.#kinds.inlineOf(kind, {})));
    for (const { kind, options } of checked) {
      const problem = kind.checkHere?.(options, this.#services);
      if (problem !== undefined) throw new Error(problem);
    }
    this.#detachInline(topic);
    this.#handlers.set(
      topic,
      checked.map((handler, place) => {
        const { kind } = handler.kind;
        return this.#open({ topic, id: `${kind}${place}`, kind, spec: undefined }, handler);
      }),
    );
    if (checked.length > 0) this.#ownership?.openInline?.(topic, describe(checked));
  }

  /** Shared events are passed on before the handlers go. */
  closeInline(topic: string): void {
    this.#ownership?.closeInline?.(topic);
    this.#detachInline(topic);
  }

  #detachInline(topic: string): void {
    for (const handler of this.#handlers.get(topic) ?? []) this.#retire(handler);
    this.#handlers.delete(topic);
  }

  async settled(): Promise<void> {
    await this.#ownership?.settled();
    await this.#topics.settled();
  }

  /** Makes a topic remember a state as its own, here only and without telling any handler. */
  remember(topic: string, state: EventState): void {
    this.#topics.restore(topic, state);
  }

  /** What the configuration adds to an alert node with these handler properties. */
  globals(calls: readonly PropertyCall[]): {
    readonly kinds: readonly string[];
    readonly stateChangesOnly: boolean;
  } {
    const { kinds, stateChangesOnly } = globalHandlers(this.#kinds, this.#services, calls);
    return { kinds: kinds.map((kind) => kind.kind), stateChangesOnly };
  }

  /** The handler properties of the alert node, for the language's environment. */
  properties(): readonly PropertySpec[] {
    return this.#kinds.properties();
  }

  // EventReceiver.

  accept(event: AlertEvent): readonly string[] {
    if (this.#topics.isDiscarded(event.topic, event.raisedAt)) return this.#discard(event);
    const previousLevel = this.#topics.record(event)?.level ?? OK;
    this.#trace.begin(event, previousLevel);
    return this.#wanted(event, previousLevel);
  }

  #discard(event: AlertEvent): readonly string[] {
    this.#trace.begin(event, OK);
    const reason = "it was raised before its topic was deleted";
    const at = this.#options.clock.now();
    this.#trace.step(event, { stage: "own", handler: "", verdict: "stopped", reason, at });
    return [];
  }

  acceptCopy(event: AlertEvent): readonly string[] {
    const traced = this.#trace.previousLevel(event);
    const previousLevel = traced ?? this.#previousLevel(event);
    if (traced === undefined) this.#trace.begin(event, previousLevel);
    return this.#wanted(event, previousLevel);
  }

  record(event: AlertEvent): void {
    const previousLevel = this.#topics.record(event)?.level ?? OK;
    if (this.#trace.previousLevel(event) === undefined) this.#trace.begin(event, previousLevel);
  }

  #wanted(event: AlertEvent, previousLevel: Level): readonly string[] {
    const wanted: string[] = [];
    const internal: AttachedHandler[] = [];
    const now = this.#options.clock.now();
    let silence: { readonly id: string | undefined } | undefined;
    const silencedBy = (): string | undefined => {
      silence ??= { id: this.#silences.covering(event, now) };
      return silence.id;
    };
    for (const handler of this.#handlers.get(event.topic) ?? []) {
      const { match } = handler;
      if (!this.#passes(handler, { event, previousLevel, match, silencedBy }, now)) continue;
      if (handler.external) {
        wanted.push(handler.identity.id);
        // One that arrives late supersedes nothing.
        if (this.#isNewest(event)) handler.newerExists(event.id);
      } else internal.push(handler);
    }
    for (const handler of internal) handler.send(--this.#internalTicket, { event, previousLevel });
    return wanted;
  }

  send(ticket: number, event: AlertEvent, handlerId: string, brief = false): void {
    const handler = this.#find(event.topic, handlerId);
    if (handler === undefined) {
      const error = `no handler ${JSON.stringify(handlerId)} in topic ${JSON.stringify(event.topic)}`;
      // Not within this call: the caller is still in the middle of starting the send.
      queueMicrotask(() => this.#ownership?.sendFinished(ticket, { kind: "rejected", error }));
      return;
    }
    this.#sends.set(ticket, { handler, event });
    handler.send(ticket, { event, previousLevel: this.#previousLevel(event) }, brief);
  }

  isQueued(ticket: number): boolean {
    return this.#sends.get(ticket)?.handler.isQueued(ticket) === true;
  }

  withdraw(ticket: number): boolean {
    if (!this.isQueued(ticket)) return false;
    this.#forget(ticket, "another owner is sending it");
    return true;
  }

  cancel(ticket: number): void {
    this.#forget(ticket, "another owner has sent it");
  }

  #forget(ticket: number, reason: string): void {
    const running = this.#sends.get(ticket);
    if (running === undefined) return;
    this.#sends.delete(ticket);
    const { handler, event } = running;
    handler.cancel(ticket);
    const at = this.#options.clock.now();
    const step = { handler: handler.identity.id, verdict: "stopped", at } as const;
    this.#trace.step(event, { stage: "own", ...step, reason });
  }

  // HandlerTable.

  check(spec: HandlerSpec): string | undefined {
    const checked = this.#kinds.check(spec);
    if (!checked.ok) return checked.error;
    const { kind, options } = checked.handler;
    return kind.checkHere?.(options, this.#services);
  }

  set(spec: HandlerSpec): void {
    const { topic, id, kind } = spec;
    this.remove(topic, id);
    this.#topics.ensure(topic);
    const identity = { topic, id, kind, spec };
    const checked = this.#kinds.check(spec);
    const handler = checked.ok
      ? this.#open(identity, checked.handler)
      : AttachedHandler.broken(identity, checked.error, this.#queueOptions(identity));
    const { broken } = handler.report();
    if (broken !== "") this.#log(identity).error("handler cannot run here", { err: broken });
    const all = [...(this.#handlers.get(topic) ?? []), handler];
    this.#handlers.set(
      topic,
      all.sort((a, b) => compareBytes(a.identity.id, b.identity.id)),
    );
  }

  remove(topic: string, id: string): void {
    const handler = this.#find(topic, id);
    if (handler === undefined) return;
    const left = (this.#handlers.get(topic) ?? []).filter((other) => other !== handler);
    if (left.length === 0) this.#handlers.delete(topic);
    else this.#handlers.set(topic, left);
    this.#retire(handler);
  }

  // Topics.

  list(pattern: string, minLevel: Level): readonly TopicInfo[] {
    return this.#topics.list(pattern, minLevel);
  }

  get(topic: string): TopicInfo | undefined {
    return this.#topics.get(topic);
  }

  events(topic: string, minLevel: Level): readonly EventState[] | undefined {
    return this.#topics.events(topic, minLevel);
  }

  event(topic: string, id: string): EventState | undefined {
    return this.#topics.event(topic, id);
  }

  /** Takes over what another member knows of an ID, if that is newer. */
  mergeState(topic: string, state: EventState): boolean {
    return this.#topics.merge(topic, state);
  }

  mergeCollected(topic: string, collected: number): void {
    this.#topics.mergeCollected(topic, collected);
  }

  /**
   * Drops the topic's states and its events on their way, of a `deletion` in a cluster those that are not later than it;
   * its handlers stay attached.
   */
  async delete(topic: string, deletion?: TopicDeletion): Promise<void> {
    this.#ownership?.forgetTopic(topic, deletion?.before);
    await this.#topics.delete(topic, deletion);
  }

  /** A deletion that an earlier start carried out: events stamped up to `before` are discarded. */
  recallDeletion(topic: string, before: number): void {
    this.#topics.recallDeletion(topic, before);
  }

  /** Events and states discarded because their topic was deleted after they were raised. */
  discarded(): number {
    return this.#topics.discarded();
  }

  // Ours.

  /** All attached handlers, or those of one topic, with their counters. */
  handlerReports(topic?: string): readonly HandlerReport[] {
    const lists =
      topic === undefined ? [...this.#handlers.values()] : [this.#handlers.get(topic) ?? []];
    return lists.flat().map((handler) => handler.report());
  }

  /** Why an event ID was told, or not: its last evaluations, oldest first. */
  trace(topic: string, id: string): readonly TraceEvaluation[] {
    return this.#trace.of(topic, id);
  }

  /** Filled by `SilenceService`; asked for every event. */
  get silences(): Silences {
    return this.#silences;
  }

  /** One entry per handler, and one about the whole, for `debug/vars`. */
  statistics(): readonly AlertStatistic[] {
    const { earlyEventsDropped, topicStoreFailures } = this.counters();
    const values = {
      early_events_dropped: earlyEventsDropped,
      topic_store_failures: topicStoreFailures,
      silences: this.#silences.size,
    };
    const whole = { name: "alert_delivery", tags: {}, values };
    return [whole, ...this.handlerReports().map(handlerStatistic), ...this.#counts.all()];
  }

  counters(): { readonly earlyEventsDropped: number; readonly topicStoreFailures: number } {
    return {
      earlyEventsDropped: this.#earlyDropped,
      topicStoreFailures: this.#topics.storeFailures(),
    };
  }

  /** Drains and closes all handlers, each within its drain time. */
  async close(): Promise<void> {
    for (const handlers of this.#handlers.values())
      handlers.forEach((handler) => this.#retire(handler));
    this.#handlers.clear();
    await Promise.all(this.#closing);
  }

  #passes(handler: AttachedHandler, candidate: Candidate, now: Time): boolean {
    const { event } = candidate;
    const stop = decide(candidate);
    const { id } = handler.identity;
    if (stop === undefined) {
      const step = { handler: id, verdict: "passed", reason: "wanted", at: now } as const;
      this.#trace.step(event, { stage: "own", ...step });
      return true;
    }
    handler.stopped[stop.reason]++;
    if (stop.reason === "matchError") {
      const log = this.#log(handler.identity);
      log.error("failed to evaluate match expression", { event: event.id, err: stop.detail });
    }
    const step = { handler: id, verdict: "stopped", reason: stop.detail, at: now } as const;
    this.#trace.step(event, { stage: stop.stage, ...step });
    return false;
  }

  /** The level before the event: as evaluated here, else what an older stored state says. */
  #previousLevel(event: AlertEvent): Level {
    const traced = this.#trace.previousLevel(event);
    if (traced !== undefined) return traced;
    const state = this.#topics.event(event.topic, event.id);
    const { ms, ns } = event.time;
    const isBefore = state !== undefined && compareTime(state.time.ms, state.time.ns, ms, ns) < 0;
    return isBefore ? state.level : OK;
  }

  /** Is it what the topic knows of its ID now? */
  #isNewest({ topic, id, time }: AlertEvent): boolean {
    const state = this.#topics.event(topic, id);
    return state === undefined || compareTime(time.ms, time.ns, state.time.ms, state.time.ns) >= 0;
  }

  #find(topic: string, id: string): AttachedHandler | undefined {
    return this.#handlers.get(topic)?.find((handler) => handler.identity.id === id);
  }

  #open(identity: HandlerIdentity, checked: CheckedHandler): AttachedHandler {
    const log = this.#log(identity);
    const services = { ...this.#services, log };
    return AttachedHandler.open(identity, checked, services, this.#queueOptions(identity));
  }

  #queueOptions(identity: HandlerIdentity) {
    const { clock, random } = this.#options;
    const finished = (ticket: number, delivery: Delivery, outcome: Outcome, why: EndReason): void =>
      this.#sendEnded(identity, ticket, delivery, { outcome, why });
    return { clock, random, log: this.#log(identity), limits: this.#limits, finished };
  }

  #log({ topic, id, kind }: HandlerIdentity): Log {
    return this.#options.log.with({ topic, handler: id, kind });
  }

  #sendEnded(
    identity: HandlerIdentity,
    ticket: number,
    { event }: Delivery,
    end: { readonly outcome: Outcome; readonly why: EndReason },
  ): void {
    const { outcome, why } = end;
    const error = outcome.kind === "sent" ? "" : outcome.error;
    const verdict: TraceStep["verdict"] = why === "sent" ? "sent" : "failed";
    const reason = error === "" ? why : `${why}: ${error}`;
    const at = this.#options.clock.now();
    this.#trace.step(event, { stage: "send", handler: identity.id, verdict, reason, at });
    if (why === "failed" || why === "expired") {
      this.#log(identity).error("failed to deliver event", { event: event.id, err: error });
    }
    if (ticket < 0) return;
    this.#sends.delete(ticket);
    const how = why === "passedOn" ? "turn over" : undefined;
    queueMicrotask(() => this.#ownership?.sendFinished(ticket, outcome, how));
  }

  #retire(handler: AttachedHandler): void {
    const closed = handler.close().catch((error: unknown) => {
      this.#log(handler.identity).warn("handler did not close", { err: errorMessage(error) });
    });
    this.#closing.add(closed);
    void closed.then(() => this.#closing.delete(closed));
  }
}

/** Equal texts for equal handler sets, whoever opens them. */
function describe(handlers: readonly CheckedHandler[]): string {
  return JSON.stringify(
    handlers.map(({ kind, options }) => [kind.kind, options]),
    (_key, value: unknown) => (typeof value === "bigint" ? `${value}n` : value),
  );
}

function handlerStatistic(report: HandlerReport): AlertStatistic {
  const { topic, id, kind, stopped } = report;
  const { sent, failed, retried, passedOn, superseded, expired, dropped } = report;
  const { waiting, inFlight } = report;
  return {
    name: "alert_handlers",
    tags: { topic, handler: id, kind },
    values: {
      ...{ sent, failed, retried, superseded, expired, dropped, waiting, in_flight: inFlight },
      passed_on: passedOn,
      stopped_match_false: stopped.matchFalse,
      stopped_match_error: stopped.matchError,
      stopped_silenced: stopped.silenced,
      broken: report.broken === "" ? 0 : 1,
    },
  };
}
