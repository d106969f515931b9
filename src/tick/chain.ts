/**
 * Performs the links of chains: `|method()` makes a node, `.property()` is recorded on one, `.name` reads
 * a plain property back, `@udf()` makes a node of a dynamic type.
 */

import { errorMessage } from "#lib/errors.ts";
import { assignmentProblem, methodProblem } from "./arguments.ts";
import type { Call, ChainOperator, Identifier, Reference } from "./ast.ts";
import { TickError } from "./diagnostic.ts";
import type {
  NodeDefinition,
  NodeType,
  Position,
  PropertyCall,
  PropertySpec,
  TickEnvironment,
  TickValue,
} from "./environment.ts";
import { formatExpression } from "./format.ts";
import type { Graph } from "./graph.ts";
import {
  type FoundProperty,
  findChainMethod,
  findDynamic,
  findProperty,
  isObject,
  nodeOf,
  specOf,
  type Target,
  unknownMember,
} from "./members.ts";
import type { OpenedObject } from "./scope.ts";
import { goTypeOf, zeroValue } from "./values.ts";

/** What a chain may stand on before it is known to be a node. */
export type ChainLeft = TickValue | OpenedObject | Reference;

/** An argument; a bare reference is always a mistake, with its own complaint. */
export type Argument = TickValue | Reference;

export class ChainEvaluator {
  readonly #script: string;
  readonly #environment: TickEnvironment;
  readonly #graph: Graph;

  constructor(script: string, environment: TickEnvironment, graph: Graph) {
    this.#script = script;
    this.#environment = environment;
    this.#graph = graph;
  }

  /** `left.name` */
  read(left: ChainLeft, { name, position }: Identifier): TickValue {
    const target = targetOf(left);
    const found = target === undefined ? undefined : findProperty(target, name);
    if (found?.spec.assignable === true) return currentValue(found);
    return this.#fail(`object ${typeText(left)} has no property ${name}`, position);
  }

  /** `left|name(args)`, `left.name(args)`, `left@name(args)` */
  call(
    left: ChainLeft,
    operator: ChainOperator,
    call: Call,
    args: readonly Argument[],
  ): TickValue | OpenedObject {
    const target = targetOf(left);
    if (target === undefined) {
      const text = `no method or property "${call.name}" on ${typeText(left)}`;
      return this.#failAt(text, call.position);
    }
    const result =
      operator === "."
        ? this.#property(target, call, args)
        : this.#method(target, operator, call, args);
    if (result !== undefined) return result;
    const { message, hint } = unknownMember(this.#environment, target, operator, call.name);
    return this.#failAt(message, call.position, hint);
  }

  #method(
    target: Target,
    operator: ChainOperator,
    call: Call,
    args: readonly Argument[],
  ): TickValue | undefined {
    const parent = nodeOf(target);
    const type =
      operator === "@"
        ? findDynamic(this.#environment, call.name)
        : findChainMethod(this.#environment, parent.type, call.name);
    if (type === undefined) return undefined;
    const values = this.#checked(target, call, args, methodProblem.bind(undefined, type));
    return { kind: "node", value: this.#add(target, type, parent, values, call) };
  }

  #add(
    target: Target,
    type: NodeType,
    parent: NodeDefinition,
    args: readonly TickValue[],
    call: Call,
  ): NodeDefinition {
    try {
      return this.#graph.add(type, parent, args, call.position);
    } catch (error) {
      return this.#failCall(target, call, errorMessage(error));
    }
  }

  #property(
    target: Target,
    call: Call,
    args: readonly Argument[],
  ): TickValue | OpenedObject | undefined {
    const found = findProperty(target, call.name);
    if (found === undefined) return undefined;
    const { spec, owner } = found;
    const assignable = spec.assignable === true;
    const values = assignable
      ? this.#assigned(target, call, args, spec)
      : this.#checked(target, call, args, methodProblem.bind(undefined, spec));
    const made: PropertyCall = {
      name: spec.name,
      args: values,
      calls: [],
      position: call.position,
    };
    (isObject(owner) ? owner.call.calls : owner.calls).push(made);
    if (spec.opens !== undefined) {
      const on = isObject(owner) ? owner : undefined;
      return { kind: "object", spec: spec.opens, call: made, on, node: nodeOf(owner) };
    }
    // Setting a property gives the object back; a method gives back what it belongs to.
    return asValue(assignable ? target : owner);
  }

  #assigned(
    target: Target,
    call: Call,
    args: readonly Argument[],
    spec: PropertySpec,
  ): readonly TickValue[] {
    if (args.length !== 1) {
      const field = spec.name.charAt(0).toUpperCase() + spec.name.slice(1);
      const text = `too many arguments to set property ${field} on ${specOf(target).goType}`;
      return this.#fail(text, call.position);
    }
    const wanted = spec.params[0] ?? "any";
    return this.#checked(target, call, args, ([arg]) =>
      arg === undefined ? undefined : assignmentProblem(wanted, arg),
    );
  }

  /** The arguments, when they are what the call takes. */
  #checked(
    target: Target,
    call: Call,
    args: readonly Argument[],
    problemOf: (values: readonly TickValue[]) => string | undefined,
  ): readonly TickValue[] {
    const values: TickValue[] = [];
    for (const arg of args) {
      if (arg.kind === "reference") return this.#failReference(call, arg);
      values.push(arg);
    }
    const problem = problemOf(values);
    return problem === undefined ? values : this.#failCall(target, call, problem);
  }

  #failReference(call: Call, reference: Reference): never {
    const text =
      "cannot assign *ast.ReferenceNode to type string, " +
      "did you use double quotes instead of single quotes?";
    const single = formatExpression({
      kind: "string",
      value: reference.name,
      triple: false,
      position: reference.position,
    });
    return this.#failAt(text, call.position, `write ${single} for a string`);
  }

  #failCall(target: Target, call: Call, problem: string): never {
    const { goType } = specOf(target);
    const text = `error calling func "${call.name}" on obj ${goType}: ${problem}`;
    return this.#failAt(text, call.position);
  }

  /** Fails with the position as part of the text. */
  #failAt(message: string, position: Position, hint?: string): never {
    return this.#fail(`line ${position.line} char ${position.char}: ${message}`, position, hint);
  }

  #fail(message: string, position: Position, hint?: string): never {
    throw new TickError(message, { script: this.#script, position, hint });
  }
}

function targetOf(left: ChainLeft): Target | undefined {
  if (left.kind === "object") return left;
  return left.kind === "node" ? left.value : undefined;
}

function typeText(left: ChainLeft): string {
  if (left.kind === "object") return left.spec.goType;
  return left.kind === "reference" ? "*ast.ReferenceNode" : goTypeOf(left);
}

function asValue(target: Target): TickValue | OpenedObject {
  return isObject(target) ? target : { kind: "node", value: target };
}

/** What was last assigned, else the zero value of the property's type. */
function currentValue({ spec, owner }: FoundProperty): TickValue {
  const calls = isObject(owner) ? owner.call.calls : owner.calls;
  const last = calls.findLast((call) => call.name === spec.name)?.args[0];
  if (last !== undefined) return last;
  const type = spec.params[0] ?? "any";
  return zeroValue(type === "any" || type === "node" ? "string" : type);
}
