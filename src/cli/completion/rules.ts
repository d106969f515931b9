/**
 * What may follow what on the client's command line, as one flat table that every shell's script is made of.
 *
 * A path is a command, or a command and its verb. The same walk over the words in each shell finds the path,
 * then the place of the word that is being typed; the table says what belongs there.
 */

import type { Command } from "../command.ts";
import { CONNECTION_FLAGS } from "../connection.ts";
import type { FlagKind } from "../flags.ts";
import { OUTPUT_FORMS } from "../output-form.ts";
import { ID_KINDS, type Word, type WordOrder } from "../words.ts";

export interface CompletionRule {
  /** `""` is the line's start; `list`, `list tasks`. */
  readonly path: string;
  readonly flags: readonly CompletionFlag[];
  readonly words: WordOrder;
  /** The next word makes the path longer. */
  readonly isOpen: boolean;
}

export interface CompletionFlag {
  /** With its dash. */
  readonly name: string;
  /** What its value is; `undefined` for a flag that takes none. */
  readonly value: Word | undefined;
}

/** Rules of the start, of every command, and of every verb, in the order of the list. */
export function completionRules(commands: readonly Command[]): readonly CompletionRule[] {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  const names = [...shown.map(({ name }) => name), "help"];
  return [
    {
      path: "",
      flags: flagsOf(CONNECTION_FLAGS, {}),
      words: { each: [names] },
      isOpen: true,
    },
    ...shown.flatMap(rulesOf),
    { path: "help", flags: flagsOf({}, {}), words: { each: [names] }, isOpen: false },
  ];
}

function rulesOf({ name, flags, flagValues = {}, words }: Command): CompletionRule[] {
  const own = flagsOf(flags, flagValues);
  if (!("verbs" in words)) return [{ path: name, flags: own, words, isOpen: false }];
  const verbs = Object.entries(words.verbs);
  return [
    { path: name, flags: own, words: { each: [verbs.map(([verb]) => verb)] }, isOpen: true },
    ...verbs.map(([verb, after]) => ({
      path: `${name} ${verb}`,
      flags: own,
      words: after,
      isOpen: false,
    })),
  ];
}

/** A command's flags and those that are understood everywhere. */
function flagsOf(
  kinds: Readonly<Record<string, FlagKind>>,
  values: Readonly<Record<string, Word>>,
): readonly CompletionFlag[] {
  const own = Object.entries(kinds).map(([name, kind]) => ({
    name: `-${name}`,
    value: kind === "boolean" ? undefined : (values[name] ?? "text"),
  }));
  return [...own, { name: "-output", value: OUTPUT_FORMS }, { name: "-help", value: undefined }];
}

/** A place as the words that the shells' scripts act on: `file`, `directory`, `ids KIND`, `words A B`. */
export function actionOf(word: Word): readonly string[] {
  if (typeof word !== "string") return ["words", ...word];
  const kind = ID_KINDS.find((known) => known === word);
  if (kind !== undefined) return ["ids", kind];
  return word === "text" ? [] : [word];
}

/** Names of commands that open a second level, for `isOpen` by path. */
export function openPaths(rules: readonly CompletionRule[]): readonly string[] {
  return rules.filter(({ isOpen }) => isOpen).map(({ path }) => path);
}
