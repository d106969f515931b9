/**
 * Whether a script is a stream or a batch task: told by the roots of its chains.
 *
 * Every chain that stands alone or is given to a var, and starts at `stream` or `batch`, must agree.
 */

import type { Expression, Program } from "./ast.ts";
import type { TaskType } from "./environment.ts";

/** `undefined` when the script uses neither source or both. */
export function inferTypeOf(program: Program): TaskType | undefined {
  const found = new Set<TaskType>();
  for (const statement of program.statements) {
    if (statement.kind === "typedVar" || statement.kind === "dbrp") continue;
    const root = rootOf(statement.kind === "var" ? statement.value : statement);
    if (root === "stream" || root === "batch") found.add(root);
  }
  const [only] = found;
  return found.size === 1 ? only : undefined;
}

/** The identifier at which a chain starts. */
function rootOf(expression: Expression): string | undefined {
  if (expression.kind !== "chain") return undefined;
  let node: Expression = expression;
  while (node.kind === "chain") node = node.left;
  return node.kind === "identifier" ? node.name : undefined;
}
