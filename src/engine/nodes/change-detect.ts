/**
 * Passes a point on only when a watched field differs from the last point passed on, in value or type.
 *
 * A watched field that the point lacks is an error, counted, and that field is ignored. The first point of a
 * group passes; each batch starts anew.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { FieldValue, Shape } from "#model/shape.ts";
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

/** The point passed on last, and what nearly all comparisons need of it without a way through its list of values. */
class Kept {
  readonly shape: Shape;
  /** Value of the first watched field, where the point has it. */
  readonly first: FieldValue | undefined;
  readonly point: Point;

  constructor(point: Point, slot: number) {
    this.shape = point.shape;
    this.first = slot < 0 ? undefined : point.values[slot];
    this.point = point;
  }
}

class ChangeDetect extends Forwarding {
  readonly #fields: readonly string[];
  readonly #context: NodeContext;
  readonly #kept: GroupState<Kept>;
  /** Of the point before, nearly always that of all points: then its fields need no look-up. */
  #shape: Shape | undefined;
  /** Where `#shape` has the fields; below 0 where it lacks one. */
  #slots: readonly number[] = [];

  constructor(fields: readonly string[], context: NodeContext) {
    super(context.out);
    this.#fields = fields;
    this.#context = context;
    this.#kept = context.groupState({
      save: ({ point }, out) => out.point(point),
      load: (saved, _group, from) => {
        const point = from.point(saved);
        return new Kept(point, point.shape.slot(this.#fields[0] as string));
      },
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
    const { shape, values } = point;
    if (shape !== this.#shape) this.#readShape(shape);
    const slots = this.#slots;
    let changed = false;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number;
      if (slot < 0) this.#missing(this.#fields[i] as string);
      else if (kept === undefined) changed = true;
      else if (kept.shape !== shape) changed ||= differs(kept.point, point, slot);
      else changed ||= (i === 0 ? kept.first : kept.point.values[slot]) !== values[slot];
    }
    if (changed) this.#kept.set(group, new Kept(point, slots[0] as number));
    return changed;
  }

  #readShape(shape: Shape): void {
    this.#shape = shape;
    this.#slots = this.#fields.map((field) => shape.slot(field));
  }

  #missing(field: string): void {
    const error = new Error(`field "${field}" missing`);
    this.#context.error("Invalid field in change detect", error, { field });
  }
}

/** True when the field of `point` at `slot` is another one in a point of another shape, or not there. */
function differs(kept: Point, { shape, values }: Point, slot: number): boolean {
  const at = kept.shape.slot(shape.names[slot] as string);
  return at < 0 || kept.values[at] !== values[slot] || kept.shape.types[at] !== shape.types[slot];
}
