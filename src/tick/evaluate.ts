/**
 * Runs a script: vars get values, chains make nodes. The result is plain data; nothing is started.
 *
 * What may be called is given as data (`TickEnvironment`) and every call is checked against it here, with the
 * exact texts that clients know. Statements run in order and vars never change, so a script either describes
 * one pipeline or fails at one place. `vetScript` goes on after failures to report as many as make sense.
 */

import { errorMessage } from "#lib/errors.ts";
import { neg } from "#lib/int64.ts";
import type { Dbrp } from "#model/dbrp.ts";
import { methodProblem } from "./arguments.ts";
import type {
  Binary,
  Call,
  Chain,
  Expression,
  Identifier,
  List,
  Program,
  Reference,
  Statement,
  TypedVarDeclaration,
  Unary,
  VarDeclaration,
} from "./ast.ts";
import { ChainEvaluator } from "./chain.ts";
import { nearestName, TickError } from "./diagnostic.ts";
import type {
  Position,
  ScriptResult,
  TaskType,
  TickEnvironment,
  TickValue,
  Var,
} from "./environment.ts";
import { builtins } from "./functions/builtins.ts";
import type { FunctionSpec, LambdaServices } from "./functions/spec.ts";
import { FunctionState } from "./functions/state.ts";
import { Graph } from "./graph.ts";
import { children } from "./inspect.ts";
import { interpret } from "./lambda/interpreter.ts";
import { Regex } from "./lambda/regex.ts";
import { EMPTY_SCOPE } from "./lambda/scope.ts";
import { LambdaError, type LambdaType, type LambdaValue } from "./lambda/value.ts";
import { ERRORS_MAX } from "./limits.ts";
import { parseAll, parseScript } from "./parser.ts";
import { Resolver } from "./resolve.ts";
import { ScriptScope, type ScriptValue } from "./scope.ts";
import { inferTypeOf } from "./task-type.ts";
import {
  displayValue,
  goTypeOf,
  isVarType,
  literalOf,
  varTypeOf,
  varTypeText,
  zeroValue,
} from "./values.ts";

export interface EvaluateOptions {
  readonly environment: TickEnvironment;
  /** Inferred from the script's use of `stream` and `batch` when absent. */
  readonly type?: TaskType;
  /** Values that override defaults; those of unknown names are ignored. */
  readonly vars?: Readonly<Record<string, TickValue>>;
  /** True for templates: vars without a value get the zero value of their type. */
  readonly template?: boolean;
  /** For functions used outside of lambdas that need the clock. */
  readonly services?: LambdaServices;
}

/** Evaluates a script. Throws `TickError` at its first fault. */
export function evaluateScript(script: string, options: EvaluateOptions): ScriptResult {
  if (script.trim() === "") throw new TickError("must provide TICKscript", { script });
  const program = parseScript(script);
  const type = options.type ?? inferTypeOf(program);
  if (type === undefined) throw new TickError("invalid task type: invalid", { script });
  return new Evaluator(script, type, options).run(program);
}

/** The type a script has by its use of `stream` and `batch`; `undefined` when it uses neither or both. */
export function inferTaskType(script: string): TaskType | undefined {
  return inferTypeOf(parseScript(script));
}

/** All faults of a script that can be told apart, at most `ERRORS_MAX`; none when it is good. */
export function vetScript(script: string, options: EvaluateOptions): readonly TickError[] {
  if (script.trim() === "") return [new TickError("must provide TICKscript", { script })];
  let parsed: ReturnType<typeof parseAll>;
  try {
    parsed = parseAll(script);
  } catch (error) {
    if (error instanceof TickError) return [error];
    throw error;
  }
  if (parsed.ast === undefined) return parsed.errors;
  const type = options.type ?? inferTypeOf(parsed.ast);
  if (type === undefined) return [new TickError("invalid task type: invalid", { script })];
  return new Evaluator(script, type, options).vet(parsed.ast);
}

/** A statement used the result of another that has failed; not reported again. */
class PoisonError extends Error {}

class Evaluator {
  readonly #script: string;
  readonly #type: TaskType;
  readonly #options: EvaluateOptions;
  readonly #scope = new ScriptScope();
  readonly #graph: Graph;
  readonly #chains: ChainEvaluator;
  readonly #resolver: Resolver;
  readonly #dbrps: Dbrp[] = [];
  readonly #vars = new Map<string, Var>();
  /** Faults inside of chains, when all are wanted. */
  #found: TickError[] | undefined;

  constructor(script: string, type: TaskType, options: EvaluateOptions) {
    this.#script = script;
    this.#type = type;
    this.#options = options;
    this.#graph = new Graph(options.environment);
    this.#chains = new ChainEvaluator(script, options.environment, this.#graph);
    this.#resolver = new Resolver({
      literalFor: (identifier) => this.#literalFor(identifier),
      fail: (message, { position }) => this.#fail(message, position),
    });
    const source = options.environment.nodes.get(type);
    if (source === undefined) throw new TickError(`unknown task type ${type}`, { script });
    this.#scope.set(type, { kind: "node", value: this.#graph.addSource(source) });
  }

  run(program: Program): ScriptResult {
    for (const statement of program.statements) this.#statement(statement);
    this.#append();
    const faults = this.#faults();
    if (faults[0] !== undefined) throw faults[0];
    const { nodes } = this.#graph;
    return { type: this.#type, nodes, dbrps: this.#dbrps, vars: this.#vars };
  }

  #append(): void {
    const { environment } = this.#options;
    const [source] = this.#graph.nodes;
    for (const { method, args } of environment.appended ?? []) {
      const type = environment.nodes.get(method);
      if (type !== undefined && source !== undefined)
        this.#graph.add(type, source, args, undefined);
    }
  }

  vet(program: Program): readonly TickError[] {
    const errors: TickError[] = [];
    this.#found = errors;
    for (const statement of program.statements) {
      try {
        this.#statement(statement);
      } catch (error) {
        if (error instanceof TickError) errors.push(error);
        else if (!(error instanceof PoisonError)) throw error;
        if (statement.kind === "var" && this.#scope.get(statement.name) === undefined) {
          this.#scope.set(statement.name, { kind: "poison" });
        }
      }
    }
    return (errors.length > 0 ? errors : this.#faults()).slice(0, ERRORS_MAX);
  }

  /** What only the finished pipeline shows. */
  #faults(): readonly TickError[] {
    const { nodes } = this.#graph;
    if (nodes.length === 1 && this.#options.template !== true) {
      return [new TickError("task does nothing", { script: this.#script })];
    }
    const faults: TickError[] = [];
    for (const node of nodes) {
      try {
        node.type.validate?.(node);
      } catch (cause) {
        const { position } = node;
        faults.push(new TickError(errorMessage(cause), { script: this.#script, position, cause }));
      }
    }
    return faults;
  }

  #error(message: string, position?: Position, hint?: string): TickError {
    return new TickError(message, { script: this.#script, position, hint });
  }

  #fail(message: string, position?: Position, hint?: string): never {
    throw this.#error(message, position, hint);
  }

  #statement(statement: Statement): void {
    switch (statement.kind) {
      case "var":
        this.#declare(statement);
        return;
      case "typedVar":
        this.#declareTyped(statement);
        return;
      case "dbrp":
        this.#dbrps.push({ db: statement.db, rp: statement.rp });
        return;
      default:
        this.#value(statement);
    }
  }

  #checkNew(name: string, position: Position): void {
    if (this.#scope.get(name) === undefined) return;
    this.#fail(`attempted to redefine ${name}, vars are immutable`, position);
  }

  #declare({ name, value: expression, description, position }: VarDeclaration): void {
    const value = this.#value(expression);
    this.#checkNew(name, position);
    const type = isTickValue(value) ? varTypeOf(value) : undefined;
    if (type === undefined || !isTickValue(value)) {
      this.#scope.set(name, value);
      return;
    }
    this.#vars.set(name, { type, value, description });
    this.#scope.set(name, this.#supplied(name, type, position) ?? value);
  }

  #declareTyped({ name, type, description, position }: TypedVarDeclaration): void {
    if (!isVarType(type)) throw this.#error(`invalid var type "${type}"`, position);
    this.#checkNew(name, position);
    this.#vars.set(name, { type, value: undefined, description });
    const zero = this.#options.template === true ? zeroValue(type) : undefined;
    const value = this.#supplied(name, type, position) ?? zero;
    if (value === undefined) throw this.#error(`missing value for var "${name}".`, position);
    this.#scope.set(name, value);
  }

  /** The value given from outside, which must have the var's type. */
  #supplied(name: string, type: Var["type"], position: Position): TickValue | undefined {
    const { vars } = this.#options;
    if (vars === undefined || !Object.hasOwn(vars, name)) return undefined;
    const value = vars[name];
    if (value?.kind === "lambda" && type === "lambda") return this.#suppliedLambda(value, position);
    if (value === undefined || value.kind === type) return value;
    const got = varTypeOf(value);
    const gotText = got === undefined ? goTypeOf(value) : varTypeText(got);
    const text = `invalid type supplied for ${name}, got ${gotText} exp ${varTypeText(type)}`;
    return this.#fail(text, position);
  }

  /** A lambda from outside may name the vars declared before it, like any other. */
  #suppliedLambda(value: TickValue & { kind: "lambda" }, position: Position): TickValue {
    try {
      return { kind: "lambda", value: this.#resolver.resolve(value.value) };
    } catch (error) {
      // Positions inside the supplied text mean nothing in this script.
      return this.#fail(errorMessage(error), position);
    }
  }

  #value(node: Expression): ScriptValue {
    switch (node.kind) {
      case "bool":
        return { kind: node.kind, value: node.value };
      case "float":
        return { kind: node.kind, value: node.value };
      case "int":
      case "duration":
        return { kind: node.kind, value: node.value };
      case "string":
      case "regex":
        return { kind: node.kind, value: node.value };
      case "star":
        return { kind: "star" };
      case "reference":
        return node;
      case "identifier":
        return this.#lookUp(node);
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node);
      case "call":
        return { kind: "unbound", call: node };
      case "lambda":
        return { kind: "lambda", value: this.#resolver.resolve(node.body) };
      case "list":
        return this.#list(node);
      case "chain":
        return this.#chain(node);
    }
  }

  #lookUp({ name, position }: Identifier): ScriptValue {
    const value = this.#scope.get(name);
    if (value?.kind === "poison") throw new PoisonError();
    return value ?? this.#undefined(name, this.#scope.names, position);
  }

  #undefined(name: string, names: readonly string[], position: Position): never {
    const text = `name "${name}" is undefined. Names in scope: ${names.join(",")}`;
    return this.#fail(text, position, undefinedHint(name, names));
  }

  /** The value of an expression where something is done with it. */
  #used(node: Expression): TickValue {
    return this.#use(this.#value(node));
  }

  #use(value: ScriptValue): TickValue {
    switch (value.kind) {
      case "reference":
        return this.#undefined(value.name, [], value.position);
      case "unbound":
        return this.#global(value.call);
      case "object":
        return { kind: "node", value: value.node };
      case "poison":
        throw new PoisonError();
      default:
        return value;
    }
  }

  /** `time(interval[, offset])`, the only global function. */
  #global(call: Call): TickValue {
    if (call.name !== "time") {
      return this.#fail(`no global function "${call.name}" defined`, call.position);
    }
    const args = call.args.map((arg) => this.#used(arg));
    const problem = methodProblem({ params: ["duration"], rest: "duration" }, args);
    const [interval, offset] = args;
    if (problem !== undefined || interval?.kind !== "duration" || args.length > 2) {
      const { line, char } = call.position;
      const what = problem ?? "time expects 1 or 2 arguments";
      const text = `line ${line} char ${char}: error calling func "time": ${what}`;
      return this.#fail(text, call.position);
    }
    const shift = offset?.kind === "duration" ? offset.value : 0;
    return { kind: "timeDimension", interval: interval.value, offset: shift };
  }

  #list(node: List): TickValue {
    return { kind: "list", value: node.items.map((item) => this.#used(item)) };
  }

  #unary(node: Unary): TickValue {
    const value = this.#used(node.operand);
    if (node.operator === "!") {
      if (value.kind === "bool") return { kind: "bool", value: !value.value };
    } else if (value.kind === "float") return { kind: "float", value: -value.value };
    else if (value.kind === "int" || value.kind === "duration") {
      return { kind: value.kind, value: neg(value.value) };
    }
    const { line, char } = node.position;
    const text = `invalid arugument to '${node.operator}' ${displayValue(value)}`;
    return this.#fail(`line ${line} char ${char}: ${text}`, node.position);
  }

  /** Operators outside of lambdas: evaluated at once, by the rules of lambdas, with no point. */
  #binary(node: Binary): TickValue {
    const expression = this.#resolver.resolve(node);
    const reference = firstReference(expression);
    if (reference !== undefined) {
      return this.#undefined(reference.name, [], reference.position);
    }
    const services = this.#options.services;
    const context = { services: services ?? NO_SERVICES, state: new FunctionState() };
    const functions = services === undefined ? WITHOUT_SERVICES : builtins;
    try {
      const around = { functions, context, contextOf: () => context, references: [] };
      const { type, value } = interpret(expression, EMPTY_SCOPE, around);
      return valueOfResult(type, value) ?? this.#fail(`unexpected type ${type}`, node.position);
    } catch (error) {
      if (!(error instanceof LambdaError)) throw error;
      return this.#fail(error.message, node.position);
    }
  }

  /** The literal that a var's name stands for inside an expression. */
  #literalFor(identifier: Identifier): Expression {
    const { position } = identifier;
    const value = this.#lookUp(identifier);
    if (value.kind === "reference") return { ...value, position };
    const plain = isTickValue(value) ? value : this.#used(identifier);
    const unsupported = (): never =>
      this.#fail(`unsupported literal type ${goTypeOf(plain)}`, position);
    return literalOf(plain, position) ?? unsupported();
  }

  /** A chain of methods and properties, evaluated from its root on; chains may be very long. */
  #chain(node: Chain): ScriptValue {
    const links: Chain[] = [];
    let root: Expression = node;
    while (root.kind === "chain") {
      links.push(root);
      root = root.left;
    }
    let value = this.#value(root);
    for (const link of links.reverse()) {
      value = this.#found === undefined ? this.#link(value, link) : this.#vetLink(value, link);
    }
    return value;
  }

  /** A link that goes on after a fault: behind a wrong property, and as if a wrong operator were the right one. */
  #vetLink(left: ScriptValue, link: Chain): ScriptValue {
    try {
      return this.#link(left, link);
    } catch (error) {
      if (!(error instanceof TickError)) throw error;
      this.#found?.push(error);
      const operator = link.operator === "." ? "|" : ".";
      try {
        return this.#link(left, { ...link, operator });
      } catch (again) {
        if (again instanceof TickError && link.operator === ".") return left;
        throw new PoisonError();
      }
    }
  }

  #link(left: ScriptValue, { operator, right }: Chain): ScriptValue {
    if (left.kind === "poison") throw new PoisonError();
    const target = left.kind === "unbound" ? this.#global(left.call) : left;
    if (right.kind === "identifier") return this.#chains.read(target, right);
    return this.#chains.call(target, operator, right, this.#arguments(right));
  }

  /** Evaluated arguments; a list that is the only one is spread. References are left to be complained about. */
  #arguments(call: Identifier | Call): readonly (TickValue | Reference)[] {
    if (call.kind === "identifier") return [];
    const args = call.args.map((arg) => {
      const value = this.#value(arg);
      return value.kind === "reference" ? value : this.#use(value);
    });
    const [only] = args;
    return args.length === 1 && only?.kind === "list" ? only.value : args;
  }
}

/** Never asked for the time: the functions that need services are not offered without them. */
const NO_SERVICES: LambdaServices = { now: () => ({ ms: 0, ns: 0 }) };
const WITHOUT_SERVICES: ReadonlyMap<string, FunctionSpec> = new Map(
  [...builtins].filter(([name]) => name !== "now" && name !== "rand"),
);

function isTickValue(value: ScriptValue): value is TickValue {
  switch (value.kind) {
    case "reference":
    case "object":
    case "unbound":
    case "poison":
      return false;
    default:
      return true;
  }
}

/** The value of an evaluated expression; `undefined` for types that scripts cannot hold. */
function valueOfResult(type: LambdaType, value: LambdaValue): TickValue | undefined {
  if (value instanceof Regex) return { kind: "regex", value: value.pattern };
  switch (typeof value) {
    case "boolean":
      return { kind: "bool", value };
    case "string":
      return { kind: "string", value };
    case "number":
      if (type === "float") return { kind: "float", value };
      return { kind: type === "duration" ? "duration" : "int", value };
    case "bigint":
      return { kind: type === "duration" ? "duration" : "int", value };
    default:
      return undefined;
  }
}

function firstReference(node: Expression): Reference | undefined {
  if (node.kind === "reference") return node;
  for (const child of children(node)) {
    const found = firstReference(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

const WORDS: Readonly<Record<string, string>> = {
  ...{ true: "TRUE", false: "FALSE", True: "TRUE", False: "FALSE" },
  ...{ and: "AND", or: "OR" },
};

function undefinedHint(name: string, names: readonly string[]): string | undefined {
  const word = WORDS[name];
  if (word !== undefined) return `write ${word}`;
  const near = nearestName(name, names);
  return near === undefined ? undefined : `did you mean ${near}?`;
}
