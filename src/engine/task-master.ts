/**
 * The tasks that run in one engine, and the fork in front of them.
 *
 * Starting reads the script with the environment given, builds the pipeline and joins it to the fork. A task
 * that dies leaves the fork at once; points in flight skip it. Points that `kapacitorLoopback` puts back
 * wait in a bounded queue until the point in hand has run through all tasks, so no node is entered twice.
 */

import { errorMessage } from "#lib/errors.ts";
import type { Point } from "#model/point.ts";
import type { ScriptResult, TickEnvironment } from "#tick/environment.ts";
import { evaluateScript } from "#tick/evaluate.ts";
import { Fork } from "./fork.ts";
import { Inhibitors } from "./inhibitors.ts";
import { LOOPBACK_POINTS_MAX } from "./limits.ts";
import type { AnyNodeSpec } from "./node.ts";
import type { NodeError } from "./node-error.ts";
import { PointFilters } from "./point-filters.ts";
import type { EngineServices, StartOutcome, TaskDefinition } from "./ports.ts";
import { SnapshotKeeper } from "./snapshot-keeper.ts";
import { Task } from "./task.ts";
import { NO_LIMITS, type TaskLimits } from "./task-budget.ts";
import { MessageTimer } from "./timer.ts";

export interface TaskMasterOptions {
  /** What scripts may call; made by `makeTickEnvironment`. */
  readonly environment: TickEnvironment;
  /** Node specs by method. */
  readonly specs: ReadonlyMap<string, AnyNodeSpec>;
  /** Prefix of anonymous topics: `main`, or the ID of a replay. */
  readonly name: string;
  /** True when batches are handed in with `Task.pushBatch`, as replays do; queries are not run then. */
  readonly takesBatches?: boolean;
  /** What one task may remember; no limits when absent. */
  readonly limits?: TaskLimits;
  /** Groups without a message for this long are forgotten; 0 or absent = never. */
  readonly groupIdleMs?: number;
  /** How often the states of tasks are saved; 0 or absent = only when they stop. */
  readonly snapshotIntervalMs?: number;
}

/** How the engine learns of what its tasks do. */
export interface TaskMasterEvents {
  /** The first point waits to be put back. */
  wake(): void;
  /** So many groups were idle and are forgotten. */
  expired(groups: number): void;
}

export class TaskMaster {
  readonly fork = new Fork();
  readonly #services: EngineServices;
  readonly #options: TaskMasterOptions;
  readonly #inhibitors = new Inhibitors();
  readonly #filters: PointFilters;
  readonly #timer: MessageTimer;
  readonly #tasks = new Map<string, Task>();
  /** Tasks that still have something to send. */
  readonly #stopping = new Map<string, Promise<unknown>>();
  readonly #events: TaskMasterEvents;
  readonly #keeper: SnapshotKeeper;
  #loopback: Point[] = [];

  constructor(services: EngineServices, options: TaskMasterOptions, events: TaskMasterEvents) {
    this.#events = events;
    this.#services = services;
    this.#options = options;
    this.#filters = new PointFilters(services);
    this.#timer = new MessageTimer(services.clock);
    const intervalMs = options.snapshotIntervalMs ?? 0;
    // A replay begins with nothing and leaves nothing behind.
    const store = options.takesBatches === true ? undefined : services.snapshots;
    this.#keeper = new SnapshotKeeper({ services, store, intervalMs }, () => this.#tasks.values());
  }

  start(definition: TaskDefinition): StartOutcome {
    const { id } = definition;
    if (this.#tasks.has(id)) return { kind: "refused", error: `task ${id} is already running` };
    try {
      const { environment } = this.#options;
      const { type, script, vars } = definition;
      const result = evaluateScript(script, {
        environment,
        type,
        vars,
      });
      return this.startScript(definition, result);
    } catch (error) {
      return { kind: "refused", error: errorMessage(error) };
    }
  }

  /** Starts a task whose script has been read. */
  startScript(definition: TaskDefinition, script: ScriptResult): StartOutcome {
    if (this.#stopping.has(definition.id)) {
      return { kind: "refused", error: `task ${definition.id} is still stopping` };
    }
    let dead: NodeError | undefined;
    try {
      const task = new Task(definition, script, {
        services: this.#services,
        specs: this.#options.specs,
        inhibitors: this.#inhibitors,
        filters: this.#filters,
        timer: this.#timer,
        taskMaster: this.#options.name,
        takesBatches: this.#options.takesBatches === true,
        limits: this.#options.limits ?? NO_LIMITS,
        groupIdleMs: this.#options.groupIdleMs ?? 0,
        expired: (groups) => this.#events.expired(groups),
        saved: (nodes) => this.#keeper.load(definition.id, nodes),
        ending: (ended) => void this.#keeper.save(ended),
        writeBack: (point) => this.#writeBack(point),
        failed: (error) => {
          dead = error;
          this.#died(definition.id, error);
        },
      });
      if (dead !== undefined) return { kind: "refused", error: (dead as NodeError).message };
      this.#tasks.set(definition.id, task);
      this.fork.add(task);
      return { kind: "started" };
    } catch (error) {
      return { kind: "refused", error: errorMessage(error) };
    }
  }

  /** Drains and stops; unknown tasks are fine. The task is gone at once, also while it drains. */
  async stop(id: string): Promise<void> {
    const task = this.#tasks.get(id);
    if (task === undefined) {
      await this.#stopping.get(id);
      return;
    }
    this.fork.remove(task);
    const ending = task.stop();
    this.#tasks.delete(id);
    this.#keeper.forget(id);
    if (ending === undefined) return;
    this.#stopping.set(id, ending);
    await ending.finally(() => this.#stopping.delete(id));
  }

  async stopAll(): Promise<void> {
    const ids = new Set([...this.#tasks.keys(), ...this.#stopping.keys()]);
    await Promise.all([...ids].map((id) => this.stop(id)));
  }

  /** Stops all tasks so that they go on where they were; those that cannot are drained. */
  async suspendAll(): Promise<void> {
    this.#keeper.close();
    const ending: Promise<unknown>[] = [];
    for (const task of [...this.#tasks.values()]) {
      if (!task.canSuspend || !this.#keeper.save(task)) continue;
      this.fork.remove(task);
      this.#tasks.delete(task.id);
      const ended = task.suspend();
      if (ended !== undefined) ending.push(ended);
    }
    await Promise.all([...ending, this.stopAll()]);
    await this.#keeper.settled();
  }

  get(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  tasks(): Iterable<Task> {
    return this.#tasks.values();
  }

  /** Runs one point through all tasks that want it. Never throws. */
  push(point: Point): void {
    this.#timer.next();
    this.fork.push(point);
    this.#timer.done();
  }

  /**
   * Runs `points[from … end − 1]` through all tasks that want them, task by task. Never throws. Now and then one
   * of them goes alone, so that it can be timed.
   */
  pushRun(points: readonly Point[], from: number, end: number): void {
    let first = from;
    if (this.#timer.isDue(end - from)) this.push(points[first++] as Point);
    if (first === end) return;
    this.#filters.nextRun();
    this.fork.pushRun(points, first, end);
  }

  /** Points put back by tasks since the last call; the caller pushes them. */
  takeLoopback(): readonly Point[] {
    const points = this.#loopback;
    if (points.length > 0) this.#loopback = [];
    return points;
  }

  get hasLoopback(): boolean {
    return this.#loopback.length > 0;
  }

  #writeBack(point: Point): boolean {
    if (this.#loopback.length >= LOOPBACK_POINTS_MAX) return false;
    if (this.#loopback.push(point) === 1) this.#events.wake();
    return true;
  }

  #died(id: string, error: NodeError): void {
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    this.fork.remove(task);
    this.#tasks.delete(id);
    this.#services.taskFailed(id, error.message);
  }
}
