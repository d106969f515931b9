/**
 * Computes new fields (or tags) from each point.
 *
 * Later expressions see earlier results by name, but a field or tag of the point with that name wins. Kept
 * from the original: when a later expression refers to a result's name and the point has such a field or
 * tag, the emitted value reverts to the point's. An expression that fails drops the point.
 * Source: reference nodes.md §2.
 */

import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";
import type { Expression } from "#tick/ast.ts";
import { Calls, lambdas, strings } from "../calls.ts";
import { EvalScope } from "../eval-scope.ts";
import { withReferences } from "../field-needs.ts";
import type { GroupTable } from "../group-table.ts";
import { DERIVED_SERIES_MAX } from "../limits.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { list } from "../properties.ts";
import { Forwarding } from "../receiver.ts";
import { withTags } from "../series-edit.ts";
import { SeriesMemo } from "../series-memo.ts";

interface Options {
  readonly lambdas: readonly Expression[];
  readonly as: readonly string[];
  readonly tags: readonly string[];
  /** Fields to keep: all, the listed ones, or only the results (`undefined`). */
  readonly keep: readonly string[] | "all" | undefined;
}

export const evalNode = defineNode<Options>({
  method: "eval",
  goType: "*pipeline.EvalNode",
  wants: "either",
  provides: "same",
  rest: "lambda",
  quietErrors: "uncounted",
  doc: "Evaluates expressions on each point.",
  properties: [
    list("as", "string", "Names of the results, one per expression. Required."),
    list("tags", "string", "Results that become tags; they must be strings."),
    list("keep", "string", "Fields to keep besides the results; all when none are named."),
    QUIET,
  ],

  options({ args, calls: made }) {
    const calls = new Calls(made);
    const expressions = lambdas(args);
    const as = strings(calls.last("as") ?? []);
    if (as.length !== expressions.length) {
      throw new Error(
        `must specify same number of expressions and .as() names: got ${as.length} as names, and ${expressions.length} expressions.`,
      );
    }
    const tags = strings(calls.last("tags") ?? []);
    for (const tag of tags) {
      if (as.includes(tag)) continue;
      throw new Error(`invalid tag name "${tag}", name is not present is .as() names`);
    }
    const keep = calls.last("keep");
    return {
      lambdas: expressions,
      as,
      tags,
      keep: keep === undefined ? undefined : keep.length === 0 ? "all" : strings(keep),
    };
  },

  needs({ lambdas: expressions, keep }, below) {
    if (keep === "all") return withReferences(below, expressions);
    return withReferences(new Set(keep ?? []), expressions);
  },

  start: (options, context) => new Eval(options, context),
});

/** How an output field is filled: a slot of the input, or −1 − index of a scope entry. */
interface Plan {
  readonly from: Shape;
  readonly types: readonly (FieldType | undefined)[];
  readonly to: Shape;
  readonly sources: readonly number[];
}

class Eval extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #scope: EvalScope;
  readonly #tagged: SeriesMemo<Map<string, Series>>;
  readonly #groups: GroupTable;
  /** Names that the output may take from the scope, in output order, with their scope index. */
  readonly #results: readonly (readonly [name: string, index: number])[];
  #plan: Plan | undefined;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    const kept = Array.isArray(options.keep) ? options.keep : [];
    this.#scope = new EvalScope(options.lambdas, options.as, kept, context);
    this.#tagged = new SeriesMemo(context.seriesSlot());
    this.#groups = context.groupTable((group) => this.out.deleteGroup(group));
    const { as, tags, keep } = options;
    const names = keep === "all" ? as : as.filter((name) => !tags.includes(name));
    this.#results = [...new Set(names)].map((name) => [name, this.#scope.indexOf(name)] as const);
  }

  override point(group: Group, point: Point): void {
    const result = this.#evaluate(group, point);
    if (result === undefined) return;
    const moved = this.#options.tags.length > 0 && this.#changesGroup(group);
    const to = moved ? this.#groups.ofSeries(result.series, group.dimensions) : group;
    this.out.point(to, result);
  }

  override batchPoint(group: Group, point: Point): void {
    const result = this.#evaluate(group, point);
    if (result !== undefined) this.out.batchPoint(group, result);
  }

  override deleteGroup(group: Group): void {
    if (this.#scope.delete(group)) this.out.deleteGroup(group);
  }

  #changesGroup(group: Group): boolean {
    return this.#options.tags.some((tag) => group.dimensions.tagNames.includes(tag));
  }

  #evaluate(group: Group, point: Point): Point | undefined {
    try {
      this.#scope.evaluate(group, point);
      const plan = this.#planFor(point);
      const { sources } = plan;
      const { values } = this.#scope;
      const fields = new Array<FieldValue>(sources.length);
      for (let i = 0; i < sources.length; i++) {
        const source = sources[i] as number;
        fields[i] = (source >= 0 ? point.values[source] : values[-1 - source]) as FieldValue;
      }
      const series = this.#options.tags.length === 0 ? point.series : this.#series(point.series);
      return new Point(series, plan.to, fields, point.timeMs, point.timeNs);
    } catch (error) {
      this.#context.error("error evaluating expression", error);
      return undefined;
    }
  }

  #planFor(point: Point): Plan {
    const { types } = this.#scope;
    const plan = this.#plan;
    if (plan?.from === point.shape && sameTypes(plan.types, types)) return plan;
    this.#plan = this.#makePlan(point);
    return this.#plan;
  }

  #makePlan(point: Point): Plan {
    const { keep } = this.#options;
    const { shape } = point;
    const scope = this.#scope;
    const names: string[] = [];
    const types: FieldType[] = [];
    const sources: number[] = [];
    const put = (name: string, type: FieldType, source: number): void => {
      const known = names.indexOf(name);
      const at = known < 0 ? names.length : known;
      names[at] = name;
      types[at] = type;
      sources[at] = source;
    };
    const putResult = (name: string, index: number): void =>
      put(name, scope.types[index] as FieldType, -1 - index);
    if (keep === "all") {
      shape.names.forEach((name, slot) => put(name, shape.types[slot] as FieldType, slot));
    }
    if (keep === undefined || keep === "all") {
      for (const [name, index] of this.#results) putResult(name, index);
    } else {
      for (const name of keep) {
        const index = scope.indexOf(name);
        const slot = shape.slot(name);
        if (index >= 0 && scope.types[index] !== undefined) putResult(name, index);
        else if (slot >= 0) put(name, shape.types[slot] as FieldType, slot);
        else throw new Error(`cannot keep field "${name}", field does not exist`);
      }
    }
    return { from: shape, types: [...scope.types], to: internShape(names, types), sources };
  }

  #series(series: Series): Series {
    const tags: Record<string, string> = {};
    for (const tag of this.#options.tags) {
      const index = this.#scope.indexOf(tag);
      const type = this.#scope.types[index];
      if (type !== "string") {
        throw new Error(
          `result of a tag expression must be of type string, got ${type} for tag "${tag}"`,
        );
      }
      tags[tag] = String(this.#scope.values[index]);
    }
    const known = this.#tagged.get(series) ?? this.#tagged.set(series, new Map());
    const key = Object.values(tags).join("\n");
    let tagged = known.get(key);
    if (tagged === undefined) {
      if (known.size >= DERIVED_SERIES_MAX) known.clear();
      tagged = withTags(series, tags);
      known.set(key, tagged);
    }
    return tagged;
  }
}

function sameTypes(
  a: readonly (FieldType | undefined)[],
  b: readonly (FieldType | undefined)[],
): boolean {
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
