/**
 * What a running node holds of its task: the `NodeContext` of pipelines.
 *
 * One object with shared methods: a thousand tasks have some five thousand nodes, and a context made of closures
 * took three quarters of what a task costs in memory.
 */

import type { Cancel } from "#lib/clock.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { Result } from "#model/result.ts";
import { releaseSlot, takeSlot } from "#model/series.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import type { BatchGate, OutgoingBatch } from "./batch-gate.ts";
import type { GroupCounts } from "./group-counts.ts";
import type { GroupState } from "./group-state.ts";
import type { GroupTable } from "./group-table.ts";
import type { Inhibitors } from "./inhibitors.ts";
import { type Counter, type EdgeType, inputType, type NodeContext } from "./node.ts";
import type { PipelineSurroundings } from "./pipeline.ts";
import type { PointFilters } from "./point-filters.ts";
import type { EngineServices, TaskDefinition } from "./ports.ts";
import { FanOut, NOWHERE, type Receiver } from "./receiver.ts";
import type { RunningNode } from "./running-node.ts";
import { registered, type SavedPart, type StateCodec } from "./snapshot.ts";
import type { TaskBudget } from "./task-budget.ts";

/** What the handles of one task share. */
export interface HandleParts {
  readonly task: TaskDefinition;
  readonly around: PipelineSurroundings;
  readonly gate: BatchGate;
  readonly budget: TaskBudget;
  readonly stoppers: (() => void | Promise<void>)[];
  readonly starters: (() => void)[];
  readonly drains: Promise<void>[];
  readonly endpoints: Map<string, () => Result>;
  groupState<S>(): GroupState<S>;
  groupTable(node: RunningNode, expire?: (group: Group) => void): GroupTable;
  touch(group: Group): void;
  after(node: RunningNode, delayMs: number, run: () => void): Cancel;
  run(node: RunningNode, run: () => void): void;
  watchedBy(definition: NodeDefinition): GroupCounts;
  /** False for what must not begin by itself, since batches are handed in. */
  mayStart(definition: NodeDefinition): boolean;
}

export class NodeHandle implements NodeContext {
  readonly definition: NodeDefinition;
  readonly out: Receiver;
  readonly firstOut: Receiver;
  readonly #node: RunningNode;
  readonly #parts: HandleParts;

  constructor(node: RunningNode, outs: readonly Receiver[], parts: HandleParts) {
    this.definition = node.definition;
    this.out = outs.length > 1 ? new FanOut(outs) : (outs[0] ?? NOWHERE);
    this.firstOut = outs[0] ?? NOWHERE;
    this.#node = node;
    this.#parts = parts;
  }

  get task(): TaskDefinition {
    return this.#parts.task;
  }

  get taskMaster(): string {
    return this.#parts.around.taskMaster;
  }

  get services(): EngineServices {
    return this.#parts.around.services;
  }

  get inhibitors(): Inhibitors {
    return this.#parts.around.inhibitors;
  }

  get filters(): PointFilters {
    return this.#parts.around.filters;
  }

  get input(): EdgeType {
    return inputType(this.definition);
  }

  get parents(): readonly string[] {
    return this.definition.parents.map((parent) => parent.name);
  }

  get held(): TaskBudget {
    return this.#parts.budget;
  }

  groupState<S>(codec?: StateCodec<S>): GroupState<S> {
    const state = this.#parts.groupState<S>();
    this.#node.cardinality ??= state;
    this.#node.states.push(registered(state, codec));
    return state;
  }

  groupMemo<S>(): GroupState<S> {
    return this.#parts.groupState<S>();
  }

  groupTable(expire?: (group: Group) => void): GroupTable {
    return this.#parts.groupTable(this.#node, expire);
  }

  touch(group: Group): void {
    this.#parts.touch(group);
  }

  saved(part: SavedPart): void {
    this.#node.parts.push(part);
  }

  seriesSlot(): number {
    const slot = takeSlot();
    this.#parts.stoppers.push(() => releaseSlot(slot));
    return slot;
  }

  counter(name: string): Counter {
    const counter = { value: 0 };
    this.#node.counters.set(name, counter);
    return counter;
  }

  figure(name: string, read: () => number): void {
    this.#node.counters.set(name, {
      get value() {
        return read();
      },
    });
  }

  error(message: string, error: unknown, fields?: Readonly<Record<string, unknown>>): void {
    this.#node.error(message, error, fields);
  }

  log(
    level: "debug" | "info" | "error",
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void {
    this.#node.log[level](message, fields);
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.#parts.after(this.#node, delayMs, run);
  }

  onStop(run: () => void | Promise<void>): void {
    this.#parts.stoppers.push(run);
  }

  drains(until: Promise<void>): void {
    this.#parts.drains.push(until);
  }

  sendBatch(batch: OutgoingBatch): Promise<void> {
    return this.#parts.gate.send(this.#node.inEdges[0] ?? this.firstOut, batch);
  }

  resume(run: () => void): void {
    this.#parts.gate.defer(() => this.#parts.run(this.#node, run));
  }

  onStart(run: () => void): void {
    if (this.#parts.mayStart(this.definition)) this.#parts.starters.push(run);
  }

  endpoint(name: string, read: () => Result): void {
    const { endpoints, task } = this.#parts;
    if (endpoints.has(name)) {
      throw new Error(`http: multiple registrations for /kapacitor/v1/tasks/${task.id}/${name}`);
    }
    endpoints.set(name, read);
  }

  watched(): GroupCounts {
    return this.#parts.watchedBy(this.definition);
  }

  writeBack(point: Point): boolean {
    return this.#parts.around.writeBack(point);
  }
}
