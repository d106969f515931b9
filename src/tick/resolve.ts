/**
 * Replaces the identifiers of a lambda by the values of vars, once, when the lambda is created.
 *
 * A var that holds a lambda becomes a nested lambda. Every occurrence is a node of its own, because
 * nested lambdas have their own function state. As nesting can double with every step, the number of nodes
 * that one script may produce is bounded.
 */

import type { Expression, Identifier, LambdaExpression } from "./ast.ts";
import { measure } from "./inspect.ts";
import { EXPRESSION_DEPTH_MAX, INLINED_NODES_MAX } from "./limits.ts";

export interface Inlining {
  /** The literal that an identifier stands for. Throws when it has none. */
  literalFor(identifier: Identifier): Expression;
  /** Refuses an expression that has grown out of bounds. */
  fail(message: string, at: Expression): never;
}

export class Resolver {
  readonly #inlining: Inlining;
  #inlined = 0;

  constructor(inlining: Inlining) {
    this.#inlining = inlining;
  }

  /** The expression without identifiers. */
  resolve(root: Expression): Expression {
    const resolved = this.#resolve(root);
    if (resolved !== root && measure(resolved).depth > EXPRESSION_DEPTH_MAX) {
      this.#inlining.fail(`expression nested more than ${EXPRESSION_DEPTH_MAX} levels`, root);
    }
    return resolved;
  }

  #resolve(node: Expression): Expression {
    switch (node.kind) {
      case "identifier":
        return this.#inline(node);
      case "unary":
        return { ...node, operand: this.#resolve(node.operand) };
      case "binary":
        return { ...node, left: this.#resolve(node.left), right: this.#resolve(node.right) };
      case "call":
        return { ...node, args: node.args.map((arg) => this.#resolve(arg)) };
      case "lambda":
        return { ...node, body: this.#resolve(node.body) };
      default:
        return node;
    }
  }

  #inline(identifier: Identifier): Expression {
    const literal = this.#inlining.literalFor(identifier);
    if (literal.kind !== "lambda") return literal;
    this.#inlined += measure(literal, INLINED_NODES_MAX).nodes;
    if (this.#inlined > INLINED_NODES_MAX) {
      const message = `lambda vars expand to more than ${INLINED_NODES_MAX} nodes`;
      this.#inlining.fail(message, identifier);
    }
    return copyLambda(literal);
  }
}

/** A copy with new nested lambda nodes; parts without them are shared. */
function copyLambda(node: LambdaExpression): LambdaExpression {
  return { ...node, body: copied(node.body) };
}

function copied(node: Expression): Expression {
  switch (node.kind) {
    case "lambda":
      return copyLambda(node);
    case "unary": {
      const operand = copied(node.operand);
      return operand === node.operand ? node : { ...node, operand };
    }
    case "binary": {
      const left = copied(node.left);
      const right = copied(node.right);
      return left === node.left && right === node.right ? node : { ...node, left, right };
    }
    case "call": {
      const args = node.args.map(copied);
      return args.every((arg, i) => arg === node.args[i]) ? node : { ...node, args };
    }
    default:
      return node;
  }
}
