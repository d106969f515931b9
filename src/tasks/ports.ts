/**
 * What the definitions room needs from outside: the language, the engine's start and stop, and topics.
 *
 * `Language` is cut so that tasks and templates never see syntax trees: text and values in, text, plain
 * results and errors out. `daemon/wire.ts` builds it from the tick room and the engine's node registry.
 */

import type { Topics } from "#alert/ports.ts";
import type { EngineHost, StartOutcome, TaskDefinition } from "#engine/ports.ts";
import type { Clock } from "#lib/clock.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import type { Store, Write } from "#storage/store.ts";
import type { ScriptResult, TaskType, Var } from "#tick/environment.ts";
import type { SharedTasks } from "./shared-tasks.ts";

/** Vars as the API shows them: `{"type","value","description"}` by name. */
export type VarsJson = Readonly<Record<string, unknown>>;

export interface Language {
  /**
   * The type a script has by its use of `stream` and `batch`; `undefined` when it uses neither or both.
   * Throws `Error` with the parser's text (`parser: unexpected …`).
   */
  taskType(script: string): TaskType | undefined;
  /**
   * Evaluates a task's script. Throws `Error` with the text that clients expect behind
   * `invalid TICKscript: ` (`line 1 char 8: no method …`, `missing value for var "m".`).
   */
  evaluate(script: string, vars: Readonly<Record<string, Var>>): ScriptResult;
  /** The same for a template: vars declared without a value get the zero value of their type. */
  evaluateTemplate(script: string): ScriptResult;
  /** The script in its standard layout. Throws when it does not parse. */
  format(script: string): string;
  /** Reads vars from a request or the store; throws `Error` for a bad type or value. */
  parseVars(input: unknown): Readonly<Record<string, Var>>;
  varsToJson(vars: Readonly<Record<string, Var>>): VarsJson;
}

export interface TaskServices {
  readonly store: Store;
  readonly engine: Pick<EngineHost, "start" | "stop" | "isRunning" | "stats" | "dot"> & {
    /** Starts a task by what its script was evaluated to just now; absent where the engine is not in this process. */
    startScript?(task: TaskDefinition, script: ScriptResult): StartOutcome;
  };
  /** For dropping a deleted task's anonymous topics. */
  readonly topics: Pick<Topics, "list" | "delete">;
  /** Saved states of tasks, to drop those of deleted ones; absent: there are none. */
  readonly snapshots?: { delete(task: string): Promise<void> };
  /** Brings copies of topic states up to date before a task reads its levels; bounded; absent: they always are. */
  readonly freshStates?: () => Promise<void>;
  /** Tasks of the whole cluster; absent: there are none, and making one is refused. */
  readonly shared?: SharedTasks;
  readonly language: Language;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Fields of a definition; `null` = deleted. */
export type SharedFields = Readonly<Record<string, unknown>> | null;

/** Tells the other members of an edit; resolves within a bounded time and never rejects. */
export type Spread = () => Promise<void>;

/** What all members hold of cluster tasks and templates, by `task/ID` and `template/ID`; implemented by the cluster. */
export interface SharedTable {
  get(key: string): SharedFields | undefined;
  /** Of what is not deleted. */
  keys(): readonly string[];
  /** Durable here when it resolves, together with `more`. */
  save(
    edits: readonly { readonly key: string; readonly value: SharedFields }[],
    more: readonly Write[],
  ): Promise<Spread>;
  /** Is told the keys that were changed by others; what it returns is waited for, within bounds. */
  follow(follower: (keys: readonly string[]) => Promise<void>): void;
}

export interface TaskMember {
  readonly id: string;
  /** `host:port` of its API. */
  readonly address: string;
}

/** The cluster tasks of this member, for the others. */
export interface LocalTasks {
  running(): readonly string[];
  /** Those that cannot run here, because a task of this member's own has the same ID. */
  blocked(): readonly string[];
  runs(task: string): boolean;
  /** Is it a task of this member alone? */
  owns(task: string): boolean;
  show(task: string, view: "attributes" | "labels"): string | undefined;
  endpoint(task: string, endpoint: string): string | undefined;
}

export type TaskQuestion =
  | { readonly what: "show"; readonly task: string; readonly view: "attributes" | "labels" }
  | { readonly what: "endpoint"; readonly task: string; readonly endpoint: string };

/** Who is to run which cluster task, and who does; implemented by the cluster. */
export interface TaskRunners {
  join(local: LocalTasks): Promise<void>;
  onChange(listener: () => void): void;
  /** `keep`: go on if it runs, because those that are to run it do not yet. */
  decide(task: string): "run" | "keep" | "stop";
  runners(task: string): readonly TaskMember[];
  /** Other members that can tell of it: those that run it, or else those that were to. */
  witnesses(task: string): readonly TaskMember[];
  /** Tells the others what runs here, if that is news. */
  report(): void;
  /** Live members that have a task of their own with this ID. */
  owners(task: string): Promise<readonly TaskMember[]>;
  /** Rejects when the member does not answer. */
  ask(member: string, question: TaskQuestion): Promise<string | undefined>;
  /** Resolves when this member knows the levels of topics as others do, or after a second. */
  freshStates(): Promise<void>;
}
