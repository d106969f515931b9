/**
 * Command-line flags as Go programs take them: `-x v`, `-x=v`, `--x v`, `--x=v`; booleans `-x` or `-x=false`.
 *
 * Flags end at the first word that is none, or after `--`. Unknown flags are errors. The texts are those that
 * Go users know, because scripts and people look for them.
 */

import { parseGoBool } from "#config/go-values.ts";

export interface FlagSpec {
  readonly name: string;
  /** `texts` may be repeated and keeps all values; the others keep the last. */
  readonly kind: "text" | "flag" | "texts";
  readonly doc: string;
  /** The value's name in the usage: `path`, `string`. */
  readonly value?: string;
  /** Not shown in the usage. */
  readonly hidden?: true;
}

export interface GoArgs {
  readonly kind: "parsed";
  /** The last value given, or undefined. */
  text(name: string): string | undefined;
  /** False when not given. */
  flag(name: string): boolean;
  /** All values given, in order. */
  texts(name: string): readonly string[];
  /** True when the flag was given, whatever its value. */
  has(name: string): boolean;
  /** The words after the flags. */
  readonly rest: readonly string[];
}

export type GoArgsResult =
  | GoArgs
  /** `-h` or `-help` where no such flag is declared. */
  | { readonly kind: "help" }
  | { readonly kind: "bad"; readonly message: string };

/** Parses the words after a command's name. */
export function parseGoArgs(words: readonly string[], specs: readonly FlagSpec[]): GoArgsResult {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const values = new Map<string, string[]>();
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") {
      at++;
      break;
    }
    if (word === "-" || !word.startsWith("-")) break;
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word);
    if (match === null) return { kind: "bad", message: `bad flag syntax: ${word}` };
    const [, name = "", inline] = match;
    const spec = byName.get(name);
    if (spec === undefined) {
      if (name === "h" || name === "help") return { kind: "help" };
      return { kind: "bad", message: `flag provided but not defined: -${name}` };
    }
    const value = inline ?? (spec.kind === "flag" ? "true" : words[++at]);
    if (value === undefined) return { kind: "bad", message: `flag needs an argument: -${name}` };
    if (spec.kind === "flag" && parseGoBool(value) === undefined)
      return {
        kind: "bad",
        message: `invalid boolean value ${JSON.stringify(value)} for -${name}: parse error`,
      };
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return parsed(values, words.slice(at));
}

function parsed(values: ReadonlyMap<string, readonly string[]>, rest: readonly string[]): GoArgs {
  return {
    kind: "parsed",
    rest,
    text: (name) => values.get(name)?.at(-1),
    flag: (name) => parseGoBool(values.get(name)?.at(-1) ?? "false") === true,
    texts: (name) => values.get(name) ?? [],
    has: (name) => values.has(name),
  };
}

/** The flags' part of a usage text, one flag per two lines, in the order of declaration. */
export function flagUsage(specs: readonly FlagSpec[]): string {
  return specs
    .filter((spec) => spec.hidden !== true)
    .map(({ name, kind, value, doc }) => {
      const argument = kind === "flag" ? "" : ` ${value ?? "string"}`;
      return `  -${name}${argument}\n    \t${doc}\n`;
    })
    .join("");
}
