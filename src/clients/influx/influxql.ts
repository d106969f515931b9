/**
 * Reads InfluxQL SELECT statements, as far as the query node and recordings need them.
 *
 * The tree keeps what printing needs: parentheses are nodes, literals keep their kind. What makes a statement
 * meaningful (aggregates, types) is left to InfluxDB to judge.
 */

import { parseInfluxDuration } from "#lib/duration.ts";
import type { DurationNs } from "#lib/int64.ts";
import { quoteIdent } from "./ident.ts";
import { InfluxqlError, Lexer, type Token } from "./influxql-lex.ts";

export type Expr =
  /** A field, tag or `time`; parts of a dotted name are joined by dots. */
  | { readonly kind: "ref"; readonly name: string; readonly type: string }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expr[] }
  | { readonly kind: "binary"; readonly op: string; readonly left: Expr; readonly right: Expr }
  | { readonly kind: "paren"; readonly inner: Expr }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "duration"; readonly value: DurationNs }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "regex"; readonly source: string }
  /** `*`, `*::field`, `*::tag`. */
  | { readonly kind: "wildcard"; readonly type: string }
  | { readonly kind: "distinct"; readonly name: string };

/** A name with up to two parts before it; absent parts are empty. */
export interface Measurement {
  readonly kind: "measurement";
  readonly db: string;
  readonly rp: string;
  readonly name: string;
  /** Set instead of `name`. */
  readonly regex: string | undefined;
}

export type Source = Measurement | { readonly kind: "subquery"; readonly select: Select };

export type Fill =
  | { readonly kind: "null" | "none" | "previous" | "linear" }
  | { readonly kind: "number"; readonly value: number };

export interface SortField {
  readonly name: string;
  readonly ascending: boolean;
}

export interface Select {
  readonly fields: readonly { readonly expr: Expr; readonly alias: string }[];
  readonly into: Measurement | undefined;
  readonly sources: readonly Source[];
  readonly condition: Expr | undefined;
  readonly dimensions: readonly Expr[];
  readonly fill: Fill;
  readonly order: readonly SortField[];
  /** 0 = not given. */
  readonly limit: number;
  readonly offset: number;
  readonly seriesLimit: number;
  readonly seriesOffset: number;
  readonly timeZone: string;
}

/** Depth of parentheses and subqueries that is followed. */
export const DEPTH_MAX = 200;

const STATEMENTS = "SELECT DELETE SHOW CREATE DROP EXPLAIN GRANT REVOKE ALTER SET KILL".split(" ");

/**
 * Reads a text that must be exactly one SELECT. Throws `InfluxqlError` worded as the original:
 * `failed to parse InfluxQL query: …`, `query must be a single select statement, got N statements`,
 * `query is not a select statement "…"`.
 */
export function parseSingleSelect(text: string): Select {
  let statements: readonly (Select | string)[];
  try {
    statements = new Parser(text).statements();
  } catch (error) {
    if (!(error instanceof InfluxqlError)) throw error;
    throw new InfluxqlError(`failed to parse InfluxQL query: ${error.message}`);
  }
  const [first] = statements;
  if (statements.length !== 1 || first === undefined) {
    const count = `got ${statements.length} statements`;
    throw new InfluxqlError(`query must be a single select statement, ${count}`);
  }
  if (typeof first === "string") {
    throw new InfluxqlError(`query is not a select statement ${JSON.stringify(first)}`);
  }
  return first;
}

/** Lower binds looser. */
const PRECEDENCE: Readonly<Record<string, number>> = {
  OR: 1,
  AND: 2,
  "=": 3,
  "!=": 3,
  "<>": 3,
  "=~": 3,
  "!~": 3,
  "<": 3,
  "<=": 3,
  ">": 3,
  ">=": 3,
  "+": 4,
  "-": 4,
  "|": 4,
  "^": 4,
  "*": 5,
  "/": 5,
  "%": 5,
  "&": 5,
};

class Parser {
  readonly #text: string;
  readonly #lexer: Lexer;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#lexer = new Lexer(text);
  }

  /** All statements; other kinds than SELECT as their text. */
  statements(): (Select | string)[] {
    const all: (Select | string)[] = [];
    for (;;) {
      while (this.#skip(";"));
      if (this.#peek().kind === "end") return all;
      all.push(this.#statement());
      const next = this.#peek();
      if (next.kind !== "end" && next.text !== ";") throw this.#unexpected(next, ";");
    }
  }

  #statement(): Select | string {
    const first = this.#peek();
    if (first.kind !== "keyword" || !STATEMENTS.includes(first.text)) {
      throw this.#unexpected(first, STATEMENTS.join(", "));
    }
    if (first.text === "SELECT") return this.#select();
    const from = first.at;
    while (this.#peek().kind !== "end" && this.#peek().text !== ";") this.#next();
    return this.#text.slice(from, this.#at).trim();
  }

  #select(): Select {
    this.#deeper();
    this.#expectWord("SELECT");
    const fields = this.#list(() => this.#field());
    const into = this.#word("INTO") ? this.#measurement() : undefined;
    this.#expectWord("FROM");
    const sources = this.#list(() => this.#source());
    const condition = this.#word("WHERE") ? this.#expr() : undefined;
    const grouped = this.#word("GROUP");
    if (grouped) this.#expectWord("BY");
    const dimensions = grouped ? this.#list(() => this.#unary()) : [];
    const fill = this.#fill();
    const order = this.#order();
    const limit = this.#count("LIMIT");
    const offset = this.#count("OFFSET");
    const seriesLimit = this.#count("SLIMIT");
    const seriesOffset = this.#count("SOFFSET");
    const timeZone = this.#timeZone();
    this.#depth -= 1;
    return {
      ...{ fields, into, sources, condition, dimensions, fill, order, limit, offset },
      ...{ seriesLimit, seriesOffset, timeZone },
    };
  }

  #field(): { expr: Expr; alias: string } {
    const expr = this.#expr();
    return { expr, alias: this.#word("AS") ? this.#ident() : "" };
  }

  #source(): Source {
    if (!this.#skip("(")) return this.#measurement();
    if (this.#peek().text !== "SELECT") throw this.#unexpected(this.#peek(), "SELECT");
    const select = this.#select();
    this.#expect(")");
    return { kind: "subquery", select };
  }

  /** `name`, `rp.name`, `db.rp.name`, `db..name`, with a regular expression for the name. */
  #measurement(): Measurement {
    const parts: string[] = [];
    let regex: string | undefined;
    for (;;) {
      const found = this.#lexer.regex(this.#at);
      if (found !== undefined) {
        regex = found.source;
        this.#at = found.end;
        break;
      }
      if (parts.length === 1 && this.#lexer.isDot(this.#at)) parts.push("");
      else parts.push(this.#ident());
      if (!this.#lexer.isDot(this.#at)) break;
      if (parts.length === 3) throw this.#tooMany(parts);
      this.#at += 1;
    }
    if (regex !== undefined && parts.length === 3) throw this.#tooMany(parts);
    const name = regex === undefined ? (parts.pop() as string) : "";
    const [first = "", second] = parts;
    const db = second === undefined ? "" : first;
    return { kind: "measurement", db, rp: second ?? first, name, regex };
  }

  #tooMany(parts: readonly string[]): InfluxqlError {
    return new InfluxqlError(`too many segments in ${parts.map(quoteIdent).join(".")}`);
  }

  #fill(): Fill {
    const token = this.#peek();
    if (token.kind !== "ident" || token.text.toLowerCase() !== "fill") return { kind: "null" };
    this.#next();
    this.#expect("(");
    const fill = this.#fillOption();
    this.#expect(")");
    return fill;
  }

  #fillOption(): Fill {
    const negative = this.#skip("-");
    const token = this.#next();
    if (token.kind === "number" || token.kind === "integer") {
      return { kind: "number", value: negative ? -Number(token.text) : Number(token.text) };
    }
    const kind = token.text.toLowerCase();
    switch (kind) {
      case "null":
      case "none":
      case "previous":
      case "linear":
        if (!negative && token.kind === "ident") return { kind };
    }
    throw new InfluxqlError(`unrecognized fill option: ${token.text}`);
  }

  #order(): SortField[] {
    if (!this.#word("ORDER")) return [];
    this.#expectWord("BY");
    return this.#list(() => {
      const first = this.#peek();
      const direction = first.text === "ASC" || first.text === "DESC";
      const name = direction ? "" : this.#ident("identifier, ASC, DESC");
      if (this.#word("DESC")) return { name, ascending: false };
      this.#word("ASC");
      return { name, ascending: true };
    });
  }

  #count(word: string): number {
    if (!this.#word(word)) return 0;
    const token = this.#next();
    if (token.kind !== "integer") throw this.#unexpected(token, "integer");
    return Number(token.text);
  }

  #timeZone(): string {
    const token = this.#peek();
    if (token.kind !== "ident" || token.text.toLowerCase() !== "tz") return "";
    this.#next();
    this.#expect("(");
    const zone = this.#next();
    if (zone.kind !== "string") throw this.#unexpected(zone, "string");
    this.#expect(")");
    return zone.text;
  }

  /** Operators by precedence; equal ones group to the left. */
  #expr(least = 1): Expr {
    this.#deeper();
    let left = this.#unary();
    for (;;) {
      const token = this.#peek();
      const strength = PRECEDENCE[token.text] ?? 0;
      const operator = token.kind === "symbol" || token.kind === "keyword";
      if (!operator || strength < least) break;
      this.#next();
      const op = token.text === "<>" ? "!=" : token.text;
      const right = op === "=~" || op === "!~" ? this.#regex() : this.#expr(strength + 1);
      left = { kind: "binary", op, left, right };
    }
    this.#depth -= 1;
    return left;
  }

  #regex(): Expr {
    const found = this.#lexer.regex(this.#at);
    if (found === undefined) throw this.#unexpected(this.#peek(), "regex");
    this.#at = found.end;
    return { kind: "regex", source: found.source };
  }

  #unary(): Expr {
    const regex = this.#lexer.regex(this.#at);
    if (regex !== undefined) {
      this.#at = regex.end;
      return { kind: "regex", source: regex.source };
    }
    const token = this.#next();
    switch (token.kind) {
      case "integer":
        return { kind: "integer", value: BigInt(token.text) };
      case "number":
        return { kind: "number", value: Number(token.text) };
      case "string":
        return { kind: "string", value: token.text };
      case "duration":
        return { kind: "duration", value: this.#duration(token) };
      case "ident":
        return this.#named(token);
      case "bound":
        throw new InfluxqlError(`missing parameter: ${token.text}`);
      case "keyword":
        return this.#keyword(token);
      case "symbol":
        return this.#symbol(token);
      default:
        throw this.#unexpected(token, OPERANDS);
    }
  }

  #duration(token: Token): DurationNs {
    const value = parseInfluxDuration(token.text);
    if (value === undefined) throw new InfluxqlError("invalid duration");
    return value;
  }

  #keyword(token: Token): Expr {
    if (token.text === "TRUE" || token.text === "FALSE") {
      return { kind: "boolean", value: token.text === "TRUE" };
    }
    if (token.text !== "DISTINCT") throw this.#unexpected(token, OPERANDS);
    if (!this.#skip("(")) return { kind: "distinct", name: this.#ident() };
    return { kind: "call", name: "distinct", args: this.#args() };
  }

  #symbol(token: Token): Expr {
    switch (token.text) {
      case "(": {
        const inner = this.#expr();
        this.#expect(")");
        return { kind: "paren", inner };
      }
      case "*":
        return { kind: "wildcard", type: this.#skip("::") ? this.#type(["field", "tag"]) : "" };
      case "+":
      case "-":
        return this.#signed(token.text === "-");
      default:
        throw this.#unexpected(token, OPERANDS);
    }
  }

  /** A sign belongs to a literal; anything else is multiplied by −1, as InfluxDB does. */
  #signed(negative: boolean): Expr {
    this.#deeper();
    const token = this.#peek();
    const operand = token.kind === "end" || token.kind === "bad" ? undefined : this.#unary();
    if (operand === undefined) throw this.#unexpected(token, "identifier, number, duration, (");
    this.#depth -= 1;
    if (!negative) return operand;
    switch (operand.kind) {
      case "integer":
        return { kind: "integer", value: -operand.value };
      case "number":
        return { kind: "number", value: -operand.value };
      case "duration":
        return { kind: "duration", value: -operand.value };
      default: {
        const left: Expr = { kind: "integer", value: -1n };
        return { kind: "binary", op: "*", left, right: operand };
      }
    }
  }

  #named(first: Token): Expr {
    if (this.#skip("(")) {
      return { kind: "call", name: first.text.toLowerCase(), args: this.#args() };
    }
    let name = first.text;
    while (this.#lexer.isDot(this.#at)) {
      this.#at += 1;
      name += `.${this.#ident()}`;
    }
    return { kind: "ref", name, type: this.#skip("::") ? this.#type(TYPES) : "" };
  }

  #args(): Expr[] {
    if (this.#skip(")")) return [];
    const args = this.#list(() => this.#expr());
    this.#expect(")");
    return args;
  }

  #type(known: readonly string[]): string {
    const token = this.#next();
    const type = token.text.toLowerCase();
    if (!known.includes(type)) throw this.#unexpected(token, known.join(", "));
    return type;
  }

  #list<T>(item: () => T): T[] {
    const all = [item()];
    while (this.#skip(",")) all.push(item());
    return all;
  }

  #peek(): Token {
    return this.#lexer.token(this.#at);
  }

  #next(): Token {
    const token = this.#peek();
    this.#at = token.end;
    return token;
  }

  #skip(symbol: string): boolean {
    const token = this.#peek();
    if (token.kind !== "symbol" || token.text !== symbol) return false;
    this.#at = token.end;
    return true;
  }

  #word(word: string): boolean {
    const token = this.#peek();
    if (token.kind !== "keyword" || token.text !== word) return false;
    this.#at = token.end;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#skip(symbol)) throw this.#unexpected(this.#peek(), symbol);
  }

  #expectWord(word: string): void {
    if (!this.#word(word)) throw this.#unexpected(this.#peek(), word);
  }

  #ident(expected = "identifier"): string {
    const token = this.#next();
    if (token.kind !== "ident") throw this.#unexpected(token, expected);
    return token.text;
  }

  #unexpected(token: Token, expected: string): InfluxqlError {
    const place = this.#lexer.place(token);
    return new InfluxqlError(`found ${token.text}, expected ${expected}${place}`);
  }

  #deeper(): void {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new InfluxqlError(`more than ${DEPTH_MAX} levels deep`);
  }
}

const TYPES = ["float", "integer", "unsigned", "string", "boolean", "field", "tag"];
const OPERANDS = "identifier, string, number, bool";
