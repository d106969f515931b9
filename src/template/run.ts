/**
 * Runs syntax trees: each node is compiled once to a closure, executing is calling them.
 *
 * Go's rules: a missing map key and nil print `<no value>`, an unknown struct field is an error, a pipeline's
 * value becomes the last argument of the next command. Every error names the template, the place and the
 * expression. Output, steps and call depth are bounded.
 */

import {
  type ActionNode,
  type BranchNode,
  type Command,
  describeCommand,
  describeOperand,
  describePipe,
  type Operand,
  type Pipe,
  type TemplateNode,
} from "./ast.ts";
import { display } from "./format.ts";
import type { TemplateFunctions } from "./functions.ts";
import { TEMPLATE_CALL_DEPTH_MAX, TEMPLATE_OUTPUT_MAX, TEMPLATE_STEPS_MAX } from "./limits.ts";
import { methodOf } from "./methods.ts";
import { quoteGo } from "./quote.ts";
import { positionOf, TemplateError, ValueError } from "./template-error.ts";
import { GoStruct, isTrue, kindOf, mapKeys, member, typeName } from "./values.ts";

/** A compiled set of templates. */
export interface Program {
  /** Executes the main template. Throws `TemplateError`. */
  run(data: unknown): string;
}

export interface ProgramSource {
  readonly name: string;
  readonly source: string;
  readonly trees: ReadonlyMap<string, readonly TemplateNode[]>;
  readonly functions: TemplateFunctions;
}

export function compileProgram(input: ProgramSource): Program {
  return new Compiler(input).program();
}

/** One execution. */
interface Frame {
  out: string;
  steps: number;
  depth: number;
  /** Variables by slot; slot 0 is `$`. Replaced while another template is called. */
  variables: unknown[];
}

type Flow = "next" | "break" | "continue";
type Step = (frame: Frame, dot: unknown) => Flow;
type Evaluate = (frame: Frame, dot: unknown) => unknown;
/** Evaluates a command; `final` is the value piped in, or `NONE`. */
type EvaluateCommand = (frame: Frame, dot: unknown, final: unknown) => unknown;

const NONE: unique symbol = Symbol("no value piped in");

class Compiler {
  readonly #input: ProgramSource;
  readonly #bodies = new Map<string, Step>();
  #executing: string;

  constructor(input: ProgramSource) {
    this.#input = input;
    this.#executing = input.name;
  }

  program(): Program {
    for (const [name, nodes] of this.#input.trees) {
      this.#executing = name;
      this.#bodies.set(name, this.#list(nodes));
    }
    const main = this.#bodies.get(this.#input.name) ?? (() => "next" as const);
    return {
      run(data) {
        const frame: Frame = { out: "", steps: 0, depth: 0, variables: [data] };
        main(frame, data);
        return frame.out;
      },
    };
  }

  #list(nodes: readonly TemplateNode[]): Step {
    const steps = nodes.map((node) => this.#node(node));
    return (frame, dot) => {
      for (const step of steps) {
        const flow = step(frame, dot);
        if (flow !== "next") return flow;
      }
      return "next";
    };
  }

  #node(node: TemplateNode): Step {
    switch (node.kind) {
      case "text":
        return (frame) => {
          frame.out += node.text;
          return "next";
        };
      case "action":
        return this.#action(node);
      case "if":
      case "with":
        return this.#choice(node);
      case "range":
        return this.#range(node);
      case "template":
        return this.#call(node.name, node.pipe, node.at);
      case "break":
        return () => "break";
      case "continue":
        return () => "continue";
    }
  }

  #action(node: ActionNode): Step {
    const evaluate = this.#pipe(node.pipe);
    const fail = this.#failure(node.at, () => describePipe(node.pipe));
    if (node.pipe.variables.length > 0) {
      return (frame, dot) => {
        this.#spend(frame, fail);
        evaluate(frame, dot);
        return "next";
      };
    }
    return (frame, dot) => {
      this.#spend(frame, fail);
      let value = evaluate(frame, dot);
      try {
        for (const escaper of node.escapers) value = escaper(value);
        frame.out += typeof value === "string" ? value : printed(value);
      } catch (error) {
        throw asFailure(error, fail);
      }
      if (frame.out.length > TEMPLATE_OUTPUT_MAX) throw fail("output is too long");
      return "next";
    };
  }

  /** Counts one step against the bound. */
  #spend(frame: Frame, fail: Fail): void {
    if (++frame.steps > TEMPLATE_STEPS_MAX) throw fail("template runs too long");
    if (frame.out.length > TEMPLATE_OUTPUT_MAX) throw fail("output is too long");
  }

  #choice(node: BranchNode): Step {
    const evaluate = this.#pipe(node.pipe);
    const body = this.#list(node.body);
    const otherwise = this.#list(node.otherwise);
    const changesDot = node.kind === "with";
    return (frame, dot) => {
      const value = evaluate(frame, dot);
      if (!isTrue(value)) return otherwise(frame, dot);
      return body(frame, changesDot ? value : dot);
    };
  }

  #range(node: BranchNode): Step {
    const evaluate = this.#pipe({ ...node.pipe, variables: [] });
    const body = this.#list(node.body);
    const otherwise = this.#list(node.otherwise);
    const fail = this.#failure(node.pipe.at, () => describePipe(node.pipe));
    const slots = node.pipe.variables.map((variable) => variable.slot);
    return (frame, dot) => {
      const pairs = elements(evaluate(frame, dot), fail);
      let ran = false;
      for (const [key, value] of pairs) {
        ran = true;
        this.#spend(frame, fail);
        const [first, second] = slots;
        if (first !== undefined) frame.variables[first] = second === undefined ? value : key;
        if (second !== undefined) frame.variables[second] = value;
        if (body(frame, value) === "break") break;
      }
      return ran ? "next" : otherwise(frame, dot);
    };
  }

  #call(name: string, pipe: Pipe | undefined, at: number): Step {
    const evaluate = pipe === undefined ? undefined : this.#pipe(pipe);
    const fail = this.#failure(at, () => `{{template ${quoteGo(name)}}}`);
    return (frame, dot) => {
      const body = this.#bodies.get(name);
      if (body === undefined) throw fail(`template ${quoteGo(name)} not defined`);
      if (frame.depth >= TEMPLATE_CALL_DEPTH_MAX) {
        throw fail(`exceeded maximum template depth (${TEMPLATE_CALL_DEPTH_MAX})`);
      }
      this.#spend(frame, fail);
      const data = evaluate?.(frame, dot);
      const variables = frame.variables;
      frame.variables = [data];
      frame.depth++;
      body(frame, data);
      frame.depth--;
      frame.variables = variables;
      return "next";
    };
  }

  #pipe(pipe: Pipe): Evaluate {
    const commands = pipe.commands.map((command) => this.#command(command));
    const slots = pipe.variables.map((variable) => variable.slot);
    const [only] = commands;
    if (commands.length === 1 && only !== undefined && slots.length === 0) {
      return (frame, dot) => only(frame, dot, NONE);
    }
    return (frame, dot) => {
      let value: unknown = NONE;
      for (const command of commands) value = command(frame, dot, value);
      for (const slot of slots) frame.variables[slot] = value;
      return value;
    };
  }

  #command(command: Command): EvaluateCommand {
    const [first, ...rest] = command.operands;
    if (first === undefined) return () => undefined;
    const args = rest.map((operand) => this.#operand(operand));
    if (first.kind === "function") return this.#functionCall(first.name, args, command);
    if (first.kind === "field" || first.kind === "variable" || first.kind === "chain") {
      return this.#path(first, args);
    }
    const evaluate = this.#operand(first);
    const fail = this.#failure(first.at, () => describeOperand(first));
    return (frame, dot, final) => {
      if (args.length > 0 || final !== NONE) {
        throw fail(`can't give argument to non-function ${describeOperand(first)}`);
      }
      return evaluate(frame, dot);
    };
  }

  #operand(operand: Operand): Evaluate {
    switch (operand.kind) {
      case "dot":
        return (_frame, dot) => dot;
      case "nil":
        return () => null;
      case "bool":
      case "string":
      case "number": {
        const { value } = operand;
        return () => value;
      }
      case "pipe":
        return this.#pipe(operand.pipe);
      case "function": {
        const call = this.#functionCall(operand.name, [], { operands: [operand], at: operand.at });
        return (frame, dot) => call(frame, dot, NONE);
      }
      case "field":
      case "variable":
      case "chain": {
        const path = this.#path(operand, []);
        return (frame, dot) => path(frame, dot, NONE);
      }
    }
  }

  /** Field by field; arguments go to the last one, which must then be a method. */
  #path(operand: Operand & { readonly names: readonly string[] }, args: readonly Evaluate[]) {
    const fail = this.#failure(operand.at, () => describeOperand(operand));
    const { names } = operand;
    const base: Evaluate =
      operand.kind === "variable"
        ? (frame) => frame.variables[operand.slot]
        : operand.kind === "chain"
          ? this.#operand(operand.of)
          : (_frame, dot) => dot;
    if (names.length === 1 && args.length === 0) {
      const [name = ""] = names;
      return ((frame, dot, final) => {
        const of = base(frame, dot);
        return final === NONE ? field(of, name, [], fail) : field(of, name, [final], fail);
      }) satisfies EvaluateCommand;
    }
    return ((frame, dot, final) => {
      let value = base(frame, dot);
      const given = args.map((arg) => arg(frame, dot));
      if (final !== NONE) given.push(final);
      if (names.length === 0 && given.length > 0) {
        throw fail(`can't give argument to non-function ${describeOperand(operand)}`);
      }
      names.forEach((name, i) => {
        value = field(value, name, i === names.length - 1 ? given : [], fail);
      });
      return value;
    }) satisfies EvaluateCommand;
  }

  #functionCall(name: string, args: readonly Evaluate[], command: Command): EvaluateCommand {
    const fail = this.#failure(command.at, () => describeCommand(command));
    const called = this.#input.functions[name];
    if (called === undefined) {
      return () => {
        throw fail(`${quoteGo(name)} is not a defined function`);
      };
    }
    const early = name === "and" ? false : name === "or" ? true : undefined;
    return (frame, dot, final) => {
      const count = args.length + (final === NONE ? 0 : 1);
      if (count < called.min || count > called.max) throw fail(wrongCount(name, called, count));
      const given: unknown[] = [];
      for (const arg of args) {
        const value = arg(frame, dot);
        if (early !== undefined && isTrue(value) === early) return value;
        given.push(value);
      }
      if (final !== NONE) given.push(final);
      try {
        return early === undefined ? called.call(given) : given[given.length - 1];
      } catch (error) {
        throw asFailure(error, (text) => fail(`error calling ${name}: ${text}`));
      }
    };
  }

  #failure(at: number, describe: () => string): Fail {
    const { name, source } = this.#input;
    const executing = this.#executing;
    return (text) => {
      const { line, column } = positionOf(source, at);
      const chars = [...describe()];
      const context = chars.length > 20 ? `${chars.slice(0, 20).join("")}...` : chars.join("");
      return new TemplateError(
        `template: ${name}:${line}:${column}: executing ${quoteGo(executing)} at <${context}>: ${text}`,
        line,
        column,
      );
    };
  }
}

type Fail = (text: string) => TemplateError;

function asFailure(error: unknown, fail: Fail): unknown {
  return error instanceof ValueError ? fail(error.message) : error;
}

/** What an action prints: nil is `<no value>`. */
function printed(value: unknown): string {
  return value === null || value === undefined ? "<no value>" : display(value);
}

function wrongCount(
  name: string,
  called: { readonly min: number; readonly max: number },
  count: number,
): string {
  const want = called.max === called.min ? String(called.min) : `at least ${called.min}`;
  return `wrong number of args for ${name}: want ${want} got ${count}`;
}

/** One `.name` on a value, with arguments when it is a method. */
function field(of: unknown, name: string, args: readonly unknown[], fail: Fail): unknown {
  if (of instanceof GoStruct) {
    if (!Object.hasOwn(of.fields, name)) {
      throw fail(`can't evaluate field ${name} in type ${of.goType}`);
    }
    if (args.length > 0) throw fail(`${name} has arguments but cannot be invoked as function`);
    return of.fields[name];
  }
  const method = methodOf(of, name);
  if (method !== undefined) {
    if (args.length !== method.parameters) {
      throw fail(`wrong number of args for ${name}: want ${method.parameters} got ${args.length}`);
    }
    try {
      return method.call(args);
    } catch (error) {
      throw asFailure(error, fail);
    }
  }
  const v = kindOf(of);
  if (v.kind === "map") {
    if (args.length > 0) throw fail(`${name} is not a method but has arguments`);
    return member(v.value, name);
  }
  // What a missing key gave has no fields either, and prints `<no value>`; a stored nil is a mistake.
  if (of === undefined) return undefined;
  if (v.kind === "nil") throw fail(`nil pointer evaluating interface {}.${name}`);
  throw fail(`can't evaluate field ${name} in type ${typeName(of)}`);
}

/** Keys and values of what `range` goes over: maps in key order, lists, and integers up to n. */
function* elements(value: unknown, fail: Fail): Generator<readonly [unknown, unknown]> {
  const v = kindOf(value);
  switch (v.kind) {
    case "nil":
      return;
    case "slice":
      for (let i = 0; i < v.value.length; i++) yield [i, v.value[i]];
      return;
    case "map":
      for (const key of mapKeys(v.value)) yield [key, v.value[key]];
      return;
    case "int":
      for (let i = 0; i < Number(v.value); i++) yield [i, i];
      return;
    default:
      throw fail(`range can't iterate over ${display(value)}`);
  }
}
