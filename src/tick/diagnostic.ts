/**
 * What is wrong with a script, where, and what may help.
 *
 * `message` is the exact one-line text that clients know; the API puts `invalid TICKscript: ` before it.
 * Line, column, source line and hint are for people: the command line prints them below, as a caret block.
 * Whose fault: the script's author. Nothing was changed; trying again is useless.
 */

import type { Position } from "./environment.ts";

export interface TickErrorDetails {
  readonly script: string;
  readonly position?: Position | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

export class TickError extends Error {
  override name = "TickError";
  /** 1-based line, or `undefined` when the error belongs to the whole script. */
  readonly line: number | undefined;
  /** 1-based byte column. */
  readonly char: number | undefined;
  /** The line of the script, shortened around the column when it is very long. */
  readonly sourceLine: string | undefined;
  readonly hint: string | undefined;
  readonly #caretAt: number = 0;

  constructor(message: string, details: TickErrorDetails) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    const { position, script } = details;
    this.line = position?.line;
    this.char = position?.char;
    this.hint = details.hint;
    if (position !== undefined) {
      const excerpt = excerptAt(script, position);
      this.sourceLine = excerpt.text;
      this.#caretAt = excerpt.caretAt;
    }
  }

  /** Source line, caret and hint on lines of their own; empty when none is known. No final newline. */
  caretBlock(): string {
    const lines: string[] = [];
    if (this.sourceLine !== undefined) {
      const before = this.sourceLine.slice(0, this.#caretAt);
      lines.push(`  ${this.sourceLine}`, `  ${before.replace(/[^\t]/gu, " ")}^`);
    }
    if (this.hint !== undefined) lines.push(`  hint: ${this.hint}`);
    return lines.join("\n");
  }
}

/** Characters of a line shown before and after the column when the line is longer than both. */
const EXCERPT_SIDE = 100;

function excerptAt(script: string, position: Position): { text: string; caretAt: number } {
  const line = lineText(script, position.line);
  const at = unitColumn(line, position.char);
  if (line.length <= 2 * EXCERPT_SIDE) return { text: line, caretAt: at };
  const from = Math.max(0, at - EXCERPT_SIDE);
  return { text: line.slice(from, at + EXCERPT_SIDE), caretAt: at - from };
}

function lineText(script: string, line: number): string {
  let start = 0;
  for (let i = 1; i < line; i++) {
    const next = script.indexOf("\n", start);
    if (next < 0) return "";
    start = next + 1;
  }
  const end = script.indexOf("\n", start);
  return script.slice(start, end < 0 ? undefined : end).replace(/\r$/, "");
}

/** UTF-16 index of a 1-based byte column. */
function unitColumn(line: string, char: number): number {
  let bytes = 1;
  let i = 0;
  while (i < line.length && bytes < char) {
    const code = line.codePointAt(i) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    i += code > 0xffff ? 2 : 1;
  }
  return i;
}

/** The known name nearest to a wrong one: at most two edits (one for short names) away, else `undefined`. */
export function nearestName(wrong: string, known: Iterable<string>): string | undefined {
  const folded = wrong.toLowerCase();
  let best: string | undefined;
  let bestDistance = wrong.length <= 4 ? 2 : 3;
  for (const name of known) {
    if (Math.abs(name.length - wrong.length) >= bestDistance) continue;
    const distance = editDistance(folded, name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Edits (insert, delete, replace, swap of neighbours) that turn one word into the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
