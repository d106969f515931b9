/**
 * Combines points of one time with each other: one output point per combination that the lambdas accept.
 *
 * Points of a group whose time rounds to the same value are held; when the time changes (or a batch ends)
 * every choice of k of them (k lambdas), in order of arrival, is tried: each lambda in turn takes the first
 * point of the choice that it accepts and that is not taken yet. Too many combinations end the task.
 */

import type { DurationNs } from "#lib/int64.ts";
import { roundTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";
import type { Expression } from "#tick/ast.ts";
import { Calls, lambdas, strings } from "../calls.ts";
import { GroupLambdas } from "../group-lambdas.ts";
import type { GroupState } from "../group-state.ts";
import { HELD_MESSAGES_MAX } from "../limits.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { list, value } from "../properties.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import { savedList, savedNumber, savedText, savedTuple } from "../snapshot.ts";

interface Options {
  readonly lambdas: readonly Expression[];
  readonly as: readonly string[];
  readonly delimiter: string;
  readonly tolerance: DurationNs;
  readonly max: number;
}

export const combine = defineNode<Options>({
  method: "combine",
  goType: "*pipeline.CombineNode",
  wants: "either",
  provides: "stream",
  rest: "lambda",
  doc: "Combines points of the same time, one output point per combination.",
  properties: [
    list("as", "string", "Prefix of the fields and tags of each lambda's point. Required."),
    value("delimiter", "string", "Between prefix and name; a dot when not given."),
    value(
      "tolerance",
      "duration",
      "Times are rounded to multiples of this before they are compared.",
    ),
    value("max", "int", "Most combinations at one time; 1,000,000 when not given."),
    QUIET,
  ],

  options({ args, calls: made }) {
    const calls = new Calls(made);
    const expressions = lambdas(args);
    const as = strings(calls.last("as") ?? []);
    if (as.length !== expressions.length) {
      throw new Error(
        `number of lambda expressions must match number of names, got ${expressions.length} expressions and ${as.length} names`,
      );
    }
    return {
      lambdas: expressions,
      as,
      delimiter: calls.string("delimiter") ?? ".",
      tolerance: calls.duration("tolerance") ?? 0,
      max: calls.count("max") ?? 1_000_000,
    };
  },

  start: (options, context) => new Combine(options, context),
});

interface Candidate {
  readonly point: Point;
  /** For each lambda, whether it accepts the point. */
  readonly accepted: readonly boolean[];
}

class Held {
  readonly name: string;
  readonly candidates: Candidate[] = [];
  ms: number;
  ns: number;

  constructor(name: string, ms: number, ns: number) {
    this.name = name;
    this.ms = ms;
    this.ns = ns;
  }
}

class Combine extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #lambdas: GroupLambdas;
  readonly #held: GroupState<Held>;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    this.#held = context.groupState({
      save: ({ name, ms, ns, candidates }, out) => [
        name,
        ms,
        ns,
        candidates.map(({ point, accepted }) => [out.point(point), accepted]),
      ],
      load: (saved, _group, from) => {
        const [name, ms, ns, candidates] = savedTuple(saved, 4);
        const held = new Held(savedText(name), savedNumber(ms), savedNumber(ns));
        for (const candidate of savedList(candidates)) {
          const [point, accepted] = savedTuple(candidate, 2);
          const judged = savedList(accepted).map((answer) => answer === true);
          held.candidates.push({ point: from.point(point), accepted: judged });
          context.held.add(1);
        }
        return held;
      },
    });
    this.#lambdas = new GroupLambdas(options.lambdas, context);
  }

  override point(group: Group, point: Point): void {
    this.#add(group, point, point.series.name);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#release(this.#held.get(group));
    this.#held.set(group, new Held(begin.name, 0, 0));
  }

  override batchPoint(group: Group, point: Point): void {
    this.#add(group, point, point.series.name);
  }

  override endBatch(group: Group): void {
    const held = this.#held.get(group);
    if (held !== undefined) this.#combineAll(group, held);
  }

  override deleteGroup(group: Group): void {
    this.#lambdas.delete(group);
    this.#release(this.#held.get(group));
    if (this.#held.delete(group)) this.out.deleteGroup(group);
  }

  #release(held: Held | undefined): void {
    this.#context.held.release(held?.candidates.length ?? 0);
  }

  #add(group: Group, point: Point, name: string): void {
    const time = roundTime(point.timeMs, point.timeNs, this.#options.tolerance);
    const held = this.#held.get(group) ?? this.#held.set(group, new Held(name, time.ms, time.ns));
    if (held.ms !== time.ms || held.ns !== time.ns) {
      this.#combineAll(group, held);
      held.ms = time.ms;
      held.ns = time.ns;
    }
    if (held.candidates.length >= HELD_MESSAGES_MAX)
      throw new Error("too many points held to combine");
    this.#context.held.add(1);
    held.candidates.push({ point, accepted: this.#judge(group, point) });
  }

  #judge(group: Group, point: Point): readonly boolean[] {
    const states = this.#lambdas.of(group);
    return this.#lambdas.lambdas.map((lambda, i) => {
      const state = states[i];
      try {
        return state !== undefined && lambda.test(point, state);
      } catch (error) {
        this.#context.error("error evaluating lambda expression", error);
        return false;
      }
    });
  }

  #combineAll(group: Group, held: Held): void {
    const candidates = held.candidates.splice(0);
    this.#context.held.release(candidates.length);
    const n = candidates.length;
    const k = this.#options.lambdas.length;
    if (n < k || k === 0) return;
    const total = binomial(n, k);
    if (total > this.#options.max) {
      throw new Error(
        `refusing to perform combination as total combinations ${total} exceeds max combinations ${this.#options.max}`,
      );
    }
    const chosen = Array.from({ length: k }, (_, i) => i);
    do {
      const picked = pick(chosen.map((i) => candidates[i] as Candidate));
      if (picked !== undefined) this.out.point(group, this.#merged(group, held, picked));
    } while (nextCombination(chosen, n));
  }

  #merged(group: Group, held: Held, points: readonly Point[]): Point {
    const { as, delimiter } = this.#options;
    const { tagNames } = group.dimensions;
    const tags: Record<string, string> = {};
    tagNames.forEach((key, i) => {
      tags[key] = group.tagValues[i] as string;
    });
    const names: string[] = [];
    const types: FieldType[] = [];
    const values: FieldValue[] = [];
    points.forEach((point, i) => {
      const prefix = `${as[i]}${delimiter}`;
      const { series, shape } = point;
      series.tagKeys.forEach((key, j) => {
        if (!tagNames.includes(key)) tags[prefix + key] = series.tagValues[j] as string;
      });
      shape.names.forEach((name, slot) => {
        const at = names.indexOf(prefix + name);
        const to = at < 0 ? names.length : at;
        names[to] = prefix + name;
        types[to] = shape.types[slot] as FieldType;
        values[to] = point.values[slot] as FieldValue;
      });
    });
    const series = makeSeries("", "", held.name, tags);
    return new Point(series, internShape(names, types), values, held.ms, held.ns);
  }
}

/** For each lambda in turn, the first point of the choice that it accepts and that is still free. */
function pick(choice: readonly Candidate[]): readonly Point[] | undefined {
  const free = [...choice];
  const points: Point[] = [];
  for (let lambda = 0; lambda < choice.length; lambda++) {
    const at = free.findIndex((candidate) => candidate.accepted[lambda]);
    const [taken] = at < 0 ? [] : free.splice(at, 1);
    if (taken === undefined) return undefined;
    points.push(taken.point);
  }
  return points;
}

/** Moves ascending indexes below `n` to the next combination; false after the last. */
function nextCombination(chosen: number[], n: number): boolean {
  const k = chosen.length;
  let i = k - 1;
  while (i >= 0 && chosen[i] === n - k + i) i--;
  if (i < 0) return false;
  let next = (chosen[i] as number) + 1;
  for (; i < k; i++) chosen[i] = next++;
  return true;
}

function binomial(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return Math.round(result);
}
