/** An engine on a virtual clock with everything around it faked, and what it logged. */

import { InProcessEngine } from "#engine/engine-host.ts";
import type { AnyNodeSpec } from "#engine/node.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import type {
  EngineServices,
  SnapshotStore,
  StartOutcome,
  TaskDefinition,
  WriteOutcome,
} from "#engine/ports.ts";
import type { TaskLimits } from "#engine/task-budget.ts";
import { makeTickEnvironment } from "#engine/tick-environment.ts";
import { type Clock, VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import type { Time } from "#lib/time.ts";
import { SeriesTable } from "#model/series-table.ts";
import type { PropertySpec, TaskType, TickValue } from "#tick/environment.ts";
import { FakeAlerts } from "./fake-alerts.ts";
import { FakeOutside } from "./fake-outside.ts";

/** A handler property as `handlers/post.ts` has one. */
export const POST: PropertySpec = {
  name: "post",
  params: [],
  rest: "string",
  opens: {
    goType: "*pipeline.AlertHTTPPostHandler",
    properties: [{ name: "header", params: ["string", "string"], doc: "A header." }],
  },
  doc: "Posts the event.",
};

export interface TestEngineOptions {
  readonly specs?: ReadonlyMap<string, AnyNodeSpec>;
  readonly backlogBytesMax?: number;
  readonly backlogWritesMax?: number;
  zoneOffsetMs?(ms: number): number;
  /** In place of the virtual clock that `clock` is. */
  readonly otherClock?: Clock;
  /** Where the virtual clock starts; 1970 when not given. */
  readonly start?: Time;
  readonly snapshots?: SnapshotStore;
  readonly snapshotIntervalMs?: number;
  readonly limits?: TaskLimits;
  readonly groupIdleMs?: number;
  /** `main` when not given. */
  readonly name?: string;
  readonly takesBatches?: boolean;
  taskFailed?(task: string, error: string): void;
}

export class TestEngine {
  readonly clock: VirtualClock;
  readonly alerts = new FakeAlerts();
  readonly log: LogEntry[] = [];
  readonly outside = new FakeOutside();
  readonly failed: { readonly task: string; readonly error: string }[] = [];
  readonly environment;
  readonly engine: InProcessEngine;

  constructor(options: TestEngineOptions = {}) {
    this.clock = new VirtualClock(options.start);
    const services: EngineServices = {
      ...(options.snapshots === undefined ? {} : { snapshots: options.snapshots }),
      clock: options.otherClock ?? this.clock,
      random: new SeededRandom(1),
      log: logTo((entry) => this.log.push(entry)),
      alerts: this.alerts,
      server: { hostname: "localhost", clusterId: "cluster", serverId: "server" },
      ...this.outside,
      zoneOffsetMs: (ms) => options.zoneOffsetMs?.(ms) ?? 0,
      taskFailed: (task, error) => {
        this.failed.push({ task, error });
        options.taskFailed?.(task, error);
      },
    };
    const specs = options.specs ?? NODE_SPECS;
    this.environment = makeTickEnvironment({ handlers: [POST], specs });
    this.engine = new InProcessEngine(services, new SeriesTable(), {
      environment: this.environment,
      specs,
      name: "main",
      ...options,
    });
  }

  /** A task on `"db"."rp"`. */
  start(id: string, script: string, vars: Readonly<Record<string, TickValue>> = {}): StartOutcome {
    return this.engine.start(taskOf(id, script, vars));
  }

  write(lines: string, { db = "db", rp = "rp" } = {}): Promise<WriteOutcome> {
    const body = new TextEncoder().encode(lines);
    return this.engine.write({ db, rp, precision: "ns", body });
  }

  /** `node: message: err` of every error line. */
  errors(): readonly string[] {
    return this.log
      .filter(({ level }) => level === "error")
      .map(({ message, context, fields }) => {
        const node = context["node"] ?? fields["node"];
        return `${node}: ${message}: ${fields["err"]}`;
      });
  }
}

export function taskOf(
  id: string,
  script: string,
  vars: Readonly<Record<string, TickValue>> = {},
  type: TaskType = "stream",
): TaskDefinition {
  return { id, type, script, dbrps: [{ db: "db", rp: "rp" }], vars };
}
