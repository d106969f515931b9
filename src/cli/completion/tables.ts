/**
 * The rules as shell functions that bash and zsh both understand. Each answers in the array `reply`.
 *
 * Everything printed comes from this program's own tables; IDs of the server never get into a script's text.
 */

import type { CompletionProgram } from "./programs.ts";
import { actionOf, type CompletionRule, openPaths } from "./rules.ts";

export function shellTables({ name, rules }: CompletionProgram): string {
  return `# Does the next word belong to the path $1?
_${name}_is_open() {
    case "$1" in
    ${openPaths(rules).map(quoted).join("|")}) return 0 ;;
    esac
    return 1
}

# Options behind the path $1.
_${name}_flags() {
    case "$1" in
${rules.map(flagCase).join("\n")}
    *) reply=() ;;
    esac
}

# What the value of option $2 behind the path $1 is; fails for an option without one.
_${name}_value() {
    case "$1 $2" in
${rules.flatMap(valueCases).join("\n")}
    *) return 1 ;;
    esac
}

# What word number $2 behind the path $1 is.
_${name}_word() {
    case "$1 $2" in
${rules.flatMap(wordCases).join("\n")}
    *) reply=() ;;
    esac
}`;
}

function flagCase({ path, flags }: CompletionRule): string {
  return `    ${quoted(path)}) reply=(${flags.map(({ name }) => name).join(" ")}) ;;`;
}

function valueCases({ path, flags }: CompletionRule): string[] {
  return flags.flatMap(({ name, value }) =>
    value === undefined ? [] : [`    ${quoted(`${path} ${name}`)}) ${reply(actionOf(value))} ;;`],
  );
}

function wordCases({ path, words }: CompletionRule): string[] {
  const lines = words.each.map(
    (word, i) => `    ${quoted(`${path} ${i}`)}) ${reply(actionOf(word))} ;;`,
  );
  if (words.rest !== undefined) {
    lines.push(`    ${quoted(`${path} `)}[0-9]*) ${reply(actionOf(words.rest))} ;;`);
  }
  return lines;
}

const reply = (words: readonly string[]): string => `reply=(${words.join(" ")})`;

/** For the shells' single quotes. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
