/**
 * Removes fields and tags. A deleted tag is no longer grouped by. A point may end without any field.
 */

import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { type FieldValue, internShape, type Shape } from "#model/shape.ts";
import { argument, Calls } from "../calls.ts";
import { type Counter, defineNode, type NodeContext, QUIET } from "../node.ts";
import { method } from "../properties.ts";
import { type Regrouped, Regrouping } from "../regrouping.ts";
import { withoutTags } from "../series-edit.ts";
import { SeriesMemo } from "../series-memo.ts";

interface Options {
  readonly fields: readonly string[];
  readonly tags: readonly string[];
}

export const deleteNode = defineNode<Options>({
  method: "delete",
  goType: "*pipeline.DeleteNode",
  wants: "either",
  provides: "same",
  doc: "Removes fields and tags.",
  properties: [
    method("field", ["string"], "A field to remove."),
    method("tag", ["string"], "A tag to remove."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const names = (property: string) =>
      calls.all(property).map((args) => argument(args, 0, "string").value);
    return { fields: names("field"), tags: names("tag") };
  },

  needs: (_options, below) => below,
  start: (options, context) => new Delete(options, context),
});

class Delete extends Regrouping {
  readonly #options: Options;
  readonly #series: SeriesMemo<Series>;
  readonly #fieldsDeleted: Counter;
  readonly #tagsDeleted: Counter;
  #from: Shape | undefined;
  #to: Shape | undefined;
  #kept: readonly number[] = [];

  constructor(options: Options, context: NodeContext) {
    super(context);
    this.#options = options;
    this.#series = new SeriesMemo(context.seriesSlot());
    this.#fieldsDeleted = context.counter("fields_deleted");
    this.#tagsDeleted = context.counter("tags_deleted");
  }

  override point(group: Group, point: Point): void {
    this.out.point(this.groupOf(group), this.#stripped(point));
  }

  override batchPoint(group: Group, point: Point): void {
    this.out.batchPoint(this.groupOf(group), this.#stripped(point));
  }

  protected override regroup(group: Group): Regrouped | undefined {
    const { dimensions, tagValues } = group;
    const { tags } = this.#options;
    if (!dimensions.tagNames.some((key) => tags.includes(key))) return undefined;
    const keep = dimensions.tagNames.map((key) => !tags.includes(key));
    return {
      dimensions: {
        byName: dimensions.byName,
        tagNames: dimensions.tagNames.filter((_, i) => keep[i]),
      },
      tagValues: tagValues.filter((_, i) => keep[i]),
    };
  }

  #stripped(point: Point): Point {
    if (point.shape !== this.#from) this.#learn(point.shape);
    const series = this.#seriesOf(point.series);
    const shape = this.#to ?? point.shape;
    if (series === point.series && shape === point.shape) return point;
    let { values } = point;
    if (shape !== point.shape) {
      this.#fieldsDeleted.value += point.shape.names.length - shape.names.length;
      values = this.#kept.map((slot) => point.values[slot] as FieldValue);
    }
    return new Point(series, shape, values, point.timeMs, point.timeNs);
  }

  #seriesOf(series: Series): Series {
    const { tags } = this.#options;
    if (tags.length === 0) return series;
    const known =
      this.#series.get(series) ??
      this.#series.set(
        series,
        series.tagKeys.some((key) => tags.includes(key)) ? withoutTags(series, tags) : series,
      );
    this.#tagsDeleted.value += series.tagKeys.length - known.tagKeys.length;
    return known;
  }

  #learn(shape: Shape): void {
    const { fields } = this.#options;
    this.#from = shape;
    this.#kept = shape.names
      .map((_, slot) => slot)
      .filter((slot) => !fields.includes(shape.names[slot] as string));
    this.#to =
      this.#kept.length === shape.names.length
        ? shape
        : internShape(
            this.#kept.map((slot) => shape.names[slot] as string),
            this.#kept.flatMap((slot) => shape.types[slot] ?? []),
          );
  }
}
