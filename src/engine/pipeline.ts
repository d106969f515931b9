/**
 * Turns the nodes that a script describes into a running pipeline.
 *
 * Nodes are built from the last to the first, so a node gets its output ready-made. Links whose ends carry
 * different things are refused here, as the original does when a task is enabled.
 */

import { assert } from "#lib/assert.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Point } from "#model/point.ts";
import type { Result } from "#model/result.ts";
import { releaseSlot, takeSlot } from "#model/series.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import { Edge } from "./edge.ts";
import { GroupCounts } from "./group-counts.ts";
import { GroupState } from "./group-state.ts";
import type { Inhibitors } from "./inhibitors.ts";
import { type AnyNodeSpec, inputType, type NodeContext, outputType } from "./node.ts";
import { NodeError } from "./node-error.ts";
import type { PointFilters } from "./point-filters.ts";
import type { EngineServices, TaskDefinition } from "./ports.ts";
import { FanOut, NOWHERE, type Receiver } from "./receiver.ts";
import { RunningNode } from "./running-node.ts";
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
  readonly #starters: readonly (() => void)[];
  readonly #stoppers: readonly (() => void)[];

  /** Throws `Error` with the node's text when the task cannot run; nothing is left behind then. */
  constructor(
    task: TaskDefinition,
    definitions: readonly NodeDefinition[],
    around: PipelineSurroundings,
  ) {
    const builder = new Builder(task, definitions, around);
    try {
      this.source = builder.build();
    } catch (error) {
      for (const stop of builder.stoppers.toReversed()) stop();
      throw error;
    }
    this.nodes = builder.nodes;
    this.edges = builder.edges;
    this.endpoints = builder.endpoints;
    this.#starters = builder.starters;
    this.#stoppers = builder.stoppers;
  }

  start(): void {
    for (const start of this.#starters) start();
  }

  /** Cancels timers and gives everything back. Does not drain; call `source.finish()` before. */
  stop(): void {
    for (const stop of this.#stoppers.toReversed()) stop();
  }
}

class Builder {
  readonly nodes: RunningNode[] = [];
  readonly edges: Edge[] = [];
  readonly endpoints = new Map<string, () => Result>();
  readonly starters: (() => void)[] = [];
  readonly stoppers: (() => void)[] = [];
  readonly #task: TaskDefinition;
  readonly #around: PipelineSurroundings;
  readonly #running = new Map<NodeDefinition, RunningNode>();
  readonly #receivers = new Map<NodeDefinition, readonly Receiver[]>();
  readonly #watched = new Map<NodeDefinition, GroupCounts>();
  #groupSlots = 0;
  #stopped = false;

  constructor(
    task: TaskDefinition,
    definitions: readonly NodeDefinition[],
    around: PipelineSurroundings,
  ) {
    this.#task = task;
    this.#around = around;
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
    if (!this.#watched.has(parent)) this.#watched.set(parent, new GroupCounts(this.#groupSlots++));
  }

  #buildNode(node: RunningNode): void {
    const { definition, spec } = node;
    const outs = this.#link(node);
    const context = this.#contextOf(node, outs);
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
      timer: this.#around.timer,
      nodeTimer: child.timer,
      groups,
    });
  }

  #contextOf(node: RunningNode, outs: readonly Receiver[]): NodeContext {
    const around = this.#around;
    const { definition } = node;
    return {
      definition,
      task: this.#task,
      taskMaster: around.taskMaster,
      services: around.services,
      inhibitors: around.inhibitors,
      filters: around.filters,
      input: inputType(definition),
      out: outs.length > 1 ? new FanOut(outs) : (outs[0] ?? NOWHERE),
      firstOut: outs[0] ?? NOWHERE,
      parents: definition.parents.map((parent) => parent.name),
      groupState: <S>() => {
        const state = new GroupState<S>(this.#groupSlots++);
        node.cardinality ??= state;
        return state;
      },
      groupMemo: <S>() => new GroupState<S>(this.#groupSlots++),
      seriesSlot: () => {
        const slot = takeSlot();
        this.stoppers.push(() => releaseSlot(slot));
        return slot;
      },
      counter: (name) => {
        const counter = { value: 0 };
        node.counters.set(name, counter);
        return counter;
      },
      error: (message, error, fields) => node.error(message, error, fields),
      log: (level, message, fields) => node.log[level](message, fields),
      after: (delayMs, run) => this.#after(node, delayMs, run),
      onStop: (run) => this.stoppers.push(run),
      onStart: (run) => this.starters.push(run),
      endpoint: (name, read) => {
        if (this.endpoints.has(name)) {
          throw new Error(
            `http: multiple registrations for /kapacitor/v1/tasks/${this.#task.id}/${name}`,
          );
        }
        this.endpoints.set(name, read);
      },
      watched: () => {
        const parent = definition.parents[0];
        const counts = parent === undefined ? undefined : this.#watched.get(parent);
        assert(counts !== undefined, "the node watches its parent");
        return counts;
      },
      writeBack: (point) => around.writeBack(point),
    };
  }

  #after(node: RunningNode, delayMs: number, run: () => void): () => void {
    return this.#around.services.clock.after(delayMs, () => {
      if (this.#stopped) return;
      try {
        run();
      } catch (error) {
        this.#around.failed(error instanceof NodeError ? error : new NodeError(node.name, error));
      }
    });
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
