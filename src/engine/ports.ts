/**
 * The engine's two borders: what it needs from the world, and how the world talks to it.
 *
 * `EngineHost` is the only way in: start, stop, chunk, query endpoint, stats. Its messages are plain data, so
 * the engine can move to a Worker without its callers noticing. `EngineServices` is the only way out.
 */

import type { AlertEvent, EventState } from "#alert/event.ts";
import type { Clock } from "#lib/clock.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { Result } from "#model/result.ts";
import type { PropertyCall, TaskType, TickValue } from "#tick/environment.ts";
import type { OutsidePorts } from "./outside-ports.ts";
import type { TaskSnapshot } from "./snapshot.ts";

/** A task as it is to run. Plain data. */
export interface TaskDefinition {
  readonly id: string;
  readonly type: TaskType;
  readonly script: string;
  readonly dbrps: readonly Dbrp[];
  readonly vars: Readonly<Record<string, TickValue>>;
}

/** Unit of time stamps in a write. */
export type Precision = "ns" | "u" | "ms" | "s" | "m" | "h";

/** One body of line protocol. The bytes are borrowed until the answer. */
export interface WriteChunk {
  readonly db: string;
  readonly rp: string;
  readonly precision: Precision;
  readonly body: Uint8Array;
}

export type WriteOutcome =
  | { readonly kind: "written"; readonly points: number }
  /** Nothing was written; one message per bad line. */
  | { readonly kind: "malformed"; readonly errors: readonly string[] }
  /** The bounded backlog is full; try again later. Nothing was written. */
  | { readonly kind: "overloaded" };

export interface TaskStats {
  readonly taskStats: Readonly<Record<string, number>>;
  /** Node name → counters, each with the original's names. */
  readonly nodeStats: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export type StartOutcome =
  | { readonly kind: "started" }
  | { readonly kind: "refused"; readonly error: string };

export interface EngineHost {
  /** Starts a task or says why not. A task that is running is refused. */
  start(task: TaskDefinition): StartOutcome;
  /** Drains and stops; resolves when the task's last message left it. Unknown or stopped tasks are fine. */
  stop(id: string): Promise<void>;
  isRunning(id: string): boolean;
  /**
   * Answers when every point was processed by every task and the events they raised are safe. Rejects when the
   * disk did not take an event: the points were processed, and the writer should know that an alert may be lost.
   */
  write(chunk: WriteChunk): Promise<WriteOutcome>;
  /** The result of an httpOut endpoint of a running task; `undefined` when there is none. */
  endpoint(task: string, endpoint: string): Result | undefined;
  stats(task: string): TaskStats | undefined;
  /** The pipeline in Graphviz form: running tasks with numbers, `labels` or `attributes`. */
  dot(task: string, view: "attributes" | "labels"): string | undefined;
  /** Points received per (db, rp, measurement). */
  ingress(): readonly IngressCount[];
  /** Endpoints of running tasks: `<task>/<endpoint>`. */
  endpoints(): readonly string[];
  close(): Promise<void>;
}

export interface IngressCount {
  readonly db: string;
  readonly rp: string;
  readonly measurement: string;
  readonly points: number;
}

/** What the configuration adds to an alert node. */
export interface GlobalHandlers {
  /** Handler kinds that every alert node has, unless it names them itself. */
  readonly kinds: readonly string[];
  /** True when the node reports changes of the level only. */
  readonly stateChangesOnly: boolean;
}

/** How the engine's alert nodes reach topics. */
export interface AlertPort {
  /** Takes an event for its topic; returns at once. */
  publish(event: AlertEvent, scope: "cluster" | "local"): void;
  /** An evaluation that inhibition stopped, so that people can ask why they were not told. */
  inhibited?(event: Pick<AlertEvent, "topic" | "id" | "time" | "level" | "category">): void;
  /** True when the topic remembers no ID at all: nobody has to render one to ask for its state. */
  isBlank(topic: string): boolean;
  /** Last state of an ID in a topic, for restoring an alert node. */
  lastState(topic: string, id: string): EventState | undefined;
  /** Opens a task's anonymous topic with its inline handlers; throws `Error` when a handler's options are wrong. */
  openInline(topic: string, handlers: readonly PropertyCall[]): void;
  /** What the configuration adds to an alert node with these handlers: kinds, and reporting changes only. */
  globals(handlers: readonly PropertyCall[]): GlobalHandlers;
  /** Makes a topic remember a state, without telling any handler: two topics of one node are kept equal. */
  remember(topic: string, state: EventState): void;
  /** Detaches the inline handlers; the state stays. */
  closeInline(topic: string): void;
  /** Resolves when everything published so far is safe; rejects when the disk did not take it. */
  settled(): Promise<void>;
}

/** Where the states of tasks live across restarts. */
export interface SnapshotStore {
  /** The last one saved. Throws when it cannot be read. */
  load(task: string): TaskSnapshot | undefined;
  /** Replaces the last one; resolves when it is durable. The snapshot is not looked at after the call. */
  save(task: string, snapshot: TaskSnapshot): Promise<void>;
}

export interface EngineServices extends OutsidePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly alerts: AlertPort;
  readonly server: {
    readonly hostname: string;
    readonly clusterId: string;
    readonly serverId: string;
  };
  /** Absent: tasks start empty every time. */
  readonly snapshots?: SnapshotStore;
  /** Milliseconds that local time is ahead of UTC at an instant (ms since 1970); UTC when absent. */
  zoneOffsetMs?(ms: number): number;
  /** A task died of a node's error; it has already been stopped. */
  taskFailed(task: string, error: string): void;
  /** A task is about to be started. */
  taskStarting?(): void;
  /** So many bytes of line protocol were written. */
  written?(bytes: number): void;
}
