/**
 * Evaluates expressions by walking their tree: the reference meaning of lambdas.
 *
 * Compiled code must give the same value or the same error for every expression and scope; a property test
 * holds both against each other. The interpreter itself runs what is not worth compiling: expressions in
 * scripts, match conditions, and lambdas that meet very many different point shapes.
 */

import { errorMessage } from "#lib/errors.ts";
import type { Binary, Call, Expression, LambdaExpression, Unary } from "../ast.ts";
import type { CallContext, FunctionSpec } from "../functions/spec.ts";
import { applyBinary, negate } from "./operations.ts";
import { binaryType, familyOf } from "./operators.ts";
import { argumentProblem, callProblem, unusableNode } from "./problems.ts";
import { compileRegex } from "./regex.ts";
import type { Scope } from "./scope.ts";
import { Typing } from "./typing.ts";
import { LambdaError, type LambdaType, type LambdaValue } from "./value.ts";

/** What an expression is evaluated with, beside the names it references. */
export interface Surroundings {
  readonly functions: ReadonlyMap<string, FunctionSpec>;
  /** For the expression's own calls. */
  readonly context: CallContext;
  /** For the calls of lambdas nested in it; those not listed use `context`. */
  contextOf(nested: LambdaExpression): CallContext;
  /** Every name that the whole expression references, for error texts. */
  readonly references: readonly string[];
}

export interface Evaluated {
  readonly type: LambdaType;
  readonly value: LambdaValue;
}

/** Evaluates an expression. Throws `LambdaError`; a missing result is an error too. */
export function interpret(node: Expression, scope: Scope, around: Surroundings): Evaluated {
  const typing = new Typing(scope, around.functions, around.references);
  const type = typing.checkRoot(node);
  return { type, value: new Walker(scope, typing, around).run(node) };
}

class Walker {
  readonly #scope: Scope;
  readonly #typing: Typing;
  readonly #around: Surroundings;
  #context: CallContext;
  /** Type of the value that `run` returned last. */
  #type: LambdaType = "missing";

  constructor(scope: Scope, typing: Typing, around: Surroundings) {
    this.#scope = scope;
    this.#typing = typing;
    this.#around = around;
    this.#context = around.context;
  }

  /** The value of an expression that has been checked. */
  run(node: Expression): LambdaValue {
    switch (node.kind) {
      case "bool":
        return this.#typed("boolean", node.value);
      case "int":
      case "float":
      case "duration":
      case "string":
        return this.#typed(node.kind, node.value);
      case "regex":
        return this.#typed("regex", compileRegex(node.value));
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
        throw new LambdaError(unusableNode(node.kind));
    }
  }

  #typed(type: LambdaType, value: LambdaValue): LambdaValue {
    this.#type = type;
    return value;
  }

  #reference(name: string): LambdaValue {
    const type = this.#scope.typeOf(name);
    return this.#typed(type, type === "missing" ? null : this.#scope.valueOf(name));
  }

  #nested(node: LambdaExpression): LambdaValue {
    const outer = this.#context;
    this.#context = this.#around.contextOf(node);
    try {
      return this.run(node.body);
    } finally {
      this.#context = outer;
    }
  }

  #unary(node: Unary): LambdaValue {
    if (node.operator === "!") {
      this.#typing.checkNegated(node);
      return this.#typed("boolean", this.run(node.operand) !== true);
    }
    const value = this.run(node.operand);
    return negate(this.#type, value);
  }

  #binary(node: Binary): LambdaValue {
    const { operator } = node;
    if (operator === "AND" || operator === "OR") return this.#logical(node, operator);
    if (familyOf(operator) === "comparison") this.#typing.checkOperands(node);
    const a = this.run(node.left);
    const left = this.#type;
    const b = this.run(node.right);
    const right = this.#type;
    const value = applyBinary(operator, left, right, a, b);
    return this.#typed(binaryType(operator, left, right) ?? "missing", value);
  }

  #logical(node: Binary, operator: "AND" | "OR"): LambdaValue {
    this.#typing.checkLeft(node);
    const decides = operator === "OR";
    if (this.run(node.left) === decides) return this.#typed("boolean", decides);
    this.#typing.checkRight(node);
    return this.#typed("boolean", this.run(node.right));
  }

  #call(node: Call): LambdaValue {
    const signature = this.#typing.signatureOf(node);
    const values = node.args.map((arg, i) => this.#argument(arg, i));
    try {
      const value =
        signature.kind === "plain"
          ? signature.call(...values)
          : signature.call(this.#context, ...values);
      return this.#typed(signature.result, value);
    } catch (error) {
      throw new LambdaError(callProblem(node.name, errorMessage(error)));
    }
  }

  #argument(node: Expression, index: number): LambdaValue {
    try {
      return this.run(node);
    } catch (error) {
      throw new LambdaError(argumentProblem(index, errorMessage(error)));
    }
  }
}
