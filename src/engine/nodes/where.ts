/**
 * Passes on points for which a lambda holds. A point that the lambda cannot judge is dropped and counted.
 * Batches pass also when nothing is left in them.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { Expression } from "#tick/ast.ts";
import { argument } from "../calls.ts";
import { withReferences } from "../field-needs.ts";
import { GroupLambda } from "../group-lambdas.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { Forwarding, sendRun } from "../receiver.ts";

export const where = defineNode<Expression>({
  method: "where",
  goType: "*pipeline.WhereNode",
  wants: "either",
  provides: "same",
  params: ["lambda"],
  doc: "Passes on points for which the expression holds.",
  properties: [QUIET],
  options: ({ args }) => argument(args, 0, "lambda").value,
  needs: (expression, below) => withReferences(below, [expression]),
  start: (expression, context) => new Where(expression, context),
});

class Where extends Forwarding {
  readonly #context: NodeContext;
  readonly #predicate: GroupLambda;
  readonly #failed = (error: unknown): void =>
    this.#context.error("error while evaluating expression", error);

  constructor(expression: Expression, context: NodeContext) {
    super(context.out);
    this.#context = context;
    this.#predicate = new GroupLambda(expression, context);
  }

  override point(group: Group, point: Point): void {
    if (this.#holds(group, point)) this.out.point(group, point);
  }

  override points(groups: Group[], points: Point[], count: number): void {
    const kept = this.#predicate.keep(groups, points, count, this.#failed);
    if (kept > 0) this.out.points(groups, points, kept);
  }

  override run(group: Group, points: readonly Point[], count: number): void {
    const kept = this.#predicate.kept(group, points, count, this.#failed);
    if (kept.count > 0) sendRun(this.out, group, kept.points, kept.count);
  }

  override batchPoint(group: Group, point: Point): void {
    if (this.#holds(group, point)) this.out.batchPoint(group, point);
  }

  override deleteGroup(group: Group): void {
    if (this.#predicate.delete(group)) this.out.deleteGroup(group);
  }

  #holds(group: Group, point: Point): boolean {
    try {
      return this.#predicate.test(group, point);
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }
}
