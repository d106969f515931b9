/**
 * Finds the type of an expression for given types of its references, or the exact complaint about it.
 *
 * Arithmetic and calls are checked with everything below them. Comparisons, AND/OR and `!` are always boolean:
 * their operands are checked only when they are evaluated, so a short-circuited operand is never looked at.
 * `operandTypes` and friends are those later checks; interpreter and compiler call them at the same places.
 */

import { errorMessage } from "#lib/errors.ts";
import type { Binary, Call, Expression, Unary } from "../ast.ts";
import {
  acceptsMissing,
  type FunctionSpec,
  findSignature,
  type Signature,
} from "../functions/spec.ts";
import {
  acceptsLeft,
  binaryProblem,
  binaryType,
  familyOf,
  missingOperand,
  operatorProblem,
  wrongType,
} from "./operators.ts";
import {
  argumentProblem,
  badSignature,
  missingArguments,
  missingUnder,
  missingValue,
  undefinedFunction,
  unusableNode,
} from "./problems.ts";
import { LambdaError, type LambdaType } from "./value.ts";

export interface TypingScope {
  typeOf(name: string): LambdaType;
}

export class Typing {
  readonly #scope: TypingScope;
  readonly #functions: ReadonlyMap<string, FunctionSpec>;
  /** Every name that the whole expression references, for error texts. */
  readonly #references: readonly string[];

  constructor(
    scope: TypingScope,
    functions: ReadonlyMap<string, FunctionSpec>,
    references: readonly string[],
  ) {
    this.#scope = scope;
    this.#functions = functions;
    this.#references = references;
  }

  /** The type of the whole expression; a missing value is an error here. */
  checkRoot(node: Expression): LambdaType {
    const type = this.check(node);
    if (type === "missing") throw new LambdaError(missingValue(nameOf(node)));
    return type;
  }

  /** The type of an expression. Throws when a part that is always evaluated with it cannot work. */
  check(node: Expression): LambdaType {
    switch (node.kind) {
      case "bool":
        return "boolean";
      case "int":
      case "float":
      case "duration":
      case "string":
      case "regex":
        return node.kind;
      case "reference":
        return this.#scope.typeOf(node.name);
      case "lambda":
        return this.check(node.body);
      case "unary":
        return this.#checkUnary(node);
      case "binary":
        return familyOf(node.operator) === "math" ? this.checkOperands(node) : "boolean";
      case "call":
        return this.signatureOf(node).result;
      default:
        throw new LambdaError(unusableNode(node.kind));
    }
  }

  #checkUnary(node: Unary): LambdaType {
    if (node.operator === "!") return "boolean";
    const type = this.#checkPresent(node.operand);
    if (type === "int" || type === "float" || type === "duration") return type;
    throw new LambdaError(wrongType("invalid type", type));
  }

  #checkPresent(node: Expression): LambdaType {
    const type = this.check(node);
    if (type === "missing") throw new LambdaError(missingUnder(nameOf(node)));
    return type;
  }

  /** What `!` demands of its operand when it is evaluated. */
  checkNegated(node: Unary): void {
    const type = this.#checkPresent(node.operand);
    if (type !== "boolean") throw new LambdaError(wrongType(type, "boolean"));
  }

  /** The result type of arithmetic or a comparison, both operands checked. */
  checkOperands(node: Binary): LambdaType {
    return checkPair(node, this.check(node.left), this.check(node.right));
  }

  /** What AND and OR demand of their left side. */
  checkLeft(node: Binary): void {
    const left = this.check(node.left);
    if (left === "missing") throw new LambdaError(missingOperand("left", nameOf(node.left)));
    if (!acceptsLeft(node.operator, left)) {
      throw new LambdaError(operatorProblem(node.operator, left));
    }
  }

  /** What AND and OR demand of their right side, once the left one did not decide. */
  checkRight(node: Binary): void {
    checkPair(node, "boolean", this.check(node.right));
  }

  /** The signature that a call uses. */
  signatureOf(node: Call): Signature {
    const spec = this.#functions.get(node.name);
    if (spec === undefined) throw new LambdaError(undefinedFunction(node.name));
    const types = node.args.map((arg, i) => this.#checkArgument(arg, i));
    const signature = findSignature(spec, types);
    if (signature !== undefined) return signature;
    throw new LambdaError(this.#callProblem(node, spec, types));
  }

  #checkArgument(node: Expression, index: number): LambdaType {
    try {
      return this.check(node);
    } catch (error) {
      throw new LambdaError(argumentProblem(index, errorMessage(error)));
    }
  }

  #callProblem(node: Call, spec: FunctionSpec, types: readonly LambdaType[]): string {
    const missing = node.args.filter((_, i) => types[i] === "missing" && !acceptsMissing(spec, i));
    if (missing.length === 0) return badSignature(node, spec, types);
    const present = this.#references.filter((name) => this.#scope.typeOf(name) !== "missing");
    return missingArguments(node.name, missing.map(nameOf), present);
  }
}

function checkPair(node: Binary, left: LambdaType, right: LambdaType): LambdaType {
  if (left === "missing") throw new LambdaError(missingOperand("left", nameOf(node.left)));
  if (right === "missing") throw new LambdaError(missingOperand("right", nameOf(node.right)));
  const type = binaryType(node.operator, left, right);
  if (type === undefined) throw new LambdaError(binaryProblem(node.operator, left, right));
  return type;
}

/** The name of an expression whose value is missing; only references can be. */
function nameOf(node: Expression): string {
  let inner = node;
  while (inner.kind === "lambda") inner = inner.body;
  return inner.kind === "reference" ? inner.name : "";
}

/**
 * A bad combination of types that is certain before any point is seen, because constants and operators alone
 * decide it; `undefined` when there is none. Such a lambda is refused when its task is enabled.
 */
export function certainProblem(root: Expression): string | undefined {
  const visit = (node: Expression): string | undefined => {
    switch (node.kind) {
      case "unary":
        return visit(node.operand);
      case "lambda":
        return visit(node.body);
      case "call":
        return firstOf(node.args, visit);
      case "binary":
        return visit(node.left) ?? visit(node.right) ?? pairProblem(node);
      default:
        return undefined;
    }
  };
  return visit(root);
}

function firstOf<T>(
  items: readonly T[],
  find: (item: T) => string | undefined,
): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function pairProblem(node: Binary): string | undefined {
  const left = constantType(node.left);
  const right = constantType(node.right);
  if (left === undefined || right === undefined) return undefined;
  if (binaryType(node.operator, left, right) !== undefined) return undefined;
  return binaryProblem(node.operator, left, right);
}

/** The type of an expression when it does not depend on any reference or function. */
function constantType(node: Expression): LambdaType | undefined {
  switch (node.kind) {
    case "bool":
      return "boolean";
    case "int":
    case "float":
    case "duration":
    case "string":
    case "regex":
      return node.kind;
    case "lambda":
      return constantType(node.body);
    case "unary":
      return node.operator === "!" ? "boolean" : constantType(node.operand);
    case "binary": {
      if (familyOf(node.operator) !== "math") return "boolean";
      const left = constantType(node.left);
      const right = constantType(node.right);
      if (left === undefined || right === undefined) return undefined;
      return binaryType(node.operator, left, right);
    }
    default:
      return undefined;
  }
}
