/**
 * Splits a script into tokens.
 *
 * One bit of context decides the ambiguous characters: right after an operand `-`, `*`, `/` and the like are
 * binary operators, elsewhere they start an operand (`-5`, `*`, `/regex/`). Newlines are only white space.
 * Comments never become tokens: blocks of them hang on the token that follows. Positions count bytes, and are
 * kept up incrementally so that a very long line costs no more than a short one.
 * A character that fits nowhere gives an `error` token; the lexer can go on after it.
 */

import type { CommentBlock } from "./ast.ts";
import type { Position } from "./environment.ts";
import { quoted, quotedChar } from "./go-text.ts";
import type { Token, TokenKind } from "./token.ts";

const LETTER = /\p{L}/u;
const WORD = /[\p{L}\p{Nd}_]*/uy;
const KEYWORDS: ReadonlySet<string> = new Set(["AND", "OR", "TRUE", "FALSE", "var", "dbrp"]);
/** After these a binary operator may follow. */
const OPERANDS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  ...(["identifier", "number", "duration", "string", "reference", ")"] as const),
  ...(["AND", "OR", "TRUE", "FALSE", "var", "dbrp"] as const),
]);
/** After these, and at the start, a `/` can only begin a comment. */
const NO_REGEX: ReadonlySet<TokenKind> = new Set<TokenKind>(["]", "regex", "*", ".", "@", "error"]);
const PUNCTUATION: ReadonlySet<string> = new Set(["(", ")", "[", "]", ",", "|", "@"]);
/** Longest first. */
const OPERATORS: readonly TokenKind[] = [
  ...(["==", "!=", "<=", ">=", "=~", "!~"] as const),
  ...(["+", "-", "*", "/", "%", "<", ">", "=", "!"] as const),
];
/** What an operator character means where an operand may start. */
const PREFIXES: readonly TokenKind[] = ["==", "=~", "=", "-", "!", "*"];

export class Lexer {
  readonly #text: string;
  #at = 0;
  #start = 0;
  /** Kind of the token before; `undefined` at the start of the script. */
  #before: TokenKind | undefined;
  #comments: CommentBlock[] = [];
  /** Where positions have been counted up to. */
  #markOffset = 0;
  #markLine = 1;
  #markChar = 1;
  #triple = false;

  /** `before` says what to pretend the text follows: a lone lambda body may begin with a regex. */
  constructor(text: string, before?: TokenKind) {
    this.#text = text;
    this.#before = before;
  }

  /** The next token; `EOF` again and again at the end. */
  next(): Token {
    this.#skipBlank();
    this.#start = this.#at;
    this.#triple = false;
    const token = this.#at >= this.#text.length ? this.#token("EOF", "") : this.#lex();
    this.#before = token.kind;
    return token;
  }

  #token(kind: TokenKind, text: string): Token {
    const comments = this.#comments;
    if (comments.length > 0) this.#comments = [];
    const position = this.#position(this.#start);
    return { kind, text, offset: this.#start, position, comments, triple: this.#triple };
  }

  #error(message: string): Token {
    return this.#token("error", message);
  }

  #position(offset: number): Position {
    const text = this.#text;
    for (let i = this.#markOffset; i < offset; i++) {
      const code = text.charCodeAt(i);
      if (code === 10) {
        this.#markLine++;
        this.#markChar = 1;
      } else if (code < 0x80) this.#markChar++;
      else if (code < 0x800) this.#markChar += 2;
      else if (code >= 0xd800 && code <= 0xdfff) this.#markChar += 2;
      else this.#markChar += 3;
    }
    this.#markOffset = offset;
    return { line: this.#markLine, char: this.#markChar };
  }

  /** Skips white space and collects comments. */
  #skipBlank(): void {
    const text = this.#text;
    let block: string[] | undefined;
    let newlines = 0;
    for (; this.#at < text.length; this.#at++) {
      const char = text.charAt(this.#at);
      if (char === "\n") newlines++;
      else if (char === "/" && text.charAt(this.#at + 1) === "/") {
        if (block === undefined || newlines > 1) {
          block = [];
          this.#comments.push(block);
        }
        block.push(this.#comment());
        newlines = 0;
        this.#at--;
      } else if (!isSpace(char)) return;
    }
  }

  /** Reads one comment up to its newline. */
  #comment(): string {
    const newline = this.#text.indexOf("\n", this.#at);
    const end = newline < 0 ? this.#text.length : newline;
    const line = this.#text.slice(this.#at + 2, end).trimEnd();
    this.#at = end;
    return line.startsWith(" ") ? line.slice(1) : line;
  }

  #lex(): Token {
    const text = this.#text;
    const char = String.fromCodePoint(text.codePointAt(this.#at) ?? 0);
    if (isDigit(char)) return this.#number();
    if (char === ".") {
      if (isDigit(text.charAt(this.#at + 1))) return this.#number();
      return this.#take(".", 1);
    }
    if (char === "'") return this.#string();
    if (char === '"') return this.#quotedTo('"', "reference", "unterminated field reference");
    if (PUNCTUATION.has(char)) return this.#take(char as TokenKind, 1);
    if (LETTER.test(char)) return this.#word();
    const afterOperand = this.#before !== undefined && OPERANDS.has(this.#before);
    const divides = afterOperand && this.#before !== "AND" && this.#before !== "OR";
    if (char === "/" && !divides) return this.#regex();
    const kinds = afterOperand ? OPERATORS : PREFIXES;
    const operator = kinds.find((kind) => text.startsWith(kind, this.#at));
    if (operator !== undefined) return this.#take(operator, operator.length);
    this.#at += char.length;
    return this.#error(`unknown state, last char: ${quotedChar(char)}`);
  }

  #take(kind: TokenKind, length: number): Token {
    this.#at += length;
    return this.#token(kind, this.#text.slice(this.#start, this.#at));
  }

  #word(): Token {
    WORD.lastIndex = this.#at;
    const word = WORD.exec(this.#text)?.[0] ?? "";
    this.#at += word.length;
    if (word === "lambda" && this.#text.charAt(this.#at) === ":") return this.#take("lambda", 1);
    return this.#token(KEYWORDS.has(word) ? (word as TokenKind) : "identifier", word);
  }

  /** A number, or a duration when a unit follows whole digits. */
  #number(): Token {
    const text = this.#text;
    let dots = 0;
    for (; this.#at < text.length; this.#at++) {
      const char = text.charAt(this.#at);
      if (char === ".") {
        if (++dots > 1) return this.#error("multiple decimals in number");
      } else if (!isDigit(char)) break;
    }
    const unit = dots > 0 ? 0 : unitLength(text, this.#at);
    return this.#take(unit > 0 ? "duration" : "number", unit);
  }

  #string(): Token {
    if (!this.#text.startsWith("'''", this.#at)) {
      return this.#quotedTo("'", "string", "unterminated string");
    }
    const end = this.#text.indexOf("'''", this.#at + 3);
    if (end < 0) return this.#unterminated("unterminated string");
    this.#triple = true;
    this.#at = end + 3;
    return this.#token("string", this.#text.slice(this.#start + 3, end));
  }

  /** Text up to the closing character, which a backslash escapes. No other escape exists. */
  #quotedTo(close: string, kind: TokenKind, unterminated: string): Token {
    const text = this.#text;
    let escaped = false;
    let at = this.#at + 1;
    for (;;) {
      at = text.indexOf(close, at);
      if (at < 0) return this.#unterminated(unterminated);
      if (text.charAt(at - 1) !== "\\") break;
      escaped = true;
      at++;
    }
    this.#at = at + 1;
    const raw = text.slice(this.#start + 1, at);
    return this.#token(kind, escaped ? raw.replaceAll(`\\${close}`, close) : raw);
  }

  #unterminated(message: string): Token {
    this.#at = this.#text.length;
    return this.#error(message);
  }

  #regex(): Token {
    const before = this.#before;
    if (before === undefined || NO_REGEX.has(before)) {
      this.#at++;
      const code = this.#text.codePointAt(this.#at);
      const next = code === undefined ? "" : String.fromCodePoint(code);
      return this.#error(`unexpected ${quoted(next)} expected "/"`);
    }
    return this.#quotedTo("/", "regex", "unterminated regex");
  }
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9" && char.length === 1;
}

/** Unicode white space; JavaScript's `\s` has U+FEFF too many and U+0085 too few. */
function isSpace(char: string): boolean {
  if (char <= " ") return char === " " || (char >= "\t" && char <= "\r");
  return char >= "\u0085" && (char === "\u0085" || (char !== "\uFEFF" && /\s/.test(char)));
}

/** Length of the duration unit at an index, or 0. */
function unitLength(text: string, at: number): number {
  const char = text.charAt(at);
  if (char === "m") return text.charAt(at + 1) === "s" ? 2 : 1;
  return char !== "" && "uµshdw".includes(char) ? 1 : 0;
}
