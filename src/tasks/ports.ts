/**
 * What the definitions room needs from outside: the language, the engine's start and stop, and topics.
 *
 * `Language` is cut so that tasks and templates never see syntax trees: text and values in, text, plain
 * results and errors out. `daemon/wire.ts` builds it from the tick room and the engine's node registry.
 */

import type { Topics } from "#alert/ports.ts";
import type { EngineHost } from "#engine/ports.ts";
import type { Clock } from "#lib/clock.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import type { Store } from "#storage/store.ts";
import type { ScriptResult, TaskType, Var } from "#tick/environment.ts";

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
  readonly engine: Pick<EngineHost, "start" | "stop" | "isRunning" | "stats" | "dot">;
  /** For dropping a deleted task's anonymous topics. */
  readonly topics: Pick<Topics, "list" | "delete">;
  /** Saved states of tasks, to drop those of deleted ones; absent: there are none. */
  readonly snapshots?: { delete(task: string): Promise<void> };
  readonly language: Language;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}
