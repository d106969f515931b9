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
import { Task } from "./task.ts";
import { MessageTimer } from "./timer.ts";

export interface TaskMasterOptions {
  /** What scripts may call; made by `makeTickEnvironment`. */
  readonly environment: TickEnvironment;
  /** Node specs by method. */
  readonly specs: ReadonlyMap<string, AnyNodeSpec>;
  /** Prefix of anonymous topics: `main`, or the ID of a replay. */
  readonly name: string;
}

export class TaskMaster {
  readonly fork = new Fork();
  readonly #services: EngineServices;
  readonly #options: TaskMasterOptions;
  readonly #inhibitors = new Inhibitors();
  readonly #filters: PointFilters;
  readonly #timer: MessageTimer;
  readonly #tasks = new Map<string, Task>();
  #loopback: Point[] = [];

  constructor(services: EngineServices, options: TaskMasterOptions) {
    this.#services = services;
    this.#options = options;
    this.#filters = new PointFilters(services);
    this.#timer = new MessageTimer(services.clock);
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
    let dead: NodeError | undefined;
    try {
      const task = new Task(definition, script, {
        services: this.#services,
        specs: this.#options.specs,
        inhibitors: this.#inhibitors,
        filters: this.#filters,
        timer: this.#timer,
        taskMaster: this.#options.name,
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

  /** Drains and stops; unknown tasks are fine. */
  stop(id: string): void {
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    this.fork.remove(task);
    task.stop();
    this.#tasks.delete(id);
  }

  stopAll(): void {
    for (const id of [...this.#tasks.keys()]) this.stop(id);
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
    this.#loopback.push(point);
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
