/**
 * Turns points of one time into one wide point: field names are built from tag values.
 *
 * Points of a group whose time rounds to the same value are collected; when the time changes (or a barrier
 * passes it, or a batch ends) one point goes out with the group's tags. The end of the stream lets nothing
 * go, as in the original.
 */

import type { DurationNs } from "#lib/int64.ts";
import { compareTime, roundTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";
import { argument, Calls, strings } from "../calls.ts";
import type { GroupState } from "../group-state.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { list, value } from "../properties.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import { groupSeries } from "../series-edit.ts";
import {
  loadValue,
  savedList,
  savedNumber,
  savedText,
  savedTuple,
  saveValue,
} from "../snapshot.ts";

interface Options {
  readonly on: readonly string[];
  readonly delimiter: string;
  readonly tolerance: DurationNs;
  readonly dropOriginalFieldName: boolean;
}

export const flatten = defineNode<Options>({
  method: "flatten",
  goType: "*pipeline.FlattenNode",
  wants: "either",
  provides: "same",
  doc: "Flattens points of one time into one, naming fields by tag values.",
  properties: [
    list("on", "string", "Tags whose values make up field names."),
    value("delimiter", "string", "Between the parts of a name; a dot when not given."),
    value(
      "tolerance",
      "duration",
      "Times are rounded to multiples of this before they are compared.",
    ),
    {
      name: "dropOriginalFieldName",
      params: ["bool"],
      optional: 1,
      doc: "Leaves the field's own name out of the new name.",
    },
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const drop = calls.last("dropOriginalFieldName");
    return {
      on: strings(calls.last("on") ?? []),
      delimiter: calls.string("delimiter") ?? ".",
      tolerance: calls.duration("tolerance") ?? 0,
      dropOriginalFieldName:
        drop !== undefined && (drop.length === 0 || argument(drop, 0, "bool").value),
    };
  },

  start: (options, context) => new Flatten(options, context),
});

class Pending {
  readonly series: Series;
  readonly fields = new Map<string, readonly [FieldType, FieldValue]>();
  ms: number;
  ns: number;

  constructor(series: Series, ms: number, ns: number) {
    this.series = series;
    this.ms = ms;
    this.ns = ns;
  }
}

class Flatten extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #pending: GroupState<Pending>;
  #batchName = "";

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    this.#pending = context.groupState({
      save: ({ series, ms, ns, fields }, out) => {
        const held = [...fields].map(([name, [type, value]]) => [name, type, saveValue(value)]);
        return [out.series(series), ms, ns, held];
      },
      load: (saved, _group, from) => {
        const [series, ms, ns, fields] = savedTuple(saved, 4);
        const pending = new Pending(from.series(series), savedNumber(ms), savedNumber(ns));
        for (const field of savedList(fields)) {
          const [name, type, value] = savedTuple(field, 3);
          pending.fields.set(savedText(name), [savedText(type) as FieldType, loadValue(value)]);
        }
        return pending;
      },
    });
  }

  override point(group: Group, point: Point): void {
    const flat = this.#add(group, point, point.series.name);
    if (flat !== undefined) this.out.point(group, flat);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#pending.delete(group);
    this.#batchName = begin.name;
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    const flat = this.#add(group, point, this.#batchName);
    if (flat !== undefined) this.out.batchPoint(group, flat);
  }

  override endBatch(group: Group): void {
    const flat = this.#take(this.#pending.get(group));
    if (flat !== undefined) this.out.batchPoint(group, flat);
    this.out.endBatch(group);
  }

  override barrier(group: Group, ms: number, ns: number): void {
    const pending = this.#pending.get(group);
    if (pending !== undefined && compareTime(ms, ns, pending.ms, pending.ns) > 0) {
      const flat = this.#take(pending);
      if (flat !== undefined) this.out.point(group, flat);
    }
    this.out.barrier(group, ms, ns);
  }

  override deleteGroup(group: Group): void {
    if (this.#pending.delete(group)) this.out.deleteGroup(group);
  }

  /** Collects the point; returns the point of the time before when this one has another time. */
  #add(group: Group, point: Point, name: string): Point | undefined {
    const time = roundTime(point.timeMs, point.timeNs, this.#options.tolerance);
    let pending = this.#pending.get(group);
    let flat: Point | undefined;
    if (pending === undefined) {
      pending = new Pending(groupSeries(group, name), time.ms, time.ns);
      this.#pending.set(group, pending);
    } else if (pending.ms !== time.ms || pending.ns !== time.ns) {
      flat = this.#take(pending);
      pending.ms = time.ms;
      pending.ns = time.ns;
    }
    this.#collect(pending, point);
    return flat;
  }

  #collect(pending: Pending, point: Point): void {
    const { on, delimiter, dropOriginalFieldName } = this.#options;
    const parts: string[] = [];
    for (const key of on) {
      const tag = point.series.tag(key);
      if (tag === undefined) {
        const error = new Error(`tag "${key}" is missing from the point`);
        this.#context.error("point missing tag for flatten operation", error, { tag: key });
        return;
      }
      parts.push(tag);
    }
    const { names, types } = point.shape;
    names.forEach((name, slot) => {
      const key = (dropOriginalFieldName ? parts : [...parts, name]).join(delimiter);
      pending.fields.set(key, [types[slot] as FieldType, point.values[slot] as FieldValue]);
    });
  }

  #take(pending: Pending | undefined): Point | undefined {
    if (pending === undefined || pending.fields.size === 0) return undefined;
    const fields = [...pending.fields];
    pending.fields.clear();
    const shape = internShape(
      fields.map(([name]) => name),
      fields.map(([, [type]]) => type),
    );
    const values = fields.map(([, [, held]]) => held);
    return new Point(pending.series, shape, values, pending.ms, pending.ns);
  }
}
