/**
 * Builds the syntax tree of a script by recursive descent with one token of look-ahead.
 *
 * Statements simply follow one another; newlines and terminators mean nothing. Comments before tokens that
 * start no node of their own (`)`, operators, `=`) move on to the next node, so none is lost.
 * Errors have the exact texts that clients know. `parseAll` goes on after an error at the next line that
 * looks like a new statement, so that one run shows more than the first mistake.
 */

import { parseInfluxDuration } from "#lib/duration.ts";
import { fromBigInt, INT64_MAX, type Int64 } from "#lib/int64.ts";
import type {
  Binary,
  BinaryOperator,
  Call,
  Chain,
  CommentBlock,
  Expression,
  Identifier,
  List,
  Program,
  Statement,
} from "./ast.ts";
import { TickError } from "./diagnostic.ts";
import type { Position } from "./environment.ts";
import { quoted } from "./go-text.ts";
import { measure } from "./inspect.ts";
import { regexError } from "./lambda/regex.ts";
import { Lexer } from "./lexer.ts";
import {
  ERRORS_MAX,
  EXPRESSION_DEPTH_MAX,
  NESTING_MAX,
  RECENT_SCRIPT_LENGTH_MAX,
  RECENT_SCRIPTS_MAX,
  SCRIPT_LENGTH_MAX,
} from "./limits.ts";
import type { Token, TokenKind } from "./token.ts";

export interface ParseAll {
  /** The tree, when there was no error at all. */
  readonly ast?: Program;
  readonly errors: readonly TickError[];
}

/** Trees of the last scripts: a definition is judged, evaluated, started and shown in its standard layout. */
const recent = new Map<string, Program>();

/** Parses a script; throws `TickError` at the first mistake. The tree is shared: nobody may change it. */
export function parseScript(script: string): Program {
  let program = recent.get(script);
  if (program !== undefined) return program;
  program = new Parser(script).program();
  if (script.length > RECENT_SCRIPT_LENGTH_MAX) return program;
  if (recent.size >= RECENT_SCRIPTS_MAX) recent.clear();
  recent.set(script, program);
  return program;
}

/** Parses a lone expression, as lambda vars and match conditions are given: no `lambda:` before it. */
export function parseExpression(text: string): Expression {
  return new Parser(text, "lambda").lone();
}

/** Parses a script and goes on after mistakes, up to `ERRORS_MAX` of them. */
export function parseAll(script: string): ParseAll {
  return new Parser(script).all();
}

const OPERAND: readonly TokenKind[] = [
  ...(["number", "string", "duration", "identifier", "TRUE", "FALSE"] as const),
  ...(["==", "(", "-", "!"] as const),
];

/** Higher binds tighter. */
const PRECEDENCE: Readonly<Partial<Record<TokenKind, number>>> = {
  ...{ OR: 1, AND: 2, "==": 3, "!=": 3, "=~": 3, "!~": 3 },
  ...{ "<": 4, "<=": 4, ">": 4, ">=": 4 },
  ...{ "+": 5, "-": 5, "*": 6, "/": 6, "%": 6 },
};

type Comments = { readonly comments: readonly CommentBlock[] } | Record<never, never>;

class Parser {
  readonly #script: string;
  readonly #lexer: Lexer;
  #token: Token;
  /** Comments read and not yet given to a node. */
  #pending: CommentBlock[] = [];
  #nesting = 0;

  constructor(script: string, before?: TokenKind) {
    this.#script = script;
    this.#lexer = new Lexer(checkedText(script), before);
    this.#token = this.#lexer.next();
    this.#pending.push(...this.#token.comments);
  }

  program(): Program {
    const statements: Statement[] = [];
    while (this.#token.kind !== "EOF") statements.push(this.#statement());
    return { statements, trailing: this.#pending };
  }

  lone(): Expression {
    const expression = this.#operators(this.#primary(), 1);
    if (this.#token.kind !== "EOF") throw this.#unexpected(["EOF"]);
    return this.#shallow(expression);
  }

  all(): ParseAll {
    const statements: Statement[] = [];
    const errors: TickError[] = [];
    while (this.#token.kind !== "EOF" && errors.length < ERRORS_MAX) {
      try {
        statements.push(this.#statement());
      } catch (error) {
        if (!(error instanceof TickError)) throw error;
        errors.push(error);
        this.#skipToStatement();
      }
    }
    if (errors.length > 0) return { errors };
    return { ast: { statements, trailing: this.#pending }, errors };
  }

  /** Skips to a token at the start of a line that begins a statement. */
  #skipToStatement(): void {
    this.#nesting = 0;
    const starts: readonly TokenKind[] = ["var", "dbrp", "identifier"];
    do this.#advance();
    while (
      this.#token.kind !== "EOF" &&
      !(this.#token.position.char === 1 && starts.includes(this.#token.kind))
    );
    this.#pending = [...this.#token.comments];
  }

  #advance(): Token {
    const token = this.#token;
    this.#token = this.#lexer.next();
    if (this.#token.comments.length > 0) this.#pending.push(...this.#token.comments);
    return token;
  }

  #expect(kind: TokenKind): Token {
    if (this.#token.kind !== kind) throw this.#unexpected([kind]);
    return this.#advance();
  }

  /** The comments seen since the last node, for the node that starts here. */
  #comments(): Comments {
    if (this.#pending.length === 0) return {};
    const comments = this.#pending;
    this.#pending = [];
    return { comments };
  }

  #unexpected(expected: readonly TokenKind[]): TickError {
    const token = this.#token;
    const what = token.kind === "error" ? token.text : token.kind;
    const { line, char } = token.position;
    const list = expected.map((kind) => `"${kind}"`).join(",");
    const snippet = snippetAt(this.#script, token.offset);
    return this.#error(
      `unexpected ${what} line ${line} char ${char} in "${snippet}". expected: ${list}`,
      token.position,
      syntaxHint(token, expected),
    );
  }

  #error(text: string, position: Position, hint?: string): TickError {
    return new TickError(`parser: ${text}`, { script: this.#script, position, hint });
  }

  #statement(): Statement {
    switch (this.#token.kind) {
      case "var":
        return this.#declaration();
      case "dbrp":
        return this.#dbrp();
      default:
        return this.#shallow(this.#expression());
    }
  }

  /** Refuses trees that are too deep to be walked recursively. */
  #shallow(expression: Expression): Expression {
    const deep = measure(expression).depth > EXPRESSION_DEPTH_MAX;
    if (deep) throw this.#tooDeep(EXPRESSION_DEPTH_MAX, expression.position);
    return expression;
  }

  #declaration(): Statement {
    const { position } = this.#token;
    const description = (this.#pending.at(-1) ?? []).join("\n");
    this.#advance();
    const name = this.#expect("identifier").text;
    if (this.#token.kind === "identifier") {
      const type = this.#token.text;
      const comments = this.#comments();
      this.#advance();
      return { kind: "typedVar", name, type, description, position, ...comments };
    }
    if (this.#token.kind !== "=") throw this.#unexpected(["=", "identifier"]);
    this.#advance();
    const comments = this.#comments();
    const value = this.#shallow(this.#expression());
    return { kind: "var", name, value, description, position, ...comments };
  }

  #dbrp(): Statement {
    const { position } = this.#advance();
    const db = this.#expect("reference").text;
    this.#expect(".");
    const comments = this.#comments();
    const rp = this.#expect("reference").text;
    return { kind: "dbrp", db, rp, position, ...comments };
  }

  /** What may stand on the right of `=` and between the parentheses of a chain method. */
  #expression(): Expression {
    switch (this.#token.kind) {
      case "identifier":
        return this.#chainOrOperators();
      case "lambda":
        return this.#lambda();
      case "[":
        return this.#list();
      default:
        return this.#operators(this.#primary(), 1);
    }
  }

  #lambda(): Expression {
    return this.#nested(() => {
      const { position } = this.#advance();
      const comments = this.#comments();
      const body = this.#operators(this.#primary(), 1);
      return { kind: "lambda", body, position, ...comments };
    });
  }

  #list(): List {
    const comments = this.#comments();
    const { position } = this.#advance();
    const items: List["items"][number][] = [];
    while (this.#token.kind !== "]") {
      items.push(this.#listItem());
      if (this.#token.kind !== ",") break;
      this.#advance();
    }
    this.#expect("]");
    return { kind: "list", items, position, ...comments };
  }

  #listItem(): List["items"][number] {
    const token = this.#token;
    const { position } = token;
    switch (token.kind) {
      case "identifier":
        this.#advance();
        return { kind: "identifier", name: token.text, position };
      case "string":
        this.#advance();
        return { kind: "string", value: token.text, triple: token.triple, position };
      case "*":
        this.#advance();
        return { kind: "star", position };
      default:
        throw this.#unexpected(["identifier", "string", "*"]);
    }
  }

  #chainOrOperators(): Expression {
    const comments = this.#comments();
    const name = this.#advance();
    let left: Expression =
      this.#token.kind === "("
        ? this.#call(name, comments, () => this.#expression())
        : { kind: "identifier", name: name.text, position: name.position, ...comments };
    if (this.#chainOperator() === undefined) return this.#operators(left, 1);
    for (;;) {
      const operator = this.#chainOperator();
      if (operator === undefined) return left;
      left = this.#link(left, operator);
    }
  }

  #chainOperator(): Chain["operator"] | undefined {
    const { kind } = this.#token;
    return kind === "|" || kind === "." || kind === "@" ? kind : undefined;
  }

  #link(left: Expression, operator: Chain["operator"]): Chain {
    const { position } = this.#advance();
    const comments = this.#comments();
    const name = this.#expect("identifier");
    if (operator === "|" && this.#token.kind !== "(") throw this.#unexpected(["("]);
    const right: Identifier | Call =
      this.#token.kind === "("
        ? this.#call(name, {}, () => this.#expression())
        : { kind: "identifier", name: name.text, position: name.position };
    return { kind: "chain", operator, left, right, position, ...comments };
  }

  /** Arguments after a name, which has been read. */
  #call(name: Token, comments: Comments, argument: () => Expression): Call {
    return this.#nested(() => {
      this.#expect("(");
      const args: Expression[] = [];
      while (this.#token.kind !== ")") {
        args.push(argument());
        if (this.#token.kind !== ",") break;
        this.#advance();
      }
      this.#expect(")");
      const last = args.at(-1);
      const { position } = name;
      const multiLine = last !== undefined && breakLine(last) !== position.line;
      return { kind: "call", name: name.text, args, multiLine, position, ...comments };
    });
  }

  /** Precedence climbing; every operator is left-associative. */
  #operators(first: Expression, minimum: number): Expression {
    let left = first;
    for (let depth = 1; ; depth++) {
      const { kind, position } = this.#token;
      const precedence = PRECEDENCE[kind];
      if (precedence === undefined || precedence < minimum) return left;
      if (depth > EXPRESSION_DEPTH_MAX) throw this.#tooDeep(EXPRESSION_DEPTH_MAX);
      this.#advance();
      const right = this.#operators(this.#primary(), precedence + 1);
      left = binary(kind as BinaryOperator, left, right, position);
    }
  }

  #primary(): Expression {
    const token = this.#token;
    const comments = this.#comments();
    const { position } = token;
    switch (token.kind) {
      case "(":
        return this.#nested(() => this.#parenthesised(comments));
      case "number":
        return this.#number(comments);
      case "duration":
        return this.#duration(comments);
      case "string":
        this.#advance();
        return { kind: "string", value: token.text, triple: token.triple, position, ...comments };
      case "TRUE":
      case "FALSE":
        this.#advance();
        return { kind: "bool", value: token.kind === "TRUE", position, ...comments };
      case "regex":
        return this.#regex(comments);
      case "*":
        this.#advance();
        return { kind: "star", position, ...comments };
      case "reference":
        this.#advance();
        return { kind: "reference", name: token.text, position, ...comments };
      case "identifier":
        return this.#identifier(comments);
      case "-":
      case "!":
        return this.#nested(() => this.#unary(comments));
      default:
        throw this.#unexpected(OPERAND);
    }
  }

  #parenthesised(comments: Comments): Expression {
    this.#advance();
    const all = merged(comments, this.#comments());
    const inner = this.#operators(this.#primary(), 1);
    this.#expect(")");
    if (inner.kind === "binary") {
      return { ...inner, parens: true, ...merged(all, inner) };
    }
    return { ...inner, ...merged(all, inner) };
  }

  #unary(comments: Comments): Expression {
    const { kind, position } = this.#advance();
    const operator = kind === "!" ? "!" : "-";
    const all = merged(comments, this.#comments());
    return { kind: "unary", operator, operand: this.#primary(), position, ...all };
  }

  #identifier(comments: Comments): Expression {
    const name = this.#advance();
    if (this.#token.kind === "(") {
      return this.#call(name, comments, () => this.#operators(this.#primary(), 1));
    }
    return { kind: "identifier", name: name.text, position: name.position, ...comments };
  }

  #number(comments: Comments): Expression {
    const { text, position } = this.#advance();
    if (text.includes(".")) {
      const value = Number(text);
      if (!Number.isFinite(value)) throw this.#badNumber(text, position);
      return { kind: "float", value, position, ...comments };
    }
    const octal = text.length > 1 && text.startsWith("0");
    if (octal && !/^[0-7]+$/.test(text)) throw this.#badNumber(text, position);
    const value = int64(octal ? `0o${text.slice(1)}` : text);
    if (value === undefined) throw this.#badNumber(text, position);
    return { kind: "int", value, octal, position, ...comments };
  }

  #duration(comments: Comments): Expression {
    const { text, position } = this.#advance();
    const value = parseInfluxDuration(text);
    if (value === undefined) throw this.#badNumber(text, position);
    return { kind: "duration", value, text, position, ...comments };
  }

  #badNumber(text: string, position: Position): TickError {
    return this.#error(`illegal number syntax: ${quoted(text)}`, position);
  }

  #regex(comments: Comments): Expression {
    const { text, position } = this.#advance();
    const problem = regexError(text);
    if (problem !== undefined) throw this.#error(problem, position);
    return { kind: "regex", value: text, position, ...comments };
  }

  #nested<T>(parse: () => T): T {
    if (++this.#nesting > NESTING_MAX) throw this.#tooDeep(NESTING_MAX);
    const result = parse();
    this.#nesting--;
    return result;
  }

  #tooDeep(limit: number, position = this.#token.position): TickError {
    const text = `expression nested too deeply, more than ${limit} levels`;
    return this.#error(`${text}, line ${position.line} char ${position.char}`, position);
  }
}

/** The script itself, when a parser may read it. */
function checkedText(script: string): string {
  if (script.length > SCRIPT_LENGTH_MAX) {
    throw new TickError(`parser: script is longer than ${SCRIPT_LENGTH_MAX} characters`, {
      script: "",
    });
  }
  if (script.isWellFormed()) return script;
  const at = script.search(/\p{Cs}/u);
  const lines = script.slice(0, at).split("\n");
  const char = new TextEncoder().encode(lines.at(-1)).length + 1;
  throw new TickError(`parser: invalid UTF-8 line ${lines.length} char ${char}`, {
    script,
    position: { line: lines.length, char },
  });
}

function int64(text: string): Int64 | undefined {
  const value = BigInt(text);
  return value > INT64_MAX ? undefined : fromBigInt(value);
}

function binary(
  operator: BinaryOperator,
  left: Expression,
  right: Expression,
  position: Position,
): Binary {
  const pushed = left.kind === "binary" && left.multiLine;
  const multiLine = pushed || breakLine(left) !== breakLine(right);
  return { kind: "binary", operator, left, right, parens: false, multiLine, position };
}

/** The line by which line breaks around a node are judged: an operator's, or where a chain begins. */
function breakLine(node: Expression): number {
  let start = node;
  while (start.kind === "chain") start = start.left;
  return start.position.line;
}

function merged(outer: Comments, inner: Comments): Comments {
  const first = "comments" in outer ? outer.comments : [];
  const second = "comments" in inner ? inner.comments : undefined;
  return second === undefined ? outer : { comments: [...first, ...second] };
}

/** Up to ten bytes before and after a place, within its line. */
function snippetAt(script: string, offset: number): string {
  const before = script.slice(Math.max(0, offset - 10), offset);
  const after = script.slice(offset, offset + 10);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const left = encoder.encode(before.slice(before.lastIndexOf("\n") + 1)).slice(-10);
  const newline = after.indexOf("\n");
  const right = encoder.encode(newline < 0 ? after : after.slice(0, newline)).slice(0, 10);
  return decoder.decode(left) + decoder.decode(right);
}

function syntaxHint(token: Token, expected: readonly TokenKind[]): string | undefined {
  if (token.kind === "reference" && expected.includes("string")) {
    return `use single quotes for a string: '${token.text}'`;
  }
  if (token.kind === "error" && /last char: '[&|]'$/.test(token.text)) {
    return "the logical operators are AND and OR";
  }
  if (token.kind === "=" && expected.includes(")")) return "use == to compare";
  return undefined;
}
