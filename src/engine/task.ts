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
import type { ForkTarget } from "./fork.ts";
import { NodeError } from "./node-error.ts";
import { Pipeline, type PipelineSurroundings } from "./pipeline.ts";
import type { TaskDefinition } from "./ports.ts";
import type { Receiver } from "./receiver.ts";
import type { RunningNode } from "./running-node.ts";

export class Task implements ForkTarget {
  readonly definition: TaskDefinition;
  readonly pipeline: Pipeline;
  /** Measurements named in `from` nodes; "" stands for all. */
  readonly measurements: ReadonlySet<string>;
  readonly startedMs: number;
  readonly #around: PipelineSurroundings;
  readonly #root = new Group("", NO_DIMENSIONS, []);
  readonly #source: RunningNode;
  readonly #entry: Receiver;
  readonly #needs: readonly SourceNeeds[];
  #received = 0;
  #running = true;

  /** Throws `Error` when the task cannot run. */
  constructor(
    definition: TaskDefinition,
    script: ScriptResult,
    around: Omit<PipelineSurroundings, "failed"> & {
      /** Takes the task out of the engine; called once, after it has stopped itself. */
      failed(error: NodeError): void;
    },
  ) {
    this.definition = definition;
    this.#around = around;
    this.pipeline = new Pipeline(definition, script.nodes, {
      ...around,
      writeBack: (point) => around.writeBack(point),
      failed: (error) => this.#fail(error),
    });
    this.#source = this.pipeline.nodes[0] as RunningNode;
    this.#source.received = () => this.#received;
    this.#entry = this.pipeline.source;
    this.measurements = measurementsOf(script.nodes);
    this.#needs = sourceNeeds(script.nodes, around.specs);
    this.startedMs = around.services.clock.monoMs();
    this.#guard(() => this.pipeline.start());
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

  /** Points that entered the task. */
  get received(): number {
    return this.#received;
  }

  /** The fields of a measurement that the task looks at. */
  fieldsOf(measurement: string): FieldNeeds {
    return this.#needs
      .filter((need) => need.measurement === "" || need.measurement === measurement)
      .reduce<FieldNeeds>((all, { fields }) => unionOf(all, fields), NO_FIELDS);
  }

  /** Runs one point through the task. Never throws. */
  push(point: Point): void {
    if (!this.#running) return;
    this.#received++;
    try {
      this.#entry.point(this.#root, point);
    } catch (error) {
      this.#fail(this.#nodeError(error));
    }
  }

  /** Drains and stops. Stopping twice does nothing. */
  stop(): void {
    if (!this.#running) return;
    this.#guard(() => this.pipeline.source.finish());
    if (!this.#running) return;
    this.#running = false;
    this.pipeline.stop();
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
    this.pipeline.stop();
    this.#around.failed(error);
  }
}

function measurementsOf(nodes: readonly NodeDefinition[]): ReadonlySet<string> {
  const measurements = new Set<string>();
  for (const node of nodes) {
    if (node.type.method !== "from") continue;
    measurements.add(new Calls(node.calls).string("measurement") ?? "");
  }
  return measurements;
}
