/**
 * Regular expressions with RE2's meaning that never run away.
 *
 * Patterns of a small subset, in which the built-in engine agrees with RE2 and cannot backtrack more than a
 * bounded number of steps per character, run on the built-in engine, translated: see `simple-regex.ts`.
 * Everything else runs on a port of RE2, whose time is linear in the text for every pattern.
 * Compiled patterns are shared by text.
 */

import { RE2JS } from "re2js";
import { errorMessage } from "#lib/errors.ts";
import { REGEX_LENGTH_MAX, REGEXES_MAX } from "../limits.ts";
import { simpleRegex } from "./simple-regex.ts";

export class Regex {
  readonly pattern: string;
  readonly #simple: RegExp | undefined;
  #full: RE2JS | undefined;

  /** Throws `Error` with RE2's text (`error parsing regexp: …`) for a bad pattern. */
  constructor(pattern: string) {
    if (pattern.length > REGEX_LENGTH_MAX) {
      throw new Error(
        `error parsing regexp: expression too large, over ${REGEX_LENGTH_MAX} characters`,
      );
    }
    this.pattern = pattern;
    this.#simple = simpleRegex(pattern);
    if (this.#simple === undefined) this.#full = RE2JS.compile(pattern);
  }

  /** True when the built-in engine runs this pattern. */
  get isSimple(): boolean {
    return this.#simple !== undefined;
  }

  /** True when the pattern matches anywhere in the text. */
  test(text: string): boolean {
    if (this.#simple !== undefined) return this.#simple.test(text);
    return this.#re2().test(text);
  }

  /**
   * Replaces every match. In the replacement `$name`, `${name}`, `$1` and `${1}` stand for groups (the
   * longest name is taken, unknown ones are empty) and `$$` for a dollar sign.
   */
  replaceAll(text: string, replacement: string): string {
    const matcher = this.#re2().matcher(text);
    const parts = parseReplacement(replacement);
    const names = this.#re2().namedGroups();
    let out = "";
    let end = 0;
    let before = -1;
    while (matcher.find()) {
      const start = matcher.start();
      // An empty match right after another match does not count.
      if (matcher.end() === start && start === before) continue;
      out += text.slice(end, start);
      for (const part of parts) out += "text" in part ? part.text : groupText(part.group, names);
      end = matcher.end();
      before = end;
    }
    return out + text.slice(end);

    function groupText(name: string, known: Readonly<Record<string, number>>): string {
      const index = /^\d+$/.test(name) ? Number(name) : (known[name] ?? -1);
      return index < 0 || index > matcher.groupCount() ? "" : (matcher.group(index) ?? "");
    }
  }

  #re2(): RE2JS {
    this.#full ??= RE2JS.compile(this.pattern);
    return this.#full;
  }
}

let table = new Map<string, Regex>();

/** The shared compiled form of a pattern. Throws `Error` with RE2's text for a bad one. */
export function compileRegex(pattern: string): Regex {
  let regex = table.get(pattern);
  if (regex === undefined) {
    regex = new Regex(pattern);
    if (table.size >= REGEXES_MAX) table = new Map();
    table.set(pattern, regex);
  }
  return regex;
}

/** RE2's complaint about a pattern, or `undefined` when it is good. */
export function regexError(pattern: string): string | undefined {
  try {
    compileRegex(pattern);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}

type ReplacementPart = { readonly text: string } | { readonly group: string };

function parseReplacement(template: string): readonly ReplacementPart[] {
  const parts: ReplacementPart[] = [];
  const piece = /\$(?:(\$)|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})|[^$]+|\$/gu;
  for (const [whole, dollar, bare, braced] of template.matchAll(piece)) {
    const group = bare ?? braced;
    if (group !== undefined) parts.push({ group });
    else parts.push({ text: dollar ?? whole });
  }
  return parts;
}
