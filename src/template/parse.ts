/**
 * Parses template source into syntax trees, one per `define`, and resolves variables to slots.
 *
 * Errors have Go's wording, `template: name:line: …`, and stop at the first. The variables in scope form a
 * stack of names; a variable's slot is its place in that stack, so running needs no names.
 */

import { parseInt64 } from "#lib/int64.ts";
import type { BranchNode, Command, Operand, Pipe, TemplateNode } from "./ast.ts";
import { lex, type Token, tokenName } from "./lex.ts";
import { TEMPLATE_NESTING_MAX, TEMPLATE_SOURCE_MAX } from "./limits.ts";
import { quoteGo, unquoteGo } from "./quote.ts";
import { positionOf, TemplateError } from "./template-error.ts";
import { GoFloat } from "./values.ts";

/** Bodies by name; the main one under the template's own name. */
export type Trees = ReadonlyMap<string, readonly TemplateNode[]>;

/** Throws `TemplateError`. `functions` are the names that may be called. */
export function parseTrees(name: string, source: string, functions: ReadonlySet<string>): Trees {
  if (source.length > TEMPLATE_SOURCE_MAX) {
    throw new TemplateError(`template: ${name}:1: template is too long`, 1, 0);
  }
  return new Parser(name, source, functions).all();
}

class Parser {
  readonly #name: string;
  readonly #source: string;
  readonly #functions: ReadonlySet<string>;
  readonly #tokens: readonly Token[];
  readonly #trees = new Map<string, readonly TemplateNode[]>();
  #at = 0;
  #last: Token;
  #variables: string[] = ["$"];
  #ranges = 0;
  #nesting = 0;

  constructor(name: string, source: string, functions: ReadonlySet<string>) {
    this.#name = name;
    this.#source = source;
    this.#functions = functions;
    this.#tokens = lex(source);
    this.#last = this.#tokens[0] as Token;
  }

  all(): Trees {
    const main: TemplateNode[] = [];
    while (this.#peek().kind !== "end") {
      if (this.#peekAction("define")) {
        this.#definition();
        continue;
      }
      const node = this.#textOrAction();
      if (typeof node === "string") this.#fail(`unexpected {{${node}}}`);
      main.push(node);
    }
    this.#add(this.#name, main);
    return this.#trees;
  }

  /** The first non-empty definition of a name counts; a second one is an error. */
  #add(name: string, body: readonly TemplateNode[]): void {
    const known = this.#trees.get(name);
    const empty = (nodes: readonly TemplateNode[]): boolean =>
      nodes.every((n) => n.kind === "text" && n.text.trim() === "");
    if (known === undefined || empty(known)) this.#trees.set(name, body);
    else if (!empty(body)) {
      this.#fail(`template: multiple definition of template ${quoteGo(name)}`);
    }
  }

  #definition(): void {
    this.#next();
    this.#next();
    const name = this.#templateName("define clause");
    this.#expect("close", "define clause");
    this.#ownScope(() => {
      const { nodes, stop } = this.#list();
      if (stop !== "end") this.#fail(`unexpected {{${stop}}} in define clause`);
      this.#add(name, nodes);
    });
  }

  /** Templates see `$` only, never the variables around their definition. */
  #ownScope(parse: () => void): void {
    const variables = this.#variables;
    const ranges = this.#ranges;
    this.#variables = ["$"];
    this.#ranges = 0;
    parse();
    this.#variables = variables;
    this.#ranges = ranges;
  }

  /** Nodes up to `{{end}}` or `{{else}}`, which is consumed up to and without its closing delimiter for else. */
  #list(): { nodes: TemplateNode[]; stop: "end" | "else" } {
    const nodes: TemplateNode[] = [];
    for (;;) {
      if (this.#peek().kind === "end") {
        this.#last = this.#peek();
        this.#fail("unexpected EOF");
      }
      const node = this.#textOrAction();
      if (node === "end" || node === "else") return { nodes, stop: node };
      nodes.push(node);
    }
  }

  #textOrAction(): TemplateNode | "end" | "else" {
    const token = this.#next();
    switch (token.kind) {
      case "text":
        return { kind: "text", text: token.text, at: token.at };
      case "open":
        return this.#action();
      default:
        return this.#unexpected(token, "input");
    }
  }

  #action(): TemplateNode | "end" | "else" {
    const token = this.#nextNonSpace();
    if (token.kind !== "keyword") {
      this.#back();
      const pipe = this.#pipe("command", "close");
      return { kind: "action", pipe, at: pipe.at, escapers: [] };
    }
    switch (token.text) {
      case "end":
        this.#expect("close", "end");
        return "end";
      case "else":
        return this.#else();
      case "if":
      case "with":
      case "range":
        return this.#branch(token.text, token.at);
      case "break":
      case "continue":
        return this.#jump(token.text, token.at);
      case "template":
        return this.#template(token.at);
      case "block":
        return this.#block(token.at);
      default:
        return this.#unexpected(token, "command");
    }
  }

  #else(): "else" {
    // `{{else if …}}` is read by the branch, which sees the keyword next.
    const token = this.#peekNonSpace();
    if (token.kind === "keyword" && (token.text === "if" || token.text === "with")) return "else";
    this.#expect("close", "else");
    return "else";
  }

  #branch(kind: BranchNode["kind"], at: number): BranchNode {
    if (++this.#nesting > TEMPLATE_NESTING_MAX) this.#fail("template is nested too deeply");
    const scope = this.#variables.length;
    const pipe = this.#pipe(kind, "close");
    if (kind === "range") this.#ranges++;
    const { nodes: body, stop } = this.#list();
    if (kind === "range") this.#ranges--;
    const otherwise = stop === "else" ? this.#elseBody(kind) : [];
    this.#variables.length = scope;
    this.#nesting--;
    return { kind, pipe, body, otherwise, at };
  }

  #elseBody(kind: BranchNode["kind"]): TemplateNode[] {
    const token = this.#peekNonSpace();
    if (token.kind === "keyword" && token.text === kind && kind !== "range") {
      this.#nextNonSpace();
      // The inner branch consumes the one {{end}} that closes both.
      return [this.#branch(kind, token.at)];
    }
    if (token.kind === "keyword") this.#unexpected(token, "else");
    const { nodes, stop } = this.#list();
    if (stop === "else") this.#fail("expected end; found {{else}}");
    return nodes;
  }

  #jump(kind: "break" | "continue", at: number): TemplateNode {
    const token = this.#nextNonSpace();
    if (token.kind !== "close") this.#unexpected(token, `{{${kind}}}`);
    if (this.#ranges === 0) this.#fail(`{{${kind}}} outside {{range}}`);
    return { kind, at };
  }

  #template(at: number): TemplateNode {
    const name = this.#templateName("template clause");
    if (this.#nextNonSpace().kind === "close")
      return { kind: "template", name, pipe: undefined, at };
    this.#back();
    return { kind: "template", name, pipe: this.#pipe("template clause", "close"), at };
  }

  #block(at: number): TemplateNode {
    const name = this.#templateName("block clause");
    const pipe = this.#pipe("block clause", "close");
    this.#ownScope(() => {
      const { nodes, stop } = this.#list();
      if (stop !== "end") this.#fail(`unexpected {{${stop}}} in block clause`);
      this.#add(name, nodes);
    });
    return { kind: "template", name, pipe, at };
  }

  #templateName(context: string): string {
    const token = this.#nextNonSpace();
    if (token.kind !== "string") this.#unexpected(token, context);
    return this.#unquote(token);
  }

  #pipe(context: string, close: "close" | "rightParen"): Pipe {
    const first = this.#peekNonSpace();
    const { names, assigns, inRange } = this.#declarations(context);
    const commands: Command[] = [];
    for (;;) {
      const token = this.#nextNonSpace();
      if (token.kind === close) break;
      if (!STARTS_OPERAND.has(token.kind)) this.#unexpected(token, context);
      this.#back();
      commands.push(this.#command());
    }
    if (commands.length === 0) this.#fail(`missing value for ${context}`);
    commands.forEach((command, i) => {
      const kind = command.operands[0]?.kind ?? "";
      if (i > 0 && ["bool", "dot", "nil", "number", "string"].includes(kind)) {
        this.#fail(`non executable command in pipeline stage ${i + 1}`);
      }
    });
    if (names.length > (inRange ? 2 : 1)) this.#fail(`too many declarations in ${context}`);
    const variables = names.map((name) => ({
      name,
      slot: assigns ? this.#slotOf(name) : this.#variables.push(name) - 1,
    }));
    return { variables, assigns, commands, at: first.at };
  }

  #declarations(context: string): { names: string[]; assigns: boolean; inRange: boolean } {
    const names: string[] = [];
    const inRange = context === "range";
    const start = this.#at;
    for (;;) {
      const variable = this.#nextNonSpace();
      if (variable.kind !== "variable") break;
      const after = this.#nextNonSpace();
      names.push(variable.text);
      if (after.kind === "declare" || after.kind === "assign") {
        return { names, assigns: after.kind === "assign", inRange };
      }
      if (after.kind !== "comma" || !inRange) break;
      if (names.length > 1) this.#fail("too many declarations in range");
    }
    this.#at = start;
    return { names: [], assigns: false, inRange };
  }

  #command(): Command {
    const at = this.#peekNonSpace().at;
    const operands: Operand[] = [];
    for (;;) {
      this.#peekNonSpace();
      const operand = this.#operand();
      if (operand !== undefined) operands.push(operand);
      const token = this.#next();
      if (token.kind === "space") continue;
      if (token.kind === "close" || token.kind === "rightParen") this.#back();
      else if (token.kind !== "pipe") this.#unexpected(token, "operand");
      else if (
        this.#peekNonSpace().kind === "close" ||
        this.#peekNonSpace().kind === "rightParen"
      ) {
        this.#fail("missing value for command");
      }
      break;
    }
    if (operands.length === 0) this.#fail("empty command");
    if (operands.length === 1 && operands[0]?.kind === "nil") this.#fail("nil is not a command");
    return { operands, at };
  }

  #operand(): Operand | undefined {
    const base = this.#term();
    if (base === undefined || this.#peek().kind !== "field") return base;
    const names: string[] = [];
    while (this.#peek().kind === "field") names.push(this.#next().text.slice(1));
    switch (base.kind) {
      case "field":
        return { ...base, names: [...base.names, ...names] };
      case "variable":
        return { ...base, names: [...base.names, ...names] };
      case "bool":
      case "string":
      case "number":
      case "nil":
      case "dot":
        return this.#fail(`unexpected . after term ${quoteGo(termText(base))}`);
      default:
        return { kind: "chain", of: base, names, at: base.at };
    }
  }

  #term(): Operand | undefined {
    const token = this.#nextNonSpace();
    const { at, text } = token;
    switch (token.kind) {
      case "identifier":
        if (!this.#functions.has(text)) this.#fail(`function ${quoteGo(text)} not defined`);
        return { kind: "function", name: text, at };
      case "dot":
        return { kind: "dot", at };
      case "nil":
        return { kind: "nil", at };
      case "variable":
        return { kind: "variable", name: text, slot: this.#slotOf(text), names: [], at };
      case "field":
        return { kind: "field", names: [text.slice(1)], at };
      case "bool":
        return { kind: "bool", value: text === "true", at };
      case "char":
      case "number":
        return { kind: "number", value: this.#number(token), source: text, at };
      case "string":
        return { kind: "string", value: this.#unquote(token), source: text, at };
      case "leftParen":
        return this.#parenthesised(at);
      default:
        this.#back();
        return undefined;
    }
  }

  #parenthesised(at: number): Operand {
    if (++this.#nesting > TEMPLATE_NESTING_MAX) this.#fail("template is nested too deeply");
    const pipe = this.#pipe("parenthesized pipeline", "rightParen");
    this.#nesting--;
    return { kind: "pipe", pipe, at };
  }

  #slotOf(name: string): number {
    const slot = this.#variables.lastIndexOf(name);
    if (slot < 0) this.#fail(`undefined variable ${quoteGo(name)}`);
    return slot;
  }

  #unquote(token: Token): string {
    return unquoteGo(token.text) ?? this.#fail("invalid syntax");
  }

  #number(token: Token): GoFloat | number | bigint {
    if (token.kind === "char") {
      const text = unquoteGo(token.text);
      if (text === undefined || [...text].length !== 1) {
        return this.#fail(`malformed character constant: ${token.text}`);
      }
      return text.codePointAt(0) ?? 0;
    }
    const plain = token.text.replaceAll("_", "");
    const [, sign = "", body = ""] = /^([+-]?)(.*)$/.exec(plain) ?? [];
    const octal = /^0[0-7]+$/.test(body) ? `0o${body.slice(1)}` : body;
    if (/^(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|[0-9]+)$/.test(octal)) {
      const size = BigInt(octal);
      const int = parseInt64(String(sign === "-" ? -size : size));
      return int ?? this.#fail(`integer overflow: ${quoteGo(token.text)}`);
    }
    const float = Number(plain);
    return Number.isFinite(float)
      ? new GoFloat(float)
      : this.#fail(`illegal number syntax: ${quoteGo(token.text)}`);
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? (this.#tokens[this.#tokens.length - 1] as Token);
  }

  #next(): Token {
    const token = this.#peek();
    if (this.#at < this.#tokens.length - 1) this.#at++;
    else this.#at = this.#tokens.length;
    this.#last = token;
    if (token.kind === "error") this.#fail(token.text);
    return token;
  }

  #back(): void {
    this.#at--;
  }

  #nextNonSpace(): Token {
    let token = this.#next();
    while (token.kind === "space") token = this.#next();
    return token;
  }

  #peekNonSpace(): Token {
    const token = this.#nextNonSpace();
    this.#back();
    return token;
  }

  /** True when the next tokens open an action that starts with this keyword; consumes nothing. */
  #peekAction(keyword: string): boolean {
    if (this.#peek().kind !== "open") return false;
    let at = this.#at + 1;
    while (this.#tokens[at]?.kind === "space") at++;
    const token = this.#tokens[at];
    return token?.kind === "keyword" && token.text === keyword;
  }

  #expect(kind: Token["kind"], context: string): void {
    const token = this.#nextNonSpace();
    if (token.kind !== kind) this.#unexpected(token, context);
  }

  #unexpected(token: Token, context: string): never {
    return this.#fail(`unexpected ${tokenName(token)} in ${context}`);
  }

  #fail(text: string): never {
    const { line } = positionOf(this.#source, this.#last.at);
    throw new TemplateError(`template: ${this.#name}:${line}: ${text}`, line, 0);
  }
}

const STARTS_OPERAND: ReadonlySet<Token["kind"]> = new Set<Token["kind"]>([
  ...(["bool", "char", "dot", "field", "identifier", "number"] as const),
  ...(["nil", "string", "variable", "leftParen"] as const),
]);

function termText(operand: Operand): string {
  switch (operand.kind) {
    case "bool":
      return String(operand.value);
    case "string":
    case "number":
      return operand.source;
    default:
      return operand.kind === "nil" ? "nil" : ".";
  }
}
