/**
 * Questions about syntax trees: how big, which references, the same as another?
 *
 * `measure` uses no recursion, so it may be asked about trees that nothing else may walk.
 */

import type { Expression } from "./ast.ts";

/** The expressions directly below one, in source order. */
export function children(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case "unary":
      return [node.operand];
    case "binary":
      return [node.left, node.right];
    case "call":
      return node.args;
    case "lambda":
      return [node.body];
    case "list":
      return node.items;
    case "chain":
      return [node.left, node.right];
    default:
      return [];
  }
}

/**
 * Size and depth of a tree. Long chains of methods do not count as deep: they are walked in a loop.
 * Counting stops when `nodesMax` is passed (inlined lambdas can repeat each other exponentially).
 */
export function measure(
  root: Expression,
  nodesMax = Number.POSITIVE_INFINITY,
): { readonly nodes: number; readonly depth: number } {
  const stack: Expression[] = [root];
  const depths: number[] = [1];
  let nodes = 0;
  let deepest = 0;
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const depth = depths.pop() ?? 0;
    if (++nodes > nodesMax) break;
    if (depth > deepest) deepest = depth;
    for (const child of children(node)) {
      stack.push(child);
      depths.push(node.kind === "chain" && child === node.left ? depth : depth + 1);
    }
  }
  return { nodes, depth: deepest };
}

/** Names of fields and tags that an expression mentions, each once, in source order. */
export function referencesOf(root: Expression): readonly string[] {
  const names = new Set<string>();
  const visit = (node: Expression): void => {
    if (node.kind === "reference") names.add(node.name);
    else children(node).forEach(visit);
  };
  visit(root);
  return [...names];
}

/**
 * A text that two expressions share exactly when they mean the same and print the same in error texts.
 * Layout and positions do not matter.
 */
export function expressionKey(node: Expression): string {
  switch (node.kind) {
    case "bool":
    case "float":
      return `${node.kind}:${Object.is(node.value, -0) ? "-0" : node.value}`;
    case "int":
      return `int:${node.octal ? "o" : ""}${node.value}`;
    case "duration":
      return `duration:${node.value}:${node.text}`;
    case "string":
      return `${node.triple ? "triple" : "string"}:${JSON.stringify(node.value)}`;
    case "regex":
      return `regex:${JSON.stringify(node.value)}`;
    case "star":
      return "*";
    case "reference":
      return JSON.stringify(node.name);
    case "identifier":
      return `identifier:${node.name}`;
    case "binary": {
      const parens = node.parens ? "()" : "";
      return `${parens}(${expressionKey(node.left)} ${node.operator} ${expressionKey(node.right)})`;
    }
    case "unary":
      return `${node.operator}(${expressionKey(node.operand)})`;
    case "call":
      return `${node.name}(${node.args.map(expressionKey).join(",")})`;
    case "chain":
      return `chain(${expressionKey(node.left)}${node.operator}${expressionKey(node.right)})`;
    case "lambda":
    case "list":
      return `${node.kind}(${children(node).map(expressionKey).join(",")})`;
  }
}
