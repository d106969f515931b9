/**
 * A whole engine that touches nothing outside: for test cases and for running recordings.
 *
 * The engine, its nodes, the topics and the handlers' options are the daemon's own. Time stands still unless the
 * clock is moved. Handlers are opened with a body that does nothing: an event is written down with the
 * handlers that would have been told. Points for InfluxDB, posts and queries end here too.
 */

import { AlertService } from "#alert/alert-service.ts";
import type { AlertEvent } from "#alert/event.ts";
import type { HandlerKind } from "#alert/handler.ts";
import { type Level, OK } from "#alert/level.ts";
import { SENT } from "#alert/outcome.ts";
import type { Ownership } from "#alert/ports.ts";
import { InProcessEngine } from "#engine/engine-host.ts";
import type { AnyNodeSpec } from "#engine/node.ts";
import type { EngineServices } from "#engine/ports.ts";
import { VirtualClock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import type { Time } from "#lib/time.ts";
import { SeriesTable } from "#model/series-table.ts";
import { FORGETTING_TOPICS } from "#storage/topic-states.ts";
import type { TickEnvironment } from "#tick/environment.ts";
import { OfflineOutside } from "./offline-outside.ts";

/** What the program around gives to offline runs; made once for many. */
export interface OfflineSurroundings {
  /** `handlers/registry.ts`. */
  readonly kinds: readonly HandlerKind[];
  /** What scripts may call. */
  readonly environment: TickEnvironment;
  readonly specs: ReadonlyMap<string, AnyNodeSpec>;
  zoneOffsetMs?(ms: number): number;
}

export interface OfflineOptions {
  /** Where the clock starts; 1970 when not given. */
  readonly start?: Time;
  /** Batches are handed in; queries are not run. */
  readonly takesBatches?: boolean;
  /** Refuses names that only a configuration can give. */
  readonly isStrict?: boolean;
}

/** An event, and whom it would have been told. */
export interface RaisedEvent {
  readonly event: AlertEvent;
  readonly previousLevel: Level;
  /** Kinds of the handlers, in script order. */
  readonly handlers: readonly string[];
}

/** Something that went wrong while a task ran. */
export interface RunError {
  readonly node: string;
  readonly message: string;
  readonly error: string;
}

/** The task's ID in offline runs when nobody names it. */
export const OFFLINE_TASK = "t";

/** Links in the longest chain of promises between an answer and the task. */
const PROMISES_PER_TURN = 20;

export class OfflineEngine {
  readonly clock: VirtualClock;
  readonly table = new SeriesTable();
  readonly engine: InProcessEngine;
  readonly alerts: AlertService;
  readonly outside: OfflineOutside;
  readonly events: RaisedEvent[] = [];
  readonly errors: RunError[] = [];
  /** Why the task died; `undefined` while it lives. */
  died: string | undefined;

  constructor(surroundings: OfflineSurroundings, options: OfflineOptions = {}) {
    const { kinds, environment, specs } = surroundings;
    this.clock = new VirtualClock(options.start);
    const { clock } = this;
    const random = new SeededRandom(1);
    const log = logTo((entry) => this.#note(entry));
    const server = { hostname: "localhost", clusterId: "cluster", serverId: "server" };
    this.outside = new OfflineOutside(options.isStrict === true);
    this.alerts = new AlertService({
      kinds: kinds.map(muted),
      services: { clock, log, server, section: () => undefined },
      store: FORGETTING_TOPICS,
      clock,
      random,
      log,
    });
    this.alerts.setOwnership(this.#ownership());
    const services: EngineServices = {
      ...this.outside,
      clock,
      random,
      log,
      alerts: this.alerts,
      server,
      zoneOffsetMs: (ms) => surroundings.zoneOffsetMs?.(ms) ?? 0,
      taskFailed: (_task, error) => {
        this.died = error;
      },
    };
    const takesBatches = options.takesBatches === true;
    this.engine = new InProcessEngine(services, this.table, {
      environment,
      specs,
      name: "main",
      takesBatches,
    });
  }

  /** Waits for the engine while the clock lets its turns end; data time does not move. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    work.then(done, done);
    while (!isDone) {
      this.clock.advance(0);
      await Promise.resolve();
    }
    return work;
  }

  /** Lets what was promised happen: answers to posts and queries come back into the task. */
  async turn(): Promise<void> {
    for (let i = 0; i < PROMISES_PER_TURN; i++) await Promise.resolve();
  }

  #ownership(): Ownership {
    return {
      publish: (event) => {
        const previousLevel = this.alerts.event(event.topic, event.id)?.level ?? OK;
        const wanted = new Set(this.alerts.accept(event));
        const handlers = this.alerts
          .handlerReports(event.topic)
          .filter(({ id }) => wanted.has(id))
          .map(({ kind }) => kind);
        this.events.push({ event, previousLevel, handlers });
      },
      sendFinished() {},
      settled: () => Promise.resolve(),
      forgetTopic() {},
    };
  }

  #note({ level, message, context, fields }: LogEntry): void {
    if (level !== "error") return;
    const node = String(context["node"] ?? fields["node"] ?? "");
    this.errors.push({ node, message, error: errorMessage(fields["err"] ?? "") });
  }
}

/** The kind with its options and checks, and a handler that tells nobody. */
function muted(kind: HandlerKind): HandlerKind {
  return { ...kind, open: () => ({ send: () => Promise.resolve(SENT) }) };
}
