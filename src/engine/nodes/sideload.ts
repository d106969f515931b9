/**
 * Adds fields and tags that are kept in files, found by the tags of a point.
 *
 * `order` gives templates of file names, the most specific first; the first file that has a key wins, else the
 * default counts. Only tags decide, so a series' values are looked up once and again after the files were read
 * anew. Source: reference nodes.md §5.
 */

import { errorMessage } from "#lib/errors.ts";
import { fromBigInt, type Int64, isInt64, parseInt64 } from "#lib/int64.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";
import { parseTextTemplate, type Template } from "#template/template.ts";
import { stringMap } from "#template/values.ts";
import type { TickValue } from "#tick/environment.ts";
import { argument, Calls, goTypeOf } from "../calls.ts";
import type { GroupTable } from "../group-table.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import type { SideloadFiles } from "../outside-ports.ts";
import { list, method, value } from "../properties.ts";
import { Forwarding } from "../receiver.ts";
import { withTags } from "../series-edit.ts";
import { SeriesMemo } from "../series-memo.ts";

type FieldDefault = Extract<TickValue, { readonly kind: "int" | "float" | "string" | "bool" }>;

interface Options {
  readonly source: string;
  readonly order: readonly string[];
  readonly fields: ReadonlyMap<string, FieldDefault>;
  readonly tags: ReadonlyMap<string, string>;
}

export const sideload = defineNode<Options>({
  method: "sideload",
  goType: "*pipeline.SideloadNode",
  wants: "either",
  provides: "same",
  doc: "Adds fields and tags that are kept in files, found by the tags of a point.",
  properties: [
    value("source", "string", "Where the files are: file:///absolute/path."),
    list(
      "order",
      "string",
      "Templates of file names over the tags, the first that has a key wins.",
    ),
    method("field", ["string", "any"], "A field to add, and its default."),
    method("tag", ["string", "string"], "A tag to add, and its default."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const fields = new Map<string, FieldDefault>();
    for (const args of calls.all("field")) {
      fields.set(argument(args, 0, "string").value, fieldDefault(args[1]));
    }
    const tags = new Map<string, string>();
    for (const args of calls.all("tag")) {
      tags.set(argument(args, 0, "string").value, argument(args, 1, "string").value);
    }
    const source = calls.string("source") ?? "";
    checkSource(source);
    return { source, order: calls.strings("order") ?? [], fields, tags };
  },

  start: (options, context) => new Sideload(options, context),
});

function checkSource(source: string): void {
  if (source.startsWith("file://")) return;
  const what = /^https?:\/\//.test(source) ? "an HTTP source" : "a [[httppost]] endpoint as source";
  throw new Error(
    source === ""
      ? "must specify a source"
      : `sideload with ${what} is not available yet, use file:///absolute/path`,
  );
}

function fieldDefault(given: TickValue | undefined): FieldDefault {
  switch (given?.kind) {
    case "int":
    case "float":
    case "string":
    case "bool":
      return given;
    default: {
      const type = given === undefined ? "nil" : goTypeOf(given);
      throw new Error(
        `unsupported type ${type} for a sideload field, must be float, int, string or bool`,
      );
    }
  }
}

/** What a series gets, valid for one version of the files. */
interface Loaded {
  readonly version: number;
  /** `undefined` when an order template failed: points pass unchanged. */
  readonly values: readonly FieldValue[] | undefined;
  readonly series: Series;
}

/** The group that points of a series have afterwards, given the one they came in. */
interface Regrouped {
  readonly from: Group;
  readonly to: Group;
}

const TYPES = { int: "int", float: "float", string: "string", bool: "boolean" } as const;

class Sideload extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #files: SideloadFiles;
  readonly #order: readonly Template[];
  readonly #loaded: SeriesMemo<Loaded>;
  readonly #regrouped: SeriesMemo<Regrouped>;
  readonly #groups: GroupTable;
  #from: Shape | undefined;
  #to: Shape | undefined;
  #slots: readonly number[] = [];

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    this.#order = options.order.map((text) => parseTextTemplate(text, { name: "order" }));
    this.#loaded = new SeriesMemo(context.seriesSlot());
    this.#regrouped = new SeriesMemo(context.seriesSlot());
    this.#groups = context.groupTable((group) => this.out.deleteGroup(group));
    this.#files = context.services.sideloads.open(options.source);
    context.onStop(() => this.#files.close());
  }

  override point(group: Group, point: Point): void {
    const loaded = this.#load(point.series);
    const made = this.#apply(point, loaded);
    this.out.point(this.#groupOf(group, made), made);
  }

  override batchPoint(group: Group, point: Point): void {
    this.out.batchPoint(group, this.#apply(point, this.#load(point.series)));
  }

  #load(series: Series): Loaded {
    const known = this.#loaded.get(series);
    if (known !== undefined && known.version === this.#files.version) return known;
    const made = this.#find(series);
    return made.values === undefined ? made : this.#loaded.set(series, made);
  }

  #find(series: Series): Loaded {
    const { version } = this.#files;
    let files: readonly Readonly<Record<string, unknown>>[];
    try {
      const tags = stringMap(series.tags());
      files = this.#order
        .map((name) => this.#files.file(name.render(tags)))
        .filter((file) => file !== undefined);
    } catch (error) {
      this.#context.error("failed to evaluate order template", errorMessage(error));
      return { version, values: undefined, series };
    }
    const values: FieldValue[] = [];
    for (const [name, otherwise] of this.#options.fields) {
      values.push(this.#value(name, files, otherwise));
    }
    const tags: Record<string, string> = {};
    for (const [name, otherwise] of this.#options.tags) {
      tags[name] = String(this.#value(name, files, { kind: "string", value: otherwise }));
    }
    const changed = this.#options.tags.size === 0 ? series : withTags(series, tags);
    return { version, values, series: changed };
  }

  #value(
    name: string,
    files: readonly Readonly<Record<string, unknown>>[],
    otherwise: FieldDefault,
  ): FieldValue {
    const file = files.find((held) => Object.hasOwn(held, name));
    if (file === undefined) return otherwise.value;
    const held = converted(file[name], otherwise.kind);
    if (held !== undefined) return held;
    const error = new Error(`cannot use ${JSON.stringify(file[name])} as ${otherwise.kind}`);
    this.#context.error("failed to load key", error, { key: name });
    return otherwise.value;
  }

  #apply(point: Point, { values, series }: Loaded): Point {
    if (values === undefined) return point;
    if (values.length === 0) {
      return new Point(series, point.shape, point.values, point.timeMs, point.timeNs);
    }
    if (point.shape !== this.#from) this.#learn(point.shape);
    const held = point.values.slice();
    for (let i = 0; i < values.length; i++) {
      held[this.#slots[i] as number] = values[i] as FieldValue;
    }
    return new Point(series, this.#to ?? point.shape, held, point.timeMs, point.timeNs);
  }

  /** The shape with the fields added, and where they are in it. */
  #learn(shape: Shape): void {
    const names = [...shape.names];
    const types: FieldType[] = [...shape.types];
    this.#slots = [...this.#options.fields].map(([name, { kind }]) => {
      let slot = names.indexOf(name);
      if (slot < 0) slot = names.push(name) - 1;
      types[slot] = TYPES[kind];
      return slot;
    });
    this.#from = shape;
    this.#to = internShape(names, types);
  }

  /** A tag that is a dimension may have changed, and with it the group. */
  #groupOf(group: Group, { series }: Point): Group {
    const { tagNames } = group.dimensions;
    if (!tagNames.some((name) => this.#options.tags.has(name))) return group;
    const known = this.#regrouped.get(series);
    if (known?.from === group && !known.to.isOver) return known.to;
    const to = this.#groups.ofSeries(series, group.dimensions);
    return this.#regrouped.set(series, { from: group, to }).to;
  }
}

/** A value as the default's type; `undefined` when it is not possible. */
function converted(held: unknown, kind: FieldDefault["kind"]): FieldValue | undefined {
  switch (kind) {
    case "int":
      return toInt(held);
    case "float":
      return toFloat(held);
    case "bool":
      return toBoolean(held);
    case "string":
      return isScalar(held) ? String(held) : undefined;
    default:
      return kind satisfies never;
  }
}

function toInt(held: unknown): Int64 | undefined {
  if (typeof held === "bigint") return fromBigInt(held);
  if (typeof held === "number") {
    if (isInt64(held)) return held;
    return Number.isInteger(held) ? fromBigInt(BigInt(held)) : undefined;
  }
  return typeof held === "string" ? parseInt64(held) : undefined;
}

function toFloat(held: unknown): number | undefined {
  if (typeof held === "number" || typeof held === "bigint") return Number(held);
  const isNumber = typeof held === "string" && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(held);
  return isNumber ? Number(held) : undefined;
}

function toBoolean(held: unknown): boolean | undefined {
  if (typeof held === "boolean") return held;
  if (typeof held !== "string") return undefined;
  if (/^(1|t|true)$/i.test(held)) return true;
  return /^(0|f|false)$/i.test(held) ? false : undefined;
}

function isScalar(held: unknown): boolean {
  return ["string", "number", "bigint", "boolean"].includes(typeof held);
}
