/**
 * Tokens of InfluxQL 1.x. A regular expression is a token only where one may stand, so the parser asks for it.
 *
 * Positions are counted from 1 as InfluxDB's messages do.
 */

import { isReserved } from "./ident.ts";

export interface Token {
  readonly kind:
    | "ident"
    | "keyword"
    | "string"
    | "number"
    | "integer"
    | "duration"
    | "symbol"
    | "bound"
    | "end"
    | "bad";
  /** The word, the text of a literal without quotes, or the symbol; keywords in upper case. */
  readonly text: string;
  /** Offset in the source, and where the token ends. */
  readonly at: number;
  readonly end: number;
}

/** Not an InfluxQL statement; the message is worded as InfluxDB's. */
export class InfluxqlError extends Error {
  override name = "InfluxqlError";
}

const SPACE = /(?:\s|--[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const DURATION = /(?:\d+(?:ns|ms|[uµsmhdw]))+/y;
const NUMBER = /\d+\.\d*|\.\d+|\d+/y;
const SYMBOL = /=~|!~|!=|<>|<=|>=|::|[-+*/%&|^=<>(),.;:]/y;
const REGEX = /\/((?:[^/\\\n]|\\[\s\S])*)\//y;
const BOUND = /\$[A-Za-z0-9_]*/y;

export class Lexer {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The token at or behind an offset. */
  token(from: number): Token {
    const at = from + (this.#match(SPACE, from)?.length ?? 0);
    const first = this.#text[at];
    if (first === undefined) return { kind: "end", text: "EOF", at, end: at };
    if (first === '"' || first === "'") return this.#quoted(at, first);
    const word = this.#match(WORD, at);
    if (word !== undefined) {
      const kind = isReserved(word) ? "keyword" : "ident";
      const text = kind === "keyword" ? word.toUpperCase() : word;
      return { kind, text, at, end: at + word.length };
    }
    return this.#numeric(at) ?? this.#rest(at);
  }

  /** A regular expression at or behind an offset, its `\/` taken for `/`; `undefined` when there is none. */
  regex(from: number): { readonly source: string; readonly end: number } | undefined {
    const at = from + (this.#match(SPACE, from)?.length ?? 0);
    const text = this.#match(REGEX, at);
    if (text === undefined) return undefined;
    return { source: text.slice(1, -1).replaceAll("\\/", "/"), end: at + text.length };
  }

  /** True when a dot stands right here: `db.rp.name` allows no space inside. */
  isDot(at: number): boolean {
    return this.#text[at] === ".";
  }

  /**
   * ` at line L, char C` of a token, counted as InfluxDB counts: a string one before its quote, the end of
   * the text one behind when a word or comma stands right before it.
   */
  place({ at, kind }: Token): string {
    const before = this.#text.slice(0, at).split("\n");
    const isQuoted = kind === "string" || /["']/.test(this.#text[at] ?? "");
    const shift = isQuoted ? 0 : kind === "end" && /[A-Za-z_,]$/.test(this.#text) ? 2 : 1;
    return ` at line ${before.length}, char ${(before.at(-1) as string).length + shift}`;
  }

  #match(pattern: RegExp, at: number): string | undefined {
    pattern.lastIndex = at;
    return pattern.exec(this.#text)?.[0];
  }

  #numeric(at: number): Token | undefined {
    const number = this.#match(NUMBER, at);
    if (number === undefined) return undefined;
    const duration = this.#match(DURATION, at);
    if (duration !== undefined) {
      return { kind: "duration", text: duration, at, end: at + duration.length };
    }
    const kind = number.includes(".") ? "number" : "integer";
    if (kind === "integer" && /[A-Za-zµ]/.test(this.#text[at + number.length] ?? "")) {
      throw new InfluxqlError("invalid duration");
    }
    return { kind, text: number, at, end: at + number.length };
  }

  #rest(at: number): Token {
    const bound = this.#match(BOUND, at);
    if (bound !== undefined) {
      return { kind: "bound", text: bound.slice(1), at, end: at + bound.length };
    }
    const symbol = this.#match(SYMBOL, at);
    const text = symbol ?? String.fromCodePoint(this.#text.codePointAt(at) as number);
    return { kind: symbol === undefined ? "bad" : "symbol", text, at, end: at + text.length };
  }

  #quoted(at: number, quote: string): Token {
    let text = "";
    for (let i = at + 1; i < this.#text.length; i++) {
      const char = this.#text[i] as string;
      if (char === quote) {
        return { kind: quote === '"' ? "ident" : "string", text, at, end: i + 1 };
      }
      if (char === "\n") break;
      if (char !== "\\") {
        text += char;
        continue;
      }
      i += 1;
      const escaped = this.#text[i] ?? "";
      if (escaped === "n") text += "\n";
      else if (escaped === "\\" || escaped === '"' || escaped === "'") text += escaped;
      else return { kind: "bad", text: `\\${escaped}`, at: i, end: i + 1 };
    }
    return { kind: "bad", text, at, end: this.#text.length };
  }
}
