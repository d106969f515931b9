/**
 * Finds the line on which a key of a TOML file stands.
 *
 * The TOML parser keeps no positions of values, so the text is scanned once more, and only when there is a
 * mistake to report: headers and keys are read, values are skipped with their strings, comments and brackets.
 * The text has already been parsed, so what is met here is well-formed.
 */

import type { ConfigPath } from "./config-error.ts";

/** Lines (1-based) by path. A key inside an inline table or array has the line of the key that holds it. */
export class KeyLines {
  readonly #lines = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
    this.#scan();
  }

  /** The line of the path or of the nearest part of it that has one; `undefined` for an empty file. */
  lineOf(path: ConfigPath): number | undefined {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(pathKey(path.slice(0, length)));
      if (line !== undefined) return line;
    }
    return undefined;
  }

  #scan(): void {
    let header: ConfigPath = [];
    for (;;) {
      this.#skipBlank();
      if (this.#at >= this.#text.length) return;
      if (this.#peek() === "[") header = this.#header();
      else this.#pair(header);
    }
  }

  #header(): ConfigPath {
    const line = this.#line;
    const isList = this.#text.startsWith("[[", this.#at);
    this.#at += isList ? 2 : 1;
    const names = this.#keys("]");
    this.#at += isList ? 2 : 1;
    const path = this.#resolve(names, isList);
    this.#note(path, line);
    return path;
  }

  /** Puts list indexes into a header's path: names of lists mean their last element. */
  #resolve(names: readonly string[], isList: boolean): ConfigPath {
    const path: (string | number)[] = [];
    for (const [i, name] of names.entries()) {
      path.push(name);
      const key = pathKey(path);
      const count = this.#counts.get(key);
      if (isList && i === names.length - 1) {
        this.#counts.set(key, (count ?? 0) + 1);
        path.push(count ?? 0);
      } else if (count !== undefined) {
        path.push(count - 1);
      }
    }
    return path;
  }

  #pair(header: ConfigPath): void {
    const line = this.#line;
    const names = this.#keys("=");
    this.#note([...header, ...names], line);
    this.#at++;
    this.#skipValue();
  }

  #note(path: ConfigPath, line: number): void {
    for (let length = 1; length <= path.length; length++) {
      const key = pathKey(path.slice(0, length));
      if (!this.#lines.has(key)) this.#lines.set(key, line);
    }
  }

  /** Reads dotted keys up to, not including, the closing character. */
  #keys(end: string): string[] {
    const names: string[] = [];
    while (this.#at < this.#text.length && this.#peek() !== end) {
      const c = this.#peek();
      if (c === '"' || c === "'") names.push(this.#quoted());
      else if (c === " " || c === "\t" || c === ".") this.#at++;
      else names.push(this.#bare());
    }
    return names;
  }

  #bare(): string {
    const bare = /[^\s.=\]"']+/y;
    bare.lastIndex = this.#at;
    const word = bare.exec(this.#text)?.[0] ?? this.#peek();
    this.#at += Math.max(1, word.length);
    return word;
  }

  #quoted(): string {
    const start = this.#at;
    this.#skipString();
    const token = this.#text.slice(start, this.#at);
    if (token.startsWith("'")) return token.slice(1, -1);
    return unescapeKey(token);
  }

  /** Skips a value up to the end of its line, over strings, comments and brackets. */
  #skipValue(): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const c = this.#peek();
      if (c === "\n" && depth === 0) return;
      if (c === '"' || c === "'") {
        this.#skipString();
        continue;
      }
      if (c === "#") {
        this.#skipComment();
        continue;
      }
      if (c === "[" || c === "{") depth++;
      else if (c === "]" || c === "}") depth--;
      this.#advance();
    }
  }

  #skipString(): void {
    const quote = this.#peek();
    const triple = this.#text.startsWith(quote.repeat(3), this.#at);
    const end = triple ? quote.repeat(3) : quote;
    this.#at += end.length;
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      if (quote === '"' && this.#peek() === "\\") this.#advance();
      this.#advance();
    }
    this.#at += end.length;
    // A multi-line string may end in up to two quotes of its own.
    while (triple && this.#peek() === quote) this.#at++;
  }

  #skipBlank(): void {
    while (this.#at < this.#text.length) {
      if (this.#peek() === "#") this.#skipComment();
      else if (/\s|\ufeff/.test(this.#peek())) this.#advance();
      else return;
    }
  }

  #skipComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #advance(): void {
    if (this.#peek() === "\n") this.#line++;
    this.#at++;
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }
}

function pathKey(path: ConfigPath): string {
  return JSON.stringify(path);
}

/** TOML's escapes are JSON's plus `\U` and `\e`; a key that uses those keeps them as written. */
function unescapeKey(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    return token.slice(1, -1);
  }
}
