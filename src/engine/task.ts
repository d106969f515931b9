/**
 * A running task: its pipeline and its life.
 *
 * `push` runs one point through the whole task. A node that throws ends the task: it takes nothing more, its
 * timers are cancelled, and the cause is logged and reported; other tasks go on. Stopping drains first:
 * nodes that hold messages back for other inputs let them go.
 */

import { errorMessage } from "#lib/errors.ts";
import type { Dbrp } from "#model/dbrp.ts";
import { Group, NO_DIMENSIONS } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { NodeDefinition, ScriptResult } from "#tick/environment.ts";
import { Calls } from "./calls.ts";
import {
  type FieldNeeds,
  NO_FIELDS,
  type SourceNeeds,
  sourceNeeds,
  unionOf,
} from "./field-needs.ts";
import { type ForkTarget, hasOneRoute } from "./fork.ts";
import { DRAIN_MS_MAX } from "./limits.ts";
import { NodeError } from "./node-error.ts";
import { Pipeline, type PipelineSurroundings } from "./pipeline.ts";
import type { TaskDefinition } from "./ports.ts";
import { type BatchBegin, type Receiver, sendRun } from "./receiver.ts";
import type { RunningNode } from "./running-node.ts";
import { restoreSnapshot, type TaskSnapshot, takeSnapshot } from "./snapshot.ts";

/** One batch from outside. */
export interface TaskBatch {
  readonly group: Group;
  readonly begin: BatchBegin;
  readonly points: readonly Point[];
}

export class Task implements ForkTarget {
  readonly definition: TaskDefinition;
  readonly pipeline: Pipeline;
  /** Measurements named in `from` nodes; "" stands for all. */
  readonly measurements: ReadonlySet<string>;
  readonly startedMs: number;
  readonly keepsRuns: boolean;
  readonly #around: PipelineSurroundings;
  readonly #root = new Group("", NO_DIMENSIONS, []);
  readonly #source: RunningNode;
  readonly #entry: Receiver;
  readonly #needs: readonly SourceNeeds[];
  readonly #ending: (task: Task) => void;
  /** The root group, as often as runs are long. */
  readonly #roots: Group[] = [];
  #received = 0;
  #running = true;
  #drained = false;

  /** Throws `Error` when the task cannot run. */
  constructor(
    definition: TaskDefinition,
    script: ScriptResult,
    around: Omit<PipelineSurroundings, "failed"> & {
      /** Takes the task out of the engine; called once, after it has stopped itself. */
      failed(error: NodeError): void;
      /** Called when the task ends well, drained, while its state is still there. */
      ending(task: Task): void;
      /** State to go on with, when there is one for these nodes. */
      saved(nodes: readonly string[]): TaskSnapshot | undefined;
    },
  ) {
    this.definition = definition;
    this.#around = around;
    this.#ending = around.ending;
    this.pipeline = this.#build(script, around.saved(script.nodes.map(({ name }) => name)));
    this.#source = this.pipeline.nodes[0] as RunningNode;
    this.#source.received = () => this.received;
    this.#entry = this.pipeline.source;
    this.measurements = measurementsOf(script.nodes);
    this.keepsRuns = this.#entry.takesRuns === true && hasOneRoute(this);
    this.#needs = sourceNeeds(script.nodes, around.specs, around.services);
    this.startedMs = around.services.clock.monoMs();
    this.#guard(() => this.pipeline.start());
  }

  /** The pipeline with its saved state; without it when that is damaged. */
  #build(script: ScriptResult, saved: TaskSnapshot | undefined): Pipeline {
    const around = this.#around;
    const pipeline = new Pipeline(this.definition, script.nodes, {
      ...around,
      writeBack: (point) => around.writeBack(point),
      failed: (error) => this.#fail(error),
    });
    if (saved === undefined) return pipeline;
    try {
      restoreSnapshot(saved, pipeline.snapshotSources([this.#root]));
      return pipeline;
    } catch (error) {
      void pipeline.stop();
      around.services.log.error("the saved state of the task is left out", {
        task: this.definition.id,
        err: errorMessage(error),
      });
      return this.#build(script, undefined);
    }
  }

  get id(): string {
    return this.definition.id;
  }

  get dbrps(): readonly Dbrp[] {
    return this.definition.dbrps;
  }

  get isRunning(): boolean {
    return this.#running;
  }

  /** Points, or batches of a batch task, that entered the task. */
  get received(): number {
    return this.definition.type === "batch" ? this.#source.emitted : this.#received;
  }

  /** The fields of a measurement that the task looks at. */
  fieldsOf(measurement: string): FieldNeeds {
    return this.#needs
      .filter((need) => need.measurement === "" || need.measurement === measurement)
      .reduce<FieldNeeds>((all, { fields }) => unionOf(all, fields), NO_FIELDS);
  }

  /** Runs one point through the task. Never throws. */
  push(point: Point): void {
    if (!this.#running || this.#drained) return;
    this.#received++;
    try {
      this.#entry.point(this.#root, point);
    } catch (error) {
      this.#fail(this.#nodeError(error));
    }
  }

  /** The same for several points in order; the list may be overwritten unless `keepsRuns`. */
  pushRun(points: Point[], count: number): void {
    if (!this.#running || this.#drained) return;
    this.#received += count;
    try {
      if (this.keepsRuns) {
        sendRun(this.#entry, this.#root, points, count);
        return;
      }
      // Nodes write the groups that they choose over these.
      for (let i = 0; i < count; i++) this.#roots[i] = this.#root;
      this.#entry.points(this.#roots, points, count);
    } catch (error) {
      this.#fail(this.#nodeError(error));
    }
  }

  /** Hands in the result of one query. Never throws. */
  pushBatch(query: number, { group, begin, points }: TaskBatch): void {
    const feed = this.pipeline.feeds[query];
    if (!this.#running || feed === undefined) return;
    this.#guard(() => {
      feed.beginBatch(group, begin);
      for (const point of points) feed.batchPoint(group, point);
      feed.endBatch(group);
    });
  }

  /** Ends the stream: nodes that hold messages back let them go. The task still answers; nothing may follow. */
  drain(): void {
    if (!this.#running || this.#drained) return;
    this.#drained = true;
    this.#guard(() => {
      this.pipeline.gate.drain();
      this.pipeline.source.finish();
    });
  }

  /** What nodes still work on after `drain`, at most `DRAIN_MS_MAX`; `undefined` when nothing is left. */
  drained(): Promise<void> | undefined {
    const first = this.pipeline.draining();
    return first === undefined ? undefined : this.#drains(first);
  }

  async #drains(first: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<void>();
    const cancel = this.#around.services.clock.after(DRAIN_MS_MAX, late.resolve);
    const all = async (): Promise<void> => {
      // What one node lets go may have to be drained by the next.
      let waiting: Promise<unknown> | undefined = first;
      for (; waiting !== undefined; waiting = this.pipeline.draining()) await waiting;
    };
    await Promise.race([all(), late.promise]);
    cancel();
  }

  /**
   * Drains and stops. Stopping twice does nothing. `undefined` when everything is done at once; else a promise
   * for what nodes still have to send, bounded in time.
   */
  stop(): Promise<unknown> | undefined {
    this.drain();
    return this.drained()?.then(() => this.#end()) ?? this.#end();
  }

  /** False when a node or a batch is under way that no snapshot can hold; then only `stop` will do. */
  get canSuspend(): boolean {
    const { nodes, gate } = this.pipeline;
    return !gate.isOpen && nodes.every(({ spec }) => spec.mustDrain !== true);
  }

  /** Stops without draining; for tasks whose state was saved. */
  suspend(): Promise<unknown> | undefined {
    if (!this.#running) return undefined;
    this.#running = false;
    return this.pipeline.stop();
  }

  /** The state of all nodes. Only between messages. */
  snapshot(): TaskSnapshot {
    return takeSnapshot(this.pipeline.snapshotSources([this.#root]));
  }

  /** Runs now, or when the batch under way has ended; not at all when the task has stopped by then. */
  betweenMessages(run: () => void): void {
    this.pipeline.gate.defer(() => {
      if (this.#running && !this.#drained) run();
    });
  }

  #end(): Promise<unknown> | undefined {
    if (!this.#running) return undefined;
    this.#ending(this);
    this.#running = false;
    return this.pipeline.stop();
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(this.#nodeError(error));
    }
  }

  #nodeError(error: unknown): NodeError {
    return error instanceof NodeError ? error : new NodeError(this.#source.name, error);
  }

  #fail(error: NodeError): void {
    if (!this.#running) return;
    this.#running = false;
    const { services, taskMaster } = this.#around;
    services.log
      .with({ task_master: taskMaster, task: this.definition.id, node: error.node })
      .error("node failed", { err: errorMessage(error.cause) });
    void this.pipeline.stop();
    this.#around.failed(error);
  }
}

/** Measurements named in `from` nodes; "" stands for all. */
export function measurementsOf(nodes: readonly NodeDefinition[]): ReadonlySet<string> {
  const measurements = new Set<string>();
  for (const node of nodes) {
    if (node.type.method !== "from") continue;
    measurements.add(new Calls(node.calls).string("measurement") ?? "");
  }
  return measurements;
}
