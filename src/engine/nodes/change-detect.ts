/**
 * Passes a point on only when a watched field differs from the last point passed on, in value or type.
 *
 * A watched field that the point lacks is an error, counted, and that field is ignored. The first point of a
 * group passes; each batch starts anew.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { argument, strings } from "../calls.ts";
import { unionOf } from "../field-needs.ts";
import type { GroupState } from "../group-state.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";

export const changeDetect = defineNode<readonly string[]>({
  method: "changeDetect",
  goType: "*pipeline.ChangeDetectNode",
  wants: "either",
  provides: "same",
  params: ["string"],
  rest: "string",
  doc: "Drops points whose watched fields did not change since the last point kept.",
  properties: [QUIET],
  options: ({ args }) => [argument(args, 0, "string").value, ...strings(args.slice(1))],
  needs: (fields, below) => unionOf(below, fields),
  start: (fields, context) => new ChangeDetect(fields, context),
});

class ChangeDetect extends Forwarding {
  readonly #fields: readonly string[];
  readonly #context: NodeContext;
  readonly #kept: GroupState<Point>;

  constructor(fields: readonly string[], context: NodeContext) {
    super(context.out);
    this.#fields = fields;
    this.#context = context;
    this.#kept = context.groupState({
      save: (point, out) => out.point(point),
      load: (saved, _group, from) => from.point(saved),
    });
  }

  override point(group: Group, point: Point): void {
    if (this.#changed(group, point)) this.out.point(group, point);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#kept.delete(group);
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    if (this.#changed(group, point)) this.out.batchPoint(group, point);
  }

  override deleteGroup(group: Group): void {
    this.#kept.delete(group);
    this.out.deleteGroup(group);
  }

  #changed(group: Group, point: Point): boolean {
    const kept = this.#kept.get(group);
    let changed = false;
    for (const field of this.#fields) {
      const slot = point.shape.slot(field);
      if (slot < 0) {
        this.#context.error(
          "Invalid field in change detect",
          new Error(`field "${field}" missing`),
          {
            field,
          },
        );
        continue;
      }
      if (
        kept === undefined ||
        kept.field(field) !== point.values[slot] ||
        kept.fieldType(field) !== point.shape.types[slot]
      ) {
        changed = true;
      }
    }
    if (changed) this.#kept.set(group, point);
    return changed;
  }
}
