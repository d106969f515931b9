/**
 * What may stand where on a command line. Every command says it of its own words and options; shell
 * completions are made of it.
 */

/** Things the server knows by ID; the running shell asks for them through `__complete`. */
export const ID_KINDS = [
  "tasks",
  "templates",
  "recordings",
  "replays",
  "topics",
  "topic-handlers",
  "service-tests",
  "users",
  "members",
] as const;

export type IdKind = (typeof ID_KINDS)[number];

/** One place: a path, text of which nothing is known, an ID, or one of a list. */
export type Word = "file" | "directory" | "text" | IdKind | readonly string[];

/** The words of a command in order, without its options. */
export interface WordOrder {
  readonly each: readonly Word[];
  /** Any number of these may follow. */
  readonly rest?: Word;
}

/** A command's words; with `verbs` the first word is one of them and says what may follow. */
export type CommandWords = WordOrder | { readonly verbs: Readonly<Record<string, WordOrder>> };

export const NO_WORDS: WordOrder = { each: [] };

/** Values of `-type`. */
export const TASK_TYPES = ["stream", "batch"] as const;
