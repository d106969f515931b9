/**
 * Joins points (or batches) of the same time and group from several inputs into one.
 *
 * Times are rounded to the tolerance first. What an input sends at a time is put into the first incomplete set
 * of that time, so points of one time pair first with first. A complete set goes out at once; an incomplete
 * one is decided (filled or dropped) only when every input has moved past its time in that group. An input that
 * never sends a group holds it up until a barrier comes.
 *
 * With `on`, points grouped by exactly those tags match every more specific point with the same values;
 * the result has the specific group. Source: reference nodes.md §3.
 */

import type { DurationNs } from "#lib/int64.ts";
import { roundTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { Calls, strings } from "../calls.ts";
import { type JoinFill, JoinGroups, type JoinOptions } from "../join-groups.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { list, method, value } from "../properties.ts";
import type { BatchBegin, Receiver } from "../receiver.ts";

export const join = defineNode<JoinOptions>({
  method: "join",
  goType: "*pipeline.JoinNode",
  wants: "either",
  provides: "same",
  rest: "node",
  joinsArguments: true,
  doc: "Joins the data of several nodes by time and group.",
  properties: [
    list("as", "string", "Prefix of each input's fields. Required."),
    list("on", "string", "Tags to join on, when inputs are grouped by different tags."),
    value("delimiter", "string", "Between prefix and field; a dot when not given."),
    value("streamName", "string", "Measurement of the result."),
    value("tolerance", "duration", "Times are rounded to multiples of this."),
    method("fill", ["any"], "How missing points are filled: 'none', 'null' or a number."),
    method("deleteAll", ["bool"], "Deleting a group forgets the times of all inputs."),
    QUIET,
  ],

  options(definition) {
    const calls = new Calls(definition.calls);
    const as = strings(calls.last("as") ?? []);
    const delimiter = calls.string("delimiter") ?? ".";
    checkNames(as, definition.parents.length, delimiter);
    const deleteAll = calls.last("deleteAll")?.[0];
    return {
      as,
      delimiter,
      on: strings(calls.last("on") ?? []),
      streamName: calls.string("streamName") ?? "",
      tolerance: calls.duration("tolerance") ?? 0,
      fill: readFill(calls),
      deleteAll: deleteAll?.kind === "bool" && deleteAll.value,
    };
  },

  needs({ as, delimiter, fill }, below, input) {
    if (below === "all" || fill.kind !== "none") return "all";
    const prefix = `${as[input]}${delimiter}`;
    const own = [...below].filter((name) => name.startsWith(prefix));
    return new Set(own.map((name) => name.slice(prefix.length)));
  },

  start(options, context) {
    const groups = new JoinGroups(options, context);
    return context.parents.map((_, source) => new Input(groups, source, options, context));
  },
});

function checkNames(as: readonly string[], inputs: number, delimiter: string): void {
  if (as.length === 0) {
    throw new Error("a call to join.as() is required to specify the output stream prefixes.");
  }
  if (as.length !== inputs) {
    throw new Error(
      "number of prefixes specified by join.as() must match the number of joined streams",
    );
  }
  as.forEach((name, i) => {
    if (name === "") throw new Error("must provide a prefix name for the join node");
    if (as.indexOf(name) !== i) {
      throw new Error("cannot use the same prefix name see .as() property method");
    }
    if (delimiter !== "" && name.includes(delimiter)) {
      throw new Error(
        `cannot use name ${name} as field prefix, it contains the delimiter "${delimiter}"\t`,
      );
    }
  });
}

function readFill(calls: Calls): JoinFill {
  const fill = calls.last("fill")?.[0];
  if (fill === undefined) return { kind: "none" };
  if (fill.kind === "int" || fill.kind === "float") {
    return { kind: "value", type: fill.kind, value: fill.value };
  }
  if (fill.kind === "string" && fill.value === "none") return { kind: "none" };
  if (fill.kind === "string" && fill.value === "null") {
    return { kind: "value", type: "null", value: null };
  }
  throw new Error(
    `unexpected fill option ${fill.kind === "string" ? fill.value : `of type ${fill.kind}`}`,
  );
}

/** One incoming edge. */
class Input implements Receiver {
  readonly #groups: JoinGroups;
  readonly #source: number;
  readonly #tolerance: DurationNs;
  readonly #out: Receiver;
  #begin: BatchBegin | undefined;
  #points: Point[] = [];

  constructor(groups: JoinGroups, source: number, options: JoinOptions, context: NodeContext) {
    this.#groups = groups;
    this.#source = source;
    this.#tolerance = options.tolerance;
    this.#out = context.out;
  }

  point(group: Group, point: Point): void {
    const { timeMs, timeNs } = point;
    const exact = this.#tolerance === 0;
    const time = exact ? undefined : roundTime(timeMs, timeNs, this.#tolerance);
    this.#groups.add(this.#source, group, time?.ms ?? timeMs, time?.ns ?? timeNs, point);
  }

  points(groups: readonly Group[], points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  }

  beginBatch(_group: Group, begin: BatchBegin): void {
    this.#begin = begin;
    this.#points = [];
  }

  batchPoint(_group: Group, point: Point): void {
    this.#points.push(point);
  }

  endBatch(group: Group): void {
    const begin = this.#begin;
    if (begin === undefined) return;
    const points = this.#points;
    this.#points = [];
    const { ms, ns } = roundTime(begin.tmaxMs, begin.tmaxNs, this.#tolerance);
    this.#groups.add(this.#source, group, ms, ns, { name: begin.name, group, points });
  }

  barrier(group: Group, ms: number, ns: number): void {
    const time = roundTime(ms, ns, this.#tolerance);
    this.#groups.advance(this.#source, group, time.ms, time.ns);
    this.#out.barrier(this.#groups.outputOf(group), ms, ns);
  }

  deleteGroup(group: Group): void {
    const out = this.#groups.outputOf(group);
    this.#groups.delete(this.#source, group);
    this.#out.deleteGroup(out);
    this.#groups.forget(out);
  }

  finish(): void {
    this.#groups.finish();
  }
}
