/**
 * Splits template source into tokens: text outside `{{ }}` and the words inside.
 *
 * Spaces inside actions are tokens, because `.A.B` and `.A .B` differ. Trim markers (`{{-`, `-}}`) and comments
 * are resolved here, so the parser never sees them. Errors are a last token of kind `error`: the parser
 * reports them when it gets there, so that an earlier mistake is named first.
 */

import { quoteGo } from "./quote.ts";

export type TokenKind =
  | "text"
  | "open"
  | "close"
  | "space"
  | "identifier"
  | "keyword"
  | "field"
  | "variable"
  | "dot"
  | "nil"
  | "bool"
  | "string"
  | "char"
  | "number"
  | "pipe"
  | "declare"
  | "assign"
  | "leftParen"
  | "rightParen"
  | "comma"
  | "symbol"
  | "end"
  | "error";

export interface Token {
  readonly kind: TokenKind;
  /** Source text; the error text for `error`. */
  readonly text: string;
  readonly at: number;
}

const KEYWORDS = new Set([
  ...["block", "break", "continue", "define", "else", "end"],
  ...["if", "range", "template", "with"],
]);

/** How error texts name a token. */
export function tokenName(token: Token): string {
  if (token.kind === "end") return "EOF";
  if (token.kind === "error") return token.text;
  if (token.kind === "keyword") return `<${token.text}>`;
  const chars = [...token.text];
  return chars.length > 10 ? `${quoteGo(chars.slice(0, 10).join(""))}...` : quoteGo(token.text);
}

/** All tokens, ending in `end` or `error`. */
export function lex(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let trimStart = false;
  for (;;) {
    const open = source.indexOf("{{", at);
    const stop = open < 0 ? source.length : open;
    const trimEnd = open >= 0 && source[open + 2] === "-" && isSpace(source.charAt(open + 3));
    pushText(tokens, { source, start: at, stop, trimStart, trimEnd });
    if (open < 0) return [...tokens, { kind: "end", text: "", at: source.length }];
    const bodyAt = trimEnd ? open + 3 : open + 2;
    const ended = isComment(source, bodyAt, trimEnd)
      ? skipComment(source, bodyAt, tokens)
      : lexAction(source, open, bodyAt, tokens);
    if (ended === undefined) return tokens;
    at = ended.at;
    trimStart = ended.trims;
  }
}

interface TextSpan {
  readonly source: string;
  readonly start: number;
  readonly stop: number;
  readonly trimStart: boolean;
  readonly trimEnd: boolean;
}

function pushText(tokens: Token[], span: TextSpan): void {
  let { start, stop } = span;
  if (span.trimStart) while (start < stop && isSpace(span.source.charAt(start))) start++;
  if (span.trimEnd) while (stop > start && isSpace(span.source.charAt(stop - 1))) stop--;
  if (stop > start) tokens.push({ kind: "text", text: span.source.slice(start, stop), at: start });
}

const isSpace = (char: string): boolean =>
  char === " " || char === "\t" || char === "\r" || char === "\n";

/** Where an action ended, and whether it ended in a trim marker; `undefined` after an error token. */
interface Ended {
  readonly at: number;
  readonly trims: boolean;
}

function isComment(source: string, bodyAt: number, trimmed: boolean): boolean {
  return source.startsWith("/*", trimmed ? bodyAt + 1 : bodyAt);
}

function skipComment(source: string, bodyAt: number, tokens: Token[]): Ended | undefined {
  const close = source.indexOf("*/", bodyAt + 2);
  const fail = (text: string): undefined => {
    tokens.push({ kind: "error", text, at: bodyAt });
  };
  if (close < 0) return fail("unclosed comment");
  const ended = closing(source, close + 2);
  return ended ?? fail("comment ends before closing delimiter");
}

/** The right delimiter at an offset, with or without a trim marker. */
function closing(source: string, at: number): Ended | undefined {
  if (isSpace(source.charAt(at)) && source.startsWith("-}}", at + 1)) {
    return { at: at + 4, trims: true };
  }
  return source.startsWith("}}", at) ? { at: at + 2, trims: false } : undefined;
}

function lexAction(
  source: string,
  open: number,
  bodyAt: number,
  tokens: Token[],
): Ended | undefined {
  tokens.push({ kind: "open", text: "{{", at: open });
  let at = bodyAt;
  let parens = 0;
  for (;;) {
    const ended = closing(source, at);
    if (ended !== undefined) {
      if (parens > 0) return void tokens.push(failure("unclosed left paren", at));
      tokens.push({ kind: "close", text: "}}", at });
      return ended;
    }
    const token = nextToken(source, at);
    if (token.kind === "leftParen") parens++;
    if (token.kind === "rightParen" && --parens < 0) {
      return void tokens.push(failure("unexpected right paren", at));
    }
    tokens.push(token);
    if (token.kind === "error") return undefined;
    at += token.text.length;
  }
}

const failure = (text: string, at: number): Token => ({ kind: "error", text, at });

const SIMPLE: readonly (readonly [string, TokenKind])[] = [
  [":=", "declare"],
  ["=", "assign"],
  ["|", "pipe"],
  ["(", "leftParen"],
  [")", "rightParen"],
  [",", "comma"],
];

function nextToken(source: string, at: number): Token {
  const char = source.charAt(at);
  if (char === "") return failure("unclosed action", at);
  if (isSpace(char))
    return {
      kind: "space",
      text: sticky(/[ \t\r\n]+?(?=[^ \t\r\n]|$|[ \t\r\n]-\}\})/y, source, at),
      at,
    };
  for (const [text, kind] of SIMPLE) if (source.startsWith(text, at)) return { kind, text, at };
  if (char === ":") return failure("expected :=", at);
  if (char === '"' || char === "'" || char === "`") return lexQuoted(source, at, char);
  if (char === "." && !/[0-9]/.test(source.charAt(at + 1))) return lexWord(source, at, "field");
  if (/[0-9+.-]/.test(char)) return lexNumber(source, at);
  if (char === "$") return lexWord(source, at, "variable");
  if (/[\p{L}\p{Nd}_]/u.test(pointAt(source, at))) return lexWord(source, at, "identifier");
  if (/[!-~]/.test(char)) return { kind: "symbol", text: char, at };
  return failure(`unrecognized character in action: ${codePoint(pointAt(source, at))}`, at);
}

function sticky(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? "";
}

function pointAt(source: string, at: number): string {
  return String.fromCodePoint(source.codePointAt(at) ?? 0);
}

/** Go's `%#U`: `U+0040 '@'`; the character is left out when it cannot be printed. */
function codePoint(char: string): string {
  const hex = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return /[\p{C}\p{Zl}\p{Zp}]/u.test(char) ? `U+${hex}` : `U+${hex} '${char}'`;
}

const UNTERMINATED: Readonly<Record<string, string>> = {
  '"': "unterminated quoted string",
  "'": "unterminated character constant",
  "`": "unterminated raw quoted string",
};

function lexQuoted(source: string, at: number, quote: string): Token {
  const pattern =
    quote === "`"
      ? /`[^`]*`/y
      : quote === '"'
        ? /"(?:[^"\\\n]|\\[^\n])*"/y
        : /'(?:[^'\\\n]|\\[^\n])*'/y;
  const text = sticky(pattern, source, at);
  if (text === "") return failure(UNTERMINATED[quote] ?? "", at);
  return { kind: quote === "'" ? "char" : "string", text, at };
}

function lexWord(source: string, at: number, kind: "field" | "variable" | "identifier"): Token {
  const skip = kind === "identifier" ? 0 : 1;
  const text = source.slice(at, at + skip) + sticky(/[\p{L}\p{Nd}_]*/uy, source, at + skip);
  const next = source.charAt(at + text.length);
  if (kind === "field" && text === ".") {
    // A dot alone may be followed by anything that ends a word.
    return endsWord(source, at + 1)
      ? { kind: "dot", text, at }
      : failure(`bad character ${codePoint(pointAt(source, at + 1))}`, at);
  }
  if (next !== "" && !endsWord(source, at + text.length)) {
    return failure(`bad character ${codePoint(pointAt(source, at + text.length))}`, at);
  }
  if (kind !== "identifier") return { kind, text, at };
  if (KEYWORDS.has(text)) return { kind: "keyword", text, at };
  if (text === "true" || text === "false") return { kind: "bool", text, at };
  return { kind: text === "nil" ? "nil" : "identifier", text, at };
}

function endsWord(source: string, at: number): boolean {
  const char = source.charAt(at);
  return char === "" || isSpace(char) || ".,|:)(".includes(char) || source.startsWith("}}", at);
}

function lexNumber(source: string, at: number): Token {
  const text = sticky(
    /[+-]?(?:0[xX][0-9a-fA-F_]*|0[bB][01_]*|0[oO][0-7_]*|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]+)?)/y,
    source,
    at,
  );
  const rest = sticky(/[\p{L}\p{Nd}_]*/uy, source, at + text.length);
  if (rest !== "" || !/[0-9]/.test(text)) {
    return failure(`bad number syntax: ${quoteGo(text + rest.slice(0, 1))}`, at);
  }
  return { kind: "number", text, at };
}
