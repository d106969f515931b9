/**
 * Turns an expression and the types of its references into JavaScript.
 *
 * With the types known, every operator is one native operator or one call, every error that types decide is a
 * ready-made object, and a field is read as `v[slot]`. The text depends on types alone; slots and tag
 * indexes are parameters, so shapes that differ only in order share one compiled text.
 * Sub-expressions that depend on tags alone and cost more than a comparison are computed once per series and
 * remembered in one of the series' slots. Source of the idea and its numbers: design.md §4.
 */

import { errorMessage } from "#lib/errors.ts";
import { add, mul, neg, sub, toFloat } from "#lib/int64.ts";
import { compareBytes } from "#lib/json.ts";
import type { Binary, Call, Expression, LambdaExpression, Unary } from "../ast.ts";
import { builtins } from "../functions/builtins.ts";
import type { Run } from "./bound.ts";
import { divide, remainder, scale, shrink } from "./operations.ts";
import { binaryType, familyOf } from "./operators.ts";
import { argumentProblem, callProblem } from "./problems.ts";
import { compileRegex } from "./regex.ts";
import { checkedUint, TIME_NAME } from "./scope.ts";
import type { SeriesMemos } from "./series-memos.ts";
import { Typing } from "./typing.ts";
import type { LambdaValue } from "./value.ts";
import { LambdaError, type LambdaType } from "./value.ts";

/** Where a reference comes from and its type: what the text depends on. */
export type Source =
  | { readonly from: "field"; readonly type: LambdaType; readonly unsigned: boolean }
  | { readonly from: "tag" }
  | { readonly from: "extra"; readonly type: LambdaType }
  | { readonly from: "nowhere" };

export interface CompileInput {
  readonly expression: Expression;
  readonly references: readonly string[];
  /** Parallel to `references`. */
  readonly sources: readonly Source[];
  /** Number of each nested lambda, for its state. */
  readonly nested: ReadonlyMap<Expression, number>;
  /** Where results of tag-only parts are remembered. */
  readonly memos: SeriesMemos;
}

export interface Compiled {
  /** Ties the code to slots, tag indexes and extra indexes, parallel to `references`. */
  readonly bind: (
    slots: readonly number[],
    tags: readonly number[],
    extras: readonly number[],
  ) => Run;
  readonly resultType: LambdaType;
}

/** Compiles; a text that is too deep for the JavaScript parser gives `undefined` (then interpret). */
export function compile(input: CompileInput): Compiled | undefined {
  const typing = typingOf(input);
  let resultType: LambdaType;
  try {
    resultType = typing.checkRoot(input.expression);
  } catch (error) {
    if (!(error instanceof LambdaError)) throw error;
    const run: Run = () => {
      throw error;
    };
    return { bind: () => run, resultType: "missing" };
  }
  try {
    const generator = new Generator(input, typing);
    return { bind: generator.build(), resultType };
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function typingOf(input: CompileInput): Typing {
  const types = new Map<string, LambdaType>([[TIME_NAME, "time"]]);
  input.references.forEach((name, i) => {
    if (name !== TIME_NAME) types.set(name, typeOfSource(input.sources[i]));
  });
  const scope = { typeOf: (name: string): LambdaType => types.get(name) ?? "missing" };
  return new Typing(scope, builtins, input.references);
}

function typeOfSource(source: Source | undefined): LambdaType {
  switch (source?.from) {
    case "field":
    case "extra":
      return source.type;
    case "tag":
      return "string";
    default:
      return "missing";
  }
}

/** Names that generated code may use, beside its constants. */
const TOOLS = {
  ...{ add, sub, mul, neg, divide, remainder, scale, shrink, toFloat, compareBytes },
  checkedUint,
  raise(error: LambdaError): never {
    throw error;
  },
  argument(index: number, run: () => LambdaValue): LambdaValue {
    try {
      return run();
    } catch (error) {
      throw new LambdaError(argumentProblem(index, errorMessage(error)));
    }
  },
  callError(name: string, error: unknown): LambdaError {
    return new LambdaError(callProblem(name, errorMessage(error)));
  },
};

/** Code of an expression, its type, and what is known about it. */
interface Code {
  readonly text: string;
  readonly type: LambdaType;
  /** It may throw. */
  readonly fails: boolean;
  /** It depends on tags and constants alone. */
  readonly ofTags: boolean;
  /** It mentions a tag. */
  readonly usesTag: boolean;
  /** Worth remembering: it matches a regex or calls a function. */
  readonly costly: boolean;
}

/** Strings beyond this length are passed as constants instead of standing in the text. */
const INLINE_STRING_MAX = 64;

class Generator {
  readonly #input: CompileInput;
  readonly #typing: Typing;
  readonly #constants: unknown[] = [];
  readonly #functions: string[] = [];
  #usesMemo = false;
  #context = "state.context";

  constructor(input: CompileInput, typing: Typing) {
    this.#input = input;
    this.#typing = typing;
  }

  build(): Compiled["bind"] {
    const { expression } = this.#input;
    const body = this.#remembered(this.#code(expression), expression).text;
    const names = Object.keys(TOOLS);
    const constants = this.#constants.map((_, i) => `c${i}`);
    const places = this.#input.references.map((_, i) => i);
    const memo = this.#usesMemo ? "let memo;" : "";
    const { slot, owner } = this.#input.memos;
    const text = [
      `"use strict"; const { ${names.join(", ")} } = tools;`,
      constants.length > 0 ? `const [${constants.join(", ")}] = constants;` : "",
      ...this.#functions,
      "function memoOf(series) {",
      `const entry = series.slots[${slot}];`,
      `return entry !== undefined && entry.owner === ${owner} ? entry.results : memos.of(series); }`,
      "return function (slots, tags, extras) {",
      ...places.map((i) => `const s${i} = slots[${i}], t${i} = tags[${i}], x${i} = extras[${i}];`),
      "return function (point, state, extra) {",
      `const v = point.values; ${memo}`,
      `return ${body}; }; };`,
    ].join("\n");
    const make = new Function("tools", "constants", "memos", text);
    return make(TOOLS, this.#constants, this.#input.memos) as Compiled["bind"];
  }

  #constant(value: unknown): string {
    const known = this.#constants.indexOf(value);
    return `c${known >= 0 ? known : this.#constants.push(value) - 1}`;
  }

  /** Code for an expression that has been checked. */
  #code(node: Expression): Code {
    switch (node.kind) {
      case "bool":
        return literal(String(node.value), "boolean");
      case "int":
      case "duration":
        return literal(integerText(node.value), node.kind);
      case "float":
        return literal(this.#floatText(node.value), "float");
      case "string":
        return literal(this.#stringText(node.value), "string");
      case "regex":
        return literal(this.#constant(compileRegex(node.value)), "regex");
      case "reference":
        return this.#reference(node.name);
      case "lambda":
        return this.#nested(node);
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node);
      case "call":
        return this.#call(node);
      default:
        return this.#failure(new LambdaError(`unsupported ${node.kind} in expression`));
    }
  }

  #floatText(value: number): string {
    if (!Number.isFinite(value)) return this.#constant(value);
    return value < 0 || Object.is(value, -0) ? `(-${-value})` : String(value);
  }

  #stringText(value: string): string {
    return value.length > INLINE_STRING_MAX ? this.#constant(value) : JSON.stringify(value);
  }

  #failure(error: LambdaError): Code {
    const text = `raise(${this.#constant(error)})`;
    return { ...literal(text, "boolean"), fails: true };
  }

  /** Code that first checks, at compile time; a failed check becomes code that throws. */
  #checked(check: () => void, generate: () => Code): Code {
    try {
      check();
    } catch (error) {
      if (error instanceof LambdaError) return this.#failure(error);
      throw error;
    }
    return generate();
  }

  #reference(name: string): Code {
    if (name === TIME_NAME) {
      const text = "({ ms: point.timeMs, ns: point.timeNs })";
      return { ...literal(text, "time"), ofTags: false };
    }
    const i = this.#input.references.indexOf(name);
    const source = this.#input.sources[i] ?? { from: "nowhere" };
    switch (source.from) {
      case "tag":
        return { ...literal(`point.series.tagValues[t${i}]`, "string"), usesTag: true };
      case "field": {
        const text = source.unsigned ? `checkedUint(v[s${i}])` : `v[s${i}]`;
        return { ...literal(text, source.type), ofTags: false, fails: source.unsigned };
      }
      case "extra":
        return { ...literal(`extra.values[x${i}]`, source.type), ofTags: false };
      default:
        return { ...literal("null", "missing"), ofTags: false };
    }
  }

  #nested(node: LambdaExpression): Code {
    const outer = this.#context;
    const index = this.#input.nested.get(node);
    if (index !== undefined) this.#context = `state.nested[${index}]`;
    const code = this.#code(node.body);
    this.#context = outer;
    return code;
  }

  #unary(node: Unary): Code {
    if (node.operator === "!") {
      return this.#checked(
        () => this.#typing.checkNegated(node),
        () => {
          const operand = this.#code(node.operand);
          return { ...operand, text: `!(${operand.text})`, type: "boolean" };
        },
      );
    }
    const operand = this.#code(node.operand);
    const text = operand.type === "float" ? `(-(${operand.text}))` : `neg(${operand.text})`;
    return { ...operand, text };
  }

  #binary(node: Binary): Code {
    const { operator } = node;
    if (operator === "AND" || operator === "OR") return this.#logical(node, operator);
    if (familyOf(operator) === "math") return this.#math(node);
    return this.#checked(
      () => this.#typing.checkOperands(node),
      () => this.#comparison(node),
    );
  }

  #logical(node: Binary, operator: "AND" | "OR"): Code {
    return this.#checked(
      () => this.#typing.checkLeft(node),
      () => {
        const left = this.#code(node.left);
        const right = this.#checked(
          () => this.#typing.checkRight(node),
          () => this.#code(node.right),
        );
        const [l, r] = this.#settled(node, left, right);
        const symbol = operator === "AND" ? "&&" : "||";
        return combined(left, right, `(${l.text} ${symbol} ${r.text})`, "boolean");
      },
    );
  }

  #math(node: Binary): Code {
    const [left, right] = this.#settled(node, this.#code(node.left), this.#code(node.right));
    const { operator } = node;
    const type = binaryType(operator, left.type, right.type) ?? "missing";
    const a = left.text;
    const b = right.text;
    if (left.type === "string") return combined(left, right, `(${a} + ${b})`, type);
    if (left.type === "float" && right.type === "float") {
      return combined(left, right, `(${a} ${operator} ${b})`, type);
    }
    if (left.type === "float") return combined(left, right, swapped("scale", a, b), type);
    if (right.type === "float") {
      return combined(left, right, `${operator === "*" ? "scale" : "shrink"}(${a}, ${b})`, type);
    }
    return combined(left, right, `${INTEGER_TOOLS[operator] ?? ""}(${a}, ${b})`, type, operator);
  }

  #comparison(node: Binary): Code {
    const [left, right] = this.#settled(node, this.#code(node.left), this.#code(node.right));
    const { operator } = node;
    if (operator === "=~" || operator === "!~") {
      const text = `${operator === "!~" ? "!" : ""}${right.text}.test(${left.text})`;
      return { ...combined(left, right, text, "boolean"), costly: true };
    }
    const [a, b] = operands(left, right);
    if (operator === "==" || operator === "!=") {
      return combined(left, right, `(${a} ${operator}= ${b})`, "boolean");
    }
    const text =
      left.type === "string"
        ? `(compareBytes(${a}, ${b}) ${operator} 0)`
        : `(${a} ${operator} ${b})`;
    return combined(left, right, text, "boolean");
  }

  #call(node: Call): Code {
    const signature = this.#typing.signatureOf(node);
    const spec = builtins.get(node.name);
    const pure = spec?.pure === true && signature.kind === "plain";
    // What a zone offset is may change, so functions with a context are not remembered.
    const found = node.args.map((arg) => this.#code(arg));
    const ofTags = pure && found.every((arg) => arg.ofTags);
    const args = ofTags ? found : found.map((arg, i) => this.#remembered(arg, node.args[i]));
    const values = args.map(({ text, fails }, i) =>
      fails ? `argument(${i}, () => ${text})` : text,
    );
    if (signature.kind === "context") values.unshift(this.#context);
    const mayFail = spec?.mayFail ?? true;
    const callee = this.#callee(node.name, signature.call, values.length, mayFail);
    return {
      text: `${callee}(${values.join(", ")})`,
      type: signature.result,
      fails: mayFail || args.some(({ fails }) => fails),
      ofTags,
      usesTag: args.some(({ usesTag }) => usesTag),
      costly: true,
    };
  }

  /** The name of the function to call; those that may fail get a frame that words their errors. */
  #callee(name: string, call: unknown, arity: number, mayFail: boolean): string {
    const constant = this.#constant(call);
    if (!mayFail) return constant;
    const guarded = `g${this.#functions.length}`;
    const params = Array.from({ length: arity }, (_, i) => `p${i}`).join(", ");
    this.#functions.push(
      `function ${guarded}(${params}) { try { return ${constant}(${params}); }` +
        ` catch (error) { throw callError(${JSON.stringify(name)}, error); } }`,
    );
    return guarded;
  }

  /** Both sides of an operator; when only one depends on tags alone, it is remembered on its own. */
  #settled(node: Binary, left: Code, right: Code): readonly [Code, Code] {
    if (left.ofTags && right.ofTags) return [left, right];
    return [this.#remembered(left, node.left), this.#remembered(right, node.right)];
  }

  /** Wraps code that is worth computing once per series. */
  #remembered(code: Code, node: Expression | undefined): Code {
    const { memos } = this.#input;
    if (!code.costly || !code.ofTags || !code.usesTag || node === undefined) return code;
    if (code.type === "missing" || !memos.open()) return code;
    this.#usesMemo = true;
    const site = `memo[${memos.site(node)}]`;
    const known = `(memo ??= memoOf(point.series))[${memos.site(node)}] !== undefined`;
    const text = `(${known} ? ${site} : (${site} = ${code.text}))`;
    return { ...code, text, ofTags: false };
  }
}

const INTEGER_TOOLS: Readonly<Record<string, string>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "divide",
  "%": "remainder",
};

function literal(text: string, type: LambdaType): Code {
  return { text, type, fails: false, ofTags: true, usesTag: false, costly: false };
}

function integerText(value: number | bigint): string {
  const text = typeof value === "bigint" ? `${value}n` : String(value + 0);
  return value < 0 ? `(${text})` : text;
}

function combined(
  left: Code,
  right: Code,
  text: string,
  type: LambdaType,
  operator?: string,
): Code {
  return {
    text,
    type,
    fails: left.fails || right.fails || operator === "/" || operator === "%",
    ofTags: left.ofTags && right.ofTags,
    usesTag: left.usesTag || right.usesTag,
    costly: left.costly || right.costly,
  };
}

/** Calls with the arguments the other way round, evaluated in source order. */
function swapped(tool: string, a: string, b: string): string {
  return `((a, b) => ${tool}(b, a))(${a}, ${b})`;
}

/** Both sides of a comparison; an integer beside a float becomes a float. */
function operands(left: Code, right: Code): readonly [string, string] {
  if (left.type === right.type) return [left.text, right.text];
  if (left.type === "int" && right.type === "float") return [asFloat(left), right.text];
  if (left.type === "float" && right.type === "int") return [left.text, asFloat(right)];
  return [left.text, right.text];
}

function asFloat(code: Code): string {
  return /^\d+$/.test(code.text) ? code.text : `toFloat(${code.text})`;
}
