/**
 * What a script may call, as data: given to the language, never imported by it.
 *
 * The engine's node registry and the handler registry describe their methods and properties with these
 * types; `evaluate.ts` checks every call against them and records it. The result of evaluating a script is
 * plain data (`ScriptResult`): nodes with their parents, arguments and property calls in order. The engine
 * turns that data into a running pipeline. So the language knows nothing about nodes, and nodes nothing about
 * syntax.
 */

import type { Int64 } from "#lib/int64.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { Expression } from "./ast.ts";

/** 1-based line and 1-based byte column, as error texts show them. */
export interface Position {
  readonly line: number;
  readonly char: number;
}

/**
 * Types of parameters. Arguments must have the exact type; there are no conversions. `any` takes every value
 * (checked later by the node), `node` takes another pipeline node.
 */
export type ParamType =
  | "int"
  | "float"
  | "string"
  | "bool"
  | "duration"
  | "lambda"
  | "regex"
  | "node"
  | "any";

/** A value in a script. `int` and `duration` (nanoseconds) are canonical `Int64`s. */
export type TickValue =
  | { readonly kind: "int"; readonly value: Int64 }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "duration"; readonly value: Int64 }
  | { readonly kind: "regex"; readonly value: string }
  | { readonly kind: "lambda"; readonly value: Expression }
  | { readonly kind: "star" }
  | { readonly kind: "list"; readonly value: readonly TickValue[] }
  | { readonly kind: "node"; readonly value: NodeDefinition }
  /** `time(d[, offset])`, the only global function; for groupBy. */
  | { readonly kind: "timeDimension"; readonly interval: Int64; readonly offset: Int64 };

/** `.name(params…)` on a node, or on an object that an earlier property opened (an alert handler). */
export interface PropertySpec {
  readonly name: string;
  readonly params: readonly ParamType[];
  /** Type of any further arguments. */
  readonly rest?: ParamType;
  /** Number of trailing `params` that may be left out. */
  readonly optional?: number;
  /**
   * True for a plain assignable value (`.period(10s)`): takes exactly one argument, a later call replaces the
   * earlier one, can be read back, and a wrong type or count gives the "set property" error texts.
   * False for a method with behaviour (`.groupBy(…)`, flags, repeatable calls): "call func" error texts.
   */
  readonly assignable?: boolean;
  /** Go's name of the object that further `.x()` calls apply to (`*pipeline.PostHandler`), with its properties. */
  readonly opens?: ObjectSpec;
  readonly doc: string;
}

export interface ObjectSpec {
  /** Type name in error texts. */
  readonly goType: string;
  readonly properties: readonly PropertySpec[];
}

/** A node type as the language sees it. */
export interface NodeType extends ObjectSpec {
  /** Chain method that makes it (`window`), or the source's identifier (`stream`, `batch`). */
  readonly method: string;
  /** Prefix of node names (`http_out` in `http_out3`). */
  readonly desc: string;
  readonly params: readonly ParamType[];
  readonly rest?: ParamType;
  readonly optional?: number;
  readonly wants: "stream" | "batch" | "either";
  /** `same` = as its input; `none` = nothing can be chained to it. */
  readonly provides: "stream" | "batch" | "same" | "none";
  /** True when only these methods may follow (`batch` allows `query` and `queryFlux`). */
  readonly onlyChildren?: readonly string[];
  /** Methods after which alone this node may come (`from` on `stream` and `from`; `query` on `batch`). */
  readonly onlyParents?: readonly string[];
  /** True when arguments of type `node` become further parents (`join`, `union`), each taking one node ID. */
  readonly joinsArguments?: boolean;
  /**
   * True for `stats`: it is not fed by its parent but watches what the parent emits. A parent that has no
   * children yet gets a hidden `noop` child (node type `noop`, if the environment has it),
   * with the ID after the watcher's.
   */
  readonly observesParent?: boolean;
  /** True for nodes that scripts cannot call (`noop`). */
  readonly hidden?: boolean;
  /** Name of a chain method that builds a sub-pipeline instead of one node (`deadman`). See `expand`. */
  readonly expand?: (call: ExpandCall) => NodeDefinition;
  /** Called when the script has been read; throws `Error` with the node's own message (no position). */
  readonly validate?: (definition: NodeDefinition) => void;
  readonly doc: string;
}

/** What a chain method that expands into several nodes gets: it adds them and returns the last. */
export interface ExpandCall {
  readonly parent: NodeDefinition;
  readonly args: readonly TickValue[];
  add(
    method: string,
    parent: NodeDefinition,
    args: readonly TickValue[],
    calls: readonly PropertyCall[],
  ): NodeDefinition;
}

/** One `.x(…)` in a script. `calls` are those made on the object it opened. */
export interface PropertyCall {
  readonly name: string;
  readonly args: readonly TickValue[];
  readonly calls: PropertyCall[];
  readonly position: Position;
}

/** A node of the pipeline that a script describes. */
export interface NodeDefinition {
  /** Source 0; each link takes the next number. */
  readonly id: number;
  /** `desc` + `id`. */
  readonly name: string;
  readonly type: NodeType;
  readonly args: readonly TickValue[];
  /** In link order: the node it was chained to first, then joined ones. */
  readonly parents: readonly NodeDefinition[];
  /** Property calls in script order. */
  readonly calls: PropertyCall[];
  /** Where the call stands; `undefined` for nodes that no call made alone (source, `noop`, parts of `deadman`). */
  readonly position: Position | undefined;
}

export interface TickEnvironment {
  /** Chain methods and sources by name. */
  readonly nodes: ReadonlyMap<string, NodeType>;
  /** Dynamic methods (`@name`): UDFs. Empty until UDFs are supported. */
  readonly dynamic: ReadonlyMap<string, NodeType>;
  /** Chain methods called on the source of every script, after its own statements. */
  readonly appended?: readonly AppendedCall[];
}

/** A chain method that the environment itself calls. */
export interface AppendedCall {
  readonly method: string;
  readonly args: readonly TickValue[];
}

export type TaskType = "stream" | "batch";

/** A variable as the API shows it (`vars`). */
export type VarType =
  | "bool"
  | "int"
  | "float"
  | "string"
  | "regex"
  | "duration"
  | "lambda"
  | "star"
  | "list";

export interface Var {
  readonly type: VarType;
  /** `undefined` = declared without a value (required). */
  readonly value: TickValue | undefined;
  readonly description: string;
}

export interface ScriptResult {
  readonly type: TaskType;
  /** All nodes in creation order, the source first. */
  readonly nodes: readonly NodeDefinition[];
  /** From `dbrp` statements. */
  readonly dbrps: readonly Dbrp[];
  readonly vars: ReadonlyMap<string, Var>;
}
