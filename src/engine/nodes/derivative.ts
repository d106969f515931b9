/**
 * The rate of change of a field against the previous point of the group, per `unit`.
 *
 * The first point gives nothing. A point that cannot be used because of its type leaves the previous one in
 * place; one with the same time, or with a negative rate under `nonNegative`, becomes the previous one but is
 * dropped. Points out of order are not special. Each batch starts anew.
 */

import { type DurationNs, toFloat } from "#lib/int64.ts";
import { timeDifference } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { argument, Calls } from "../calls.ts";
import { unionOf } from "../field-needs.ts";
import { FieldReader, FieldWriter } from "../field-writer.ts";
import type { GroupState } from "../group-state.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { flag, value } from "../properties.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import { loadValue, savedNumber, savedTuple, saveValue } from "../snapshot.ts";

interface Options {
  readonly field: string;
  readonly as: string;
  readonly unit: DurationNs;
  readonly nonNegative: boolean;
}

export const derivative = defineNode<Options>({
  method: "derivative",
  goType: "*pipeline.DerivativeNode",
  wants: "either",
  provides: "same",
  params: ["string"],
  doc: "Computes the rate of change of a field.",
  properties: [
    value("as", "string", "Name of the result; the field's own name when not given."),
    value("unit", "duration", "The rate is per this time; 1s when not given."),
    flag("nonNegative", "Drops negative rates, as counters give when they start anew."),
    QUIET,
  ],

  options({ args, calls: made }) {
    const calls = new Calls(made);
    const field = argument(args, 0, "string").value;
    return {
      field,
      as: calls.string("as") ?? field,
      unit: calls.duration("unit") ?? 1_000_000_000,
      nonNegative: calls.flag("nonNegative"),
    };
  },

  needs: ({ field }, below) => unionOf(below, [field]),
  start: (options, context) => new Derivative(options, context),
});

class Previous {
  value: number;
  ms: number;
  ns: number;

  constructor(value: number, ms: number, ns: number) {
    this.value = value;
    this.ms = ms;
    this.ns = ns;
  }
}

class Derivative extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #previous: GroupState<Previous>;
  readonly #reader: FieldReader;
  readonly #writer: FieldWriter;
  readonly #unitNs: number;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    this.#previous = context.groupState({
      save: ({ value, ms, ns }) => [saveValue(value), ms, ns],
      load: (saved) => {
        const [value, ms, ns] = savedTuple(saved, 3);
        return new Previous(Number(loadValue(value)), savedNumber(ms), savedNumber(ns));
      },
    });
    this.#reader = new FieldReader(options.field);
    this.#writer = new FieldWriter(options.as, "float");
    this.#unitNs = toFloat(options.unit);
  }

  override point(group: Group, point: Point): void {
    const result = this.#derive(group, point);
    if (result !== undefined) this.out.point(group, result);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#previous.delete(group);
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    const result = this.#derive(group, point);
    if (result !== undefined) this.out.batchPoint(group, result);
  }

  override deleteGroup(group: Group): void {
    this.#previous.delete(group);
    this.out.deleteGroup(group);
  }

  #derive(group: Group, point: Point): Point | undefined {
    const raw = this.#reader.read(point);
    const { type } = this.#reader;
    if (type !== "float" && type !== "int") {
      this.#context.error("cannot perform derivative", new Error("field is the wrong type"), {
        field: this.#options.field,
      });
      return undefined;
    }
    const current = Number(raw);
    const previous = this.#previous.get(group);
    if (previous === undefined) {
      this.#previous.set(group, new Previous(current, point.timeMs, point.timeNs));
      return undefined;
    }
    const elapsedNs = Number(timeDifference(point.timeMs, point.timeNs, previous.ms, previous.ns));
    const difference = current - previous.value;
    previous.value = current;
    previous.ms = point.timeMs;
    previous.ns = point.timeNs;
    if (elapsedNs === 0) {
      this.#context.error("cannot perform derivative", new Error("elaspsed time was 0"));
      return undefined;
    }
    if (this.#options.nonNegative && difference < 0) return undefined;
    return this.#writer.write(point, difference / (elapsedNs / this.#unitNs));
  }
}
