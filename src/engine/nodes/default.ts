/**
 * Fills in fields and tags that points lack: a field when it is absent or null, a tag when it is absent.
 *
 * On batches the tags become group tags too, which regroups the batch (`h=a` becomes `h=a,zz=1`).
 */

import { compareBytes } from "#lib/json.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";
import { argument, Calls, goTypeOf } from "../calls.ts";
import { type Counter, defineNode, type NodeContext, QUIET } from "../node.ts";
import { method } from "../properties.ts";
import { type Regrouped, Regrouping } from "../regrouping.ts";
import { withTags } from "../series-edit.ts";
import { SeriesMemo } from "../series-memo.ts";

interface DefaultField {
  readonly name: string;
  readonly type: FieldType;
  readonly value: FieldValue;
}

interface Options {
  readonly fields: readonly DefaultField[];
  readonly tags: Readonly<Record<string, string>>;
}

export const defaultNode = defineNode<Options>({
  method: "default",
  goType: "*pipeline.DefaultNode",
  wants: "either",
  provides: "same",
  doc: "Sets fields and tags where they are missing.",
  properties: [
    method("field", ["string", "any"], "Value of a field that is missing or null."),
    method("tag", ["string", "string"], "Value of a tag that is missing."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const fields = new Map<string, DefaultField>();
    for (const args of calls.all("field")) {
      const name = argument(args, 0, "string").value;
      const given = args[1];
      switch (given?.kind) {
        case "int":
        case "float":
        case "string":
          fields.set(name, { name, type: given.kind, value: given.value });
          break;
        case "bool":
          fields.set(name, { name, type: "boolean", value: given.value });
          break;
        default: {
          const type = given === undefined ? "nil" : goTypeOf(given);
          throw new Error(
            `unsupported type ${type} for field "${name}", field default values must be float,int,string or bool`,
          );
        }
      }
    }
    const tags: Record<string, string> = {};
    for (const args of calls.all("tag")) {
      tags[argument(args, 0, "string").value] = argument(args, 1, "string").value;
    }
    return { fields: [...fields.values()], tags };
  },

  needs: (_options, below) => below,
  start: (options, context) => new Default(options, context),
});

/** What filling in means for one shape: the new shape and the fields to add or overwrite when null. */
interface Plan {
  readonly shape: Shape;
  readonly nullable: readonly (readonly [slot: number, value: FieldValue])[];
  readonly added: readonly FieldValue[];
}

class Default extends Regrouping {
  readonly #options: Options;
  readonly #tagKeys: readonly string[];
  readonly #isBatch: boolean;
  readonly #series: SeriesMemo<{ readonly series: Series; readonly set: number }>;
  readonly #fieldsDefaulted: Counter;
  readonly #tagsDefaulted: Counter;
  #shape: Shape | undefined;
  #plan: Plan | undefined;

  constructor(options: Options, context: NodeContext) {
    super(context);
    this.#options = options;
    this.#tagKeys = Object.keys(options.tags);
    this.#isBatch = context.input === "batch";
    this.#series = new SeriesMemo(context.seriesSlot());
    this.#fieldsDefaulted = context.counter("fields_defaulted");
    this.#tagsDefaulted = context.counter("tags_defaulted");
  }

  override point(group: Group, point: Point): void {
    this.out.point(this.groupOf(group), this.#filled(point));
  }

  override batchPoint(group: Group, point: Point): void {
    this.out.batchPoint(this.groupOf(group), this.#filled(point));
  }

  protected override regroup(group: Group): Regrouped | undefined {
    const { tags } = this.#options;
    const { dimensions, tagValues } = group;
    const values = new Map(dimensions.tagNames.map((key, i) => [key, tagValues[i] as string]));
    let changed = false;
    for (const key of this.#tagKeys) {
      if (this.#isBatch ? (values.get(key) ?? "") !== "" : values.get(key) !== "") continue;
      values.set(key, tags[key] as string);
      changed = true;
    }
    if (!changed) return undefined;
    const tagNames = this.#isBatch ? [...values.keys()].sort(compareBytes) : dimensions.tagNames;
    return {
      dimensions: { byName: dimensions.byName, tagNames },
      tagValues: tagNames.map((key) => values.get(key) as string),
    };
  }

  #filled(point: Point): Point {
    const series = this.#tagKeys.length === 0 ? point.series : this.#tagged(point.series);
    const values = this.#options.fields.length === 0 ? point.values : this.#values(point);
    if (series === point.series && values === point.values) return point;
    const shape = values === point.values ? point.shape : (this.#plan as Plan).shape;
    return new Point(series, shape, values, point.timeMs, point.timeNs);
  }

  #tagged(series: Series): Series {
    let memo = this.#series.get(series);
    if (memo === undefined) {
      const missing = this.#tagKeys.filter((key) => series.tag(key) === undefined);
      const set = Object.fromEntries(
        missing.map((key) => [key, this.#options.tags[key] as string]),
      );
      memo = this.#series.set(series, {
        series: missing.length === 0 ? series : withTags(series, set),
        set: missing.length,
      });
    }
    this.#tagsDefaulted.value += memo.set;
    return memo.series;
  }

  #values(point: Point): readonly FieldValue[] {
    const plan = this.#planFor(point.shape);
    if (plan.added.length === 0 && plan.nullable.length === 0) return point.values;
    const values = [...point.values, ...plan.added];
    for (const [slot, value] of plan.nullable) values[slot] = value;
    this.#fieldsDefaulted.value += plan.added.length + plan.nullable.length;
    return values;
  }

  #planFor(shape: Shape): Plan {
    if (shape === this.#shape && this.#plan !== undefined) return this.#plan;
    const { fields } = this.#options;
    const types = shape.types.slice();
    const nullable: [number, FieldValue][] = [];
    const added: DefaultField[] = [];
    for (const field of fields) {
      const slot = shape.slot(field.name);
      if (slot < 0) {
        added.push(field);
      } else if (types[slot] === "null") {
        types[slot] = field.type;
        nullable.push([slot, field.value]);
      }
    }
    this.#shape = shape;
    this.#plan = {
      shape: internShape(
        [...shape.names, ...added.map((field) => field.name)],
        [...types, ...added.map((field) => field.type)],
      ),
      nullable,
      added: added.map((field) => field.value),
    };
    return this.#plan;
  }
}
