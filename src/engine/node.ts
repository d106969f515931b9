/**
 * What a pipeline node is, once: its TICKscript method, properties, documentation, options and code.
 *
 * `defineNode` takes one object per node. From it come the method and properties that scripts may call
 * (`engine/tick-environment.ts`), the check of a definition, and the running half. `options` turns the
 * calls recorded by the language into a typed value and refuses wrong ones with the original's texts; it runs
 * when a script is read. `start` builds the receiver when a task starts; what can only be known then (types of
 * edges, dbrps) is refused there.
 */

import type { Cancel } from "#lib/clock.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { Result } from "#model/result.ts";
import type {
  ExpandCall,
  NodeDefinition,
  ParamType,
  PropertySpec,
  TaskType,
} from "#tick/environment.ts";
import type { OutgoingBatch } from "./batch-gate.ts";
import type { FieldNeeds } from "./field-needs.ts";
import type { GroupCounts } from "./group-counts.ts";
import type { GroupState } from "./group-state.ts";
import type { GroupTable } from "./group-table.ts";
import type { Inhibitors } from "./inhibitors.ts";
import type { PointFilters } from "./point-filters.ts";
import type { EngineServices } from "./ports.ts";
import type { Receiver } from "./receiver.ts";
import type { SavedPart, StateCodec } from "./snapshot.ts";
import type { HeldPoints } from "./task-budget.ts";

export type EdgeType = "stream" | "batch";

/** A counter of a node, shown under its name in the task's statistics. */
export interface Counter {
  value: number;
}

/** What a running node may use. Made per node and task. */
export interface NodeContext {
  readonly definition: NodeDefinition;
  readonly task: { readonly id: string; readonly type: TaskType; readonly dbrps: readonly Dbrp[] };
  /** Prefix of anonymous topics: `main`, or the ID of a replay. */
  readonly taskMaster: string;
  readonly services: EngineServices;
  /** Shared by all tasks of the engine. */
  readonly inhibitors: Inhibitors;
  /** Filters shared by all tasks of the engine. */
  readonly filters: PointFilters;
  /** Type of the incoming edges; sources see their own. */
  readonly input: EdgeType;
  /** Where the node's output goes; every child receives every message. */
  readonly out: Receiver;
  /** The first child alone (trickle). */
  readonly firstOut: Receiver;
  /** The names of the parents, in link order. */
  readonly parents: readonly string[];
  /**
   * State per group of this node; the first one taken counts for `working_cardinality`. With a codec it is
   * part of snapshots; every state that the node's output depends on has one.
   */
  groupState<S>(codec?: StateCodec<S>): GroupState<S>;
  /** The same, not counted: what a node remembers of a group without working per group. */
  groupMemo<S>(): GroupState<S>;
  /**
   * A table for groups that this node makes. With `expire` idle groups are removed from it when the task is set
   * so; it is called for each before, to tell the nodes below.
   */
  groupTable(expire?: (group: Group) => void): GroupTable;
  /** Keeps a group from expiring although no message of it goes out yet. */
  touch(group: Group): void;
  /** Saves and loads what the node keeps besides the states of groups. */
  saved(part: SavedPart): void;
  /** Counts points that the node holds back, against the task's limit. */
  readonly held: HeldPoints;
  /** A slot number for `Series.slots`, given back when the task stops. */
  seriesSlot(): number;
  counter(name: string): Counter;
  /** A figure shown like a counter that somebody else keeps. */
  figure(name: string, read: () => number): void;
  /** A point could not be handled: counts it, and logs it unless the node is quiet. The caller drops it. */
  error(message: string, error: unknown, fields?: Readonly<Record<string, unknown>>): void;
  log(
    level: "debug" | "info" | "error",
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void;
  /** Runs once after `delayMs` unless the task has stopped; a throw fails the task. */
  after(delayMs: number, run: () => void): Cancel;
  /**
   * Called when the task stops, after the stream was finished and what drains has drained. The stop waits for
   * what is returned; it must be bounded in time and not reject.
   */
  onStop(run: () => void | Promise<void>): void;
  /**
   * Called in `finish` by a node that cannot pass it on yet: the task stays whole until this resolves, but
   * at most `DRAIN_MS_MAX`.
   */
  drains(until: Promise<void>): void;
  /** Sends one batch into this source, in slices; resolves when it ran through, or the task has stopped. */
  sendBatch(batch: OutgoingBatch): Promise<void>;
  /**
   * Runs what some I/O led to, as a message of its own: at once, or after the batch that is under way. Does
   * nothing when the task has stopped; a throw fails the task.
   */
  resume(run: () => void): void;
  /** Called when all nodes of the task are built, before the first message. */
  onStart(run: () => void): void;
  /** Serves `GET /tasks/<task>/<name>`. Throws when the task has the endpoint already. */
  endpoint(name: string, read: () => Result): void;
  /** The counts of the edge that a `stats` node watches. Throws when it watches none. */
  watched(): GroupCounts;
  /** Puts a point back into the engine (kapacitorLoopback); false when too many wait already. */
  writeBack(point: Point): boolean;
}

/** How the original treats a quiet node's errors: still counted, or neither logged nor counted. */
export type QuietErrors = "counted" | "uncounted";

export interface NodeSpec<Options> {
  /** Chain method, or the source's identifier. */
  readonly method: string;
  /** Prefix of node names, when it differs from the method. */
  readonly desc?: string;
  /** Go type name in error texts, `*pipeline.WindowNode`. */
  readonly goType: string;
  readonly wants: "stream" | "batch" | "either";
  readonly provides: "stream" | "batch" | "same" | "none";
  readonly params?: readonly ParamType[];
  readonly rest?: ParamType;
  readonly optional?: number;
  readonly properties?: readonly PropertySpec[];
  readonly onlyChildren?: readonly string[];
  readonly onlyParents?: readonly string[];
  readonly joinsArguments?: boolean;
  readonly expand?: (call: ExpandCall) => NodeDefinition;
  readonly doc: string;
  /** True for nodes without incoming edge that watch their parent's first edge (`stats`). */
  readonly observesParent?: boolean;
  /** True for nodes that scripts cannot call. */
  readonly hidden?: boolean;
  readonly quietErrors?: QuietErrors;
  /** True for a node with work under way that no snapshot can hold: its task is always drained. */
  readonly mustDrain?: boolean;
  /** Form of the node's part in snapshots, 1 when not given; saved parts of another version are ignored. */
  readonly stateVersion?: number;
  /**
   * Fields that the node needs in what the parent at `input` sends, given those that its children need of
   * its own output. Absent = all. Fields nobody needs are not even converted from text, so a node that hands
   * whole points to the outside needs all.
   */
  needs?(options: Options, below: FieldNeeds, input: number, services: EngineServices): FieldNeeds;
  /** Reads and checks the definition; throws `Error` with the node's text. */
  options(definition: NodeDefinition): Options;
  /** Builds the running half: one receiver per incoming edge, or one for all. */
  start(options: Options, context: NodeContext): Receiver | readonly Receiver[];
}

/** A node spec whose options type the registry has forgotten. */
export type AnyNodeSpec = NodeSpec<unknown>;

/**
 * Declares a node. The cast is the one spot where the registry forgets the options' type. Options are read once per
 * definition, though a start asks three times: to check the script, to build the node, to know the fields it needs.
 */
export function defineNode<Options>(spec: NodeSpec<Options>): AnyNodeSpec {
  const read = new WeakMap<NodeDefinition, { readonly options: Options }>();
  const options = (definition: NodeDefinition): Options => {
    let known = read.get(definition);
    if (known === undefined) {
      known = { options: spec.options(definition) };
      read.set(definition, known);
    }
    return known.options;
  };
  return { ...spec, options } as AnyNodeSpec;
}

/** `.quiet()`, which every node has. */
export const QUIET: PropertySpec = {
  name: "quiet",
  params: [],
  doc: "Suppresses the error log lines of this node.",
};

/** What the edge out of a node carries, found by walking up to the nearest node that decides. */
export function outputType(definition: NodeDefinition): EdgeType {
  const { provides } = definition.type;
  if (provides === "stream" || provides === "batch") return provides;
  const parent = definition.parents[0];
  return parent === undefined ? "stream" : outputType(parent);
}

/** What the edge into a node carries. */
export function inputType(definition: NodeDefinition): EdgeType {
  const parent = definition.parents[0];
  return parent === undefined ? outputType(definition) : outputType(parent);
}
