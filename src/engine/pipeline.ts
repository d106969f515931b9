/**
 * Turns the nodes that a script describes into a running pipeline.
 *
 * Nodes are built from the last to the first, so a node gets its output ready-made. Links whose ends carry
 * different things are refused here, as the original does when a task is enabled.
 */

import { assert } from "#lib/assert.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { Result } from "#model/result.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import { BatchGate } from "./batch-gate.ts";
import { Edge } from "./edge.ts";
import { type Count, GroupCounts } from "./group-counts.ts";
import { GroupExpiry } from "./group-expiry.ts";
import { GroupState } from "./group-state.ts";
import { GroupTable } from "./group-table.ts";
import type { Inhibitors } from "./inhibitors.ts";
import { type AnyNodeSpec, inputType, outputType } from "./node.ts";
import { NodeError } from "./node-error.ts";
import { type HandleParts, NodeHandle } from "./node-handle.ts";
import type { PointFilters } from "./point-filters.ts";
import type { EngineServices, TaskDefinition } from "./ports.ts";
import type { Receiver } from "./receiver.ts";
import { RunningNode } from "./running-node.ts";
import { registered, type SnapshotSources } from "./snapshot.ts";
import { TaskBudget, type TaskLimits } from "./task-budget.ts";
import type { MessageTimer } from "./timer.ts";

/** What a pipeline needs from the engine around it. */
export interface PipelineSurroundings {
  readonly services: EngineServices;
  readonly specs: ReadonlyMap<string, AnyNodeSpec>;
  readonly inhibitors: Inhibitors;
  readonly filters: PointFilters;
  readonly timer: MessageTimer;
  /** Prefix of anonymous topics: `main`, or the ID of a replay. */
  readonly taskMaster: string;
  /** True when batches are handed in (`Pipeline.feeds`), as replays do: query nodes do not run their queries. */
  readonly takesBatches: boolean;
  readonly limits: TaskLimits;
  /** After this long without a message a group is forgotten; 0 = never. */
  readonly groupIdleMs: number;
  /** Told how many groups have expired. */
  expired(groups: number): void;
  writeBack(point: Point): boolean;
  /** A timer of a node threw; the task has to be stopped. */
  failed(error: NodeError): void;
}

export class Pipeline {
  readonly nodes: readonly RunningNode[];
  readonly edges: readonly Edge[];
  /** Takes what enters the task. */
  readonly source: Receiver;
  readonly endpoints: ReadonlyMap<string, () => Result>;
  /** Where the results of each query of a batch task go, in the order of the script. */
  readonly feeds: readonly Receiver[];
  /** The way in for batches that queries give. */
  readonly gate: BatchGate;
  readonly #starters: readonly (() => void)[];
  readonly #stoppers: readonly (() => void | Promise<void>)[];
  readonly #drains: Promise<void>[];
  readonly #builder: Builder;

  /** Throws `Error` with the node's text when the task cannot run; nothing is left behind then. */
  constructor(
    task: TaskDefinition,
    definitions: readonly NodeDefinition[],
    around: PipelineSurroundings,
  ) {
    const builder = new Builder(task, definitions, around);
    this.#builder = builder;
    this.gate = builder.gate;
    this.#drains = builder.drains;
    try {
      this.source = builder.build();
    } catch (error) {
      for (const stop of builder.stoppers.toReversed()) void stop();
      throw error;
    }
    this.nodes = builder.nodes;
    this.edges = builder.edges;
    this.endpoints = builder.endpoints;
    this.feeds = builder.nodes.flatMap((node) => (isQuery(node.definition) ? node.inEdges : []));
    this.#starters = builder.starters;
    this.#stoppers = builder.stoppers;
  }

  start(): void {
    for (const start of this.#starters) start();
    this.#builder.expiry?.start();
  }

  /** What its nodes hold now. */
  get budget(): TaskBudget {
    return this.#builder.budget;
  }

  /** What snapshots are made of; `loose` are the groups that no node made. */
  snapshotSources(loose: readonly Group[]): SnapshotSources {
    return {
      names: this.nodes.map((node) => node.name),
      tables: this.nodes.flatMap((node) => this.#builder.tables.get(node) ?? []),
      loose,
      nodes: this.nodes.map((node) => ({
        version: node.spec.stateVersion ?? 1,
        groups: node.states,
        parts: node.parts,
      })),
    };
  }

  /** What nodes still work on since `source.finish()`; `undefined` when nothing is left. */
  draining(): Promise<unknown> | undefined {
    return this.#drains.length === 0 ? undefined : Promise.all(this.#drains.splice(0));
  }

  /**
   * Cancels timers and gives everything back. Does not drain; call `source.finish()` before. The promise, when
   * there is one, is for what nodes still have to write; it does not reject.
   */
  stop(): Promise<unknown> | undefined {
    this.gate.close();
    const ends = this.#stoppers.toReversed().flatMap((stop) => stop() ?? []);
    return ends.length === 0 ? undefined : Promise.allSettled(ends);
  }
}

class Builder implements HandleParts {
  readonly nodes: RunningNode[] = [];
  readonly edges: Edge[] = [];
  readonly endpoints = new Map<string, () => Result>();
  readonly starters: (() => void)[] = [];
  readonly stoppers: (() => void | Promise<void>)[] = [];
  readonly drains: Promise<void>[] = [];
  readonly budget: TaskBudget;
  readonly tables = new Map<RunningNode, GroupTable[]>();
  readonly expiry: GroupExpiry | undefined;
  readonly gate: BatchGate;
  readonly task: TaskDefinition;
  readonly around: PipelineSurroundings;
  readonly #running = new Map<NodeDefinition, RunningNode>();
  readonly #receivers = new Map<NodeDefinition, readonly Receiver[]>();
  readonly #watched = new Map<NodeDefinition, GroupCounts>();
  readonly #groupStates: GroupState<unknown>[] = [];
  #groupSlots = 0;
  #stopped = false;

  constructor(
    task: TaskDefinition,
    definitions: readonly NodeDefinition[],
    around: PipelineSurroundings,
  ) {
    this.task = task;
    this.around = around;
    this.budget = new TaskBudget(around.limits);
    this.expiry = this.#makeExpiry(definitions);
    this.gate = new BatchGate({
      clock: around.services.clock,
      timer: around.timer,
      failed: (error) => {
        const source = definitions[0]?.name ?? "";
        around.failed(error instanceof NodeError ? error : new NodeError(source, error));
      },
    });
    const log = around.services.log.with({ task_master: around.taskMaster, task: task.id });
    for (const definition of definitions) {
      const spec = around.specs.get(definition.type.method);
      if (spec === undefined) throw new Error(`${definition.type.method} is not available yet`);
      const node = new RunningNode(definition, spec, log, around.services.clock);
      this.nodes.push(node);
      this.#running.set(definition, node);
      if (spec.observesParent === true) this.#watch(definition);
    }
    this.stoppers.push(() => {
      this.#stopped = true;
    });
  }

  build(): Receiver {
    for (const node of this.nodes.toReversed()) this.#buildNode(node);
    this.edges.reverse();
    const source = this.nodes[0];
    assert(source !== undefined, "a script has a source");
    const receiver = this.#receivers.get(source.definition)?.[0];
    assert(receiver !== undefined, "the source was built");
    return receiver;
  }

  #watch(definition: NodeDefinition): void {
    const parent = definition.parents[0];
    assert(parent !== undefined, "a watching node has a parent");
    if (this.#watched.has(parent)) return;
    const state = this.groupState<Count>();
    const counts = new GroupCounts(state);
    this.#running.get(parent)?.states.push(registered(state, counts.codec));
    this.#watched.set(parent, counts);
  }

  #buildNode(node: RunningNode): void {
    const { definition, spec } = node;
    const outs = this.#link(node);
    const context = new NodeHandle(node, outs, this);
    let built: Receiver | readonly Receiver[];
    try {
      built = spec.start(spec.options(definition), context);
    } catch (error) {
      throw error instanceof Error ? error : new Error(errorMessage(error));
    }
    this.#receivers.set(definition, isList(built) ? built : [built]);
  }

  /** Makes the edges to the node's children, which are built already. */
  #link(node: RunningNode): Receiver[] {
    const outs: Receiver[] = [];
    for (const child of this.nodes) {
      if (child.spec.observesParent === true) continue;
      child.definition.parents.forEach((parent, index) => {
        if (parent !== node.definition) return;
        const groups = outs.length === 0 ? this.#watched.get(parent) : undefined;
        const edge = this.#edge(node, child, index, groups);
        node.outEdges.push(edge);
        child.inEdges.push(edge);
        this.edges.push(edge);
        outs.push(edge);
      });
    }
    const unseen = this.#watched.get(node.definition);
    if (outs.length === 0 && unseen !== undefined) outs.push(new Watcher(unseen));
    return outs;
  }

  #edge(
    node: RunningNode,
    child: RunningNode,
    index: number,
    groups: GroupCounts | undefined,
  ): Edge {
    checkLink(node.definition, child.definition);
    const receivers = this.#receivers.get(child.definition) ?? [];
    const to = receivers[index] ?? receivers[0];
    assert(to !== undefined, "children are built before their parents");
    return new Edge({
      parent: node.name,
      child: child.name,
      type: outputType(node.definition),
      to,
      timer: this.around.timer,
      nodeTimer: child.timer,
      groups,
      ticks: this.expiry?.ticks,
    });
  }

  #makeExpiry([source]: readonly NodeDefinition[]): GroupExpiry | undefined {
    const { groupIdleMs, expired } = this.around;
    if (groupIdleMs <= 0) return undefined;
    return new GroupExpiry(groupIdleMs, {
      after: (delayMs, run) => {
        const node = source === undefined ? undefined : this.#running.get(source);
        if (node !== undefined) this.after(node, delayMs, run);
      },
      forget: (group) => this.#forget(group),
      walked: expired,
    });
  }

  /** Nodes drop their states when they are told; this takes what they remember besides, so memory returns. */
  #forget(group: Group): void {
    for (const state of this.#groupStates) state.delete(group);
  }

  groupState<S>(): GroupState<S> {
    const state = new GroupState<S>(this.#groupSlots++);
    this.#groupStates.push(state);
    return state;
  }

  groupTable(node: RunningNode, expire?: (group: Group) => void): GroupTable {
    const table = new GroupTable(this.budget);
    this.tables.set(node, [...(this.tables.get(node) ?? []), table]);
    if (expire !== undefined) this.expiry?.add({ table, expire });
    return table;
  }

  touch(group: Group): void {
    group.seen = this.expiry?.ticks.now ?? 0;
  }

  watchedBy({ parents }: NodeDefinition): GroupCounts {
    const parent = parents[0];
    const counts = parent === undefined ? undefined : this.#watched.get(parent);
    assert(counts !== undefined, "the node watches its parent");
    return counts;
  }

  mayStart(definition: NodeDefinition): boolean {
    return !(this.around.takesBatches && isQuery(definition));
  }

  after(node: RunningNode, delayMs: number, run: () => void): () => void {
    return this.around.services.clock.after(delayMs, () => {
      this.gate.defer(() => this.run(node, run));
    });
  }

  run(node: RunningNode, run: () => void): void {
    if (this.#stopped) return;
    try {
      run();
    } catch (error) {
      this.around.failed(error instanceof NodeError ? error : new NodeError(node.name, error));
    }
  }
}

/** Counts for a `stats` node whose parent has no child to carry messages to. */
class Watcher implements Receiver {
  readonly #counts: GroupCounts;

  constructor(counts: GroupCounts) {
    this.#counts = counts;
  }

  point(group: Parameters<Receiver["point"]>[0]): void {
    this.#counts.add(group, 1);
  }

  points(groups: readonly Group[], _points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.#counts.add(groups[i] as Group, 1);
  }

  beginBatch(): void {}

  batchPoint(group: Parameters<Receiver["batchPoint"]>[0]): void {
    this.#counts.add(group, 1);
  }

  endBatch(): void {}

  barrier(): void {}

  deleteGroup(group: Parameters<Receiver["deleteGroup"]>[0]): void {
    this.#counts.delete(group);
  }

  finish(): void {}
}

/** True for the nodes directly below `batch`. */
function isQuery({ parents }: NodeDefinition): boolean {
  return parents[0]?.type.method === "batch";
}

function checkLink(parent: NodeDefinition, child: NodeDefinition): void {
  const provides = outputType(parent);
  const wants = child.type.wants === "either" ? inputType(child) : child.type.wants;
  if (provides === wants) return;
  throw new Error(
    `cannot add child mismatched edges: ${parent.name}:${provides} -> ${child.name}:${wants}`,
  );
}

function isList(built: Receiver | readonly Receiver[]): built is readonly Receiver[] {
  return Array.isArray(built);
}
