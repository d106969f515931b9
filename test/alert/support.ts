/** Builders and fakes for the alert room's tests. */

import { AlertService } from "#alert/alert-service.ts";
import type { AlertEvent, EventState } from "#alert/event.ts";
import type { Delivery, HandlerKind, HandlerSpec } from "#alert/handler.ts";
import { CRITICAL } from "#alert/level.ts";
import { DELIVERY_LIMITS, type DeliveryLimits } from "#alert/limits.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import type { Ownership, TopicStore } from "#alert/ports.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type Log, type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";

export function event(overrides: Partial<AlertEvent> = {}): AlertEvent {
  return {
    topic: "t",
    id: "cpu:host=h1",
    message: "cpu:host=h1 is CRITICAL",
    details: "{&#34;a&#34;}",
    time: { ms: 1_000_000, ns: 0 },
    duration: 0,
    level: CRITICAL,
    name: "cpu",
    taskName: "cpu_alert",
    category: "",
    group: "host=h1",
    tags: { host: "h1" },
    fields: { i: 3, s: "x", value: 95.5 },
    recoverable: true,
    series: [
      {
        name: "cpu",
        tags: { host: "h1" },
        columns: ["time", "i", "s", "value"],
        values: [["1970-01-01T00:16:40Z", 3, "x", 95.5]],
      },
    ],
    hops: 0,
    ...overrides,
  };
}

export function delivery(overrides: Partial<AlertEvent> = {}): Delivery {
  return { event: event(overrides), previousLevel: 0 };
}

export function spec(overrides: Partial<HandlerSpec> = {}): HandlerSpec {
  return { id: "h1", topic: "t", kind: "fake", match: "", options: null, ...overrides };
}

/** A store in memory that can be told to fail. */
export class MemoryTopicStore implements TopicStore {
  readonly states = new Map<string, Map<string, EventState>>();
  fails = false;

  *load(): Iterable<{ readonly topic: string; readonly state: EventState }> {
    for (const [topic, states] of this.states)
      for (const state of states.values()) yield { topic, state };
  }

  async put(topic: string, state: EventState): Promise<void> {
    if (this.fails) throw new Error("disk is full");
    const states = this.states.get(topic) ?? new Map<string, EventState>();
    this.states.set(topic, states.set(state.id, state));
  }

  async deleteTopic(topic: string): Promise<void> {
    this.states.delete(topic);
  }
}

/** Owns everything: accepts and sends at once, and remembers outcomes. */
export class LocalOwnership implements Ownership {
  readonly outcomes: { readonly ticket: number; readonly outcome: Outcome }[] = [];
  readonly published: { readonly event: AlertEvent; readonly scope: string }[] = [];
  readonly forgotten: string[] = [];
  readonly #service: AlertService;
  #ticket = 0;

  constructor(service: AlertService) {
    this.#service = service;
  }

  publish(published: AlertEvent, scope: "cluster" | "local"): void {
    this.published.push({ event: published, scope });
    for (const id of this.#service.accept(published)) {
      this.#service.send(++this.#ticket, published, id);
    }
  }

  sendFinished(ticket: number, outcome: Outcome): void {
    this.outcomes.push({ ticket, outcome });
  }

  async settled(): Promise<void> {}

  forgetTopic(topic: string): void {
    this.forgotten.push(topic);
  }
}

/** A kind whose sends the test answers. */
export class FakeKind {
  readonly sent: Delivery[] = [];
  readonly signals: AbortSignal[] = [];
  closed = 0;
  answer: (delivery: Delivery, signal: AbortSignal) => Promise<Outcome> = async () => SENT;

  kind(name = "fake", external = true): HandlerKind {
    return {
      kind: name,
      doc: "A fake.",
      options: optionsSchema({ to: textOption("Anything.") }),
      external,
      globalSection: "fake",
      tick: {
        property: {
          name,
          params: [],
          doc: "A fake.",
          opens: { goType: "*pipeline.FakeHandler", properties: [] },
        },
        optionsOf: () => ({}),
      },
      open: () => ({
        send: (sent, signal) => {
          this.sent.push(sent);
          this.signals.push(signal);
          return this.answer(sent, signal);
        },
        close: () => {
          this.closed++;
        },
      }),
    };
  }

  ids(): string[] {
    return this.sent.map((one) => one.event.id);
  }
}

export interface Bench {
  readonly service: AlertService;
  readonly ownership: LocalOwnership;
  readonly clock: VirtualClock;
  readonly store: MemoryTopicStore;
  readonly logged: LogEntry[];
}

/** An alert service over fakes, on a virtual clock. */
export function bench(
  kinds: readonly HandlerKind[],
  options: {
    readonly limits?: Partial<DeliveryLimits>;
    readonly sections?: Readonly<Record<string, unknown>>;
    readonly store?: MemoryTopicStore;
    readonly disabled?: ReadonlySet<string>;
  } = {},
): Bench {
  const clock = new VirtualClock({ ms: 1_600_000_000_000, ns: 0 });
  const logged: LogEntry[] = [];
  const log: Log = logTo((entry) => logged.push(entry));
  const store = options.store ?? new MemoryTopicStore();
  const service = new AlertService({
    kinds,
    services: {
      clock,
      log,
      server: { hostname: "box", clusterId: "c1", serverId: "s1" },
      section: (name) => options.sections?.[name],
    },
    store,
    clock,
    log,
    random: new SeededRandom(1),
    limits: { ...DELIVERY_LIMITS, ...options.limits },
    ...(options.disabled === undefined ? {} : { disabled: options.disabled }),
  });
  const ownership = new LocalOwnership(service);
  service.setOwnership(ownership);
  return { service, ownership, clock, store, logged };
}

/** Lets every promise that can move, move. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}
