/**
 * A lambda expression, ready to be evaluated on points.
 *
 * Compiled lazily, once per combination of types that its references have; for each point the code is found
 * by the identity of its shape and tag keys, which is one comparison while nothing changes. Lambdas are
 * shared by expression: a thousand tasks with the same condition have one. What differs per task and group
 * is in `LambdaState`.
 */

import type { Point } from "#model/point.ts";
import type { Shape } from "#model/shape.ts";
import type { Expression, LambdaExpression } from "../ast.ts";
import { builtins } from "../functions/builtins.ts";
import type { CallContext, LambdaServices } from "../functions/spec.ts";
import { FunctionState } from "../functions/state.ts";
import { children, expressionKey, referencesOf } from "../inspect.ts";
import { LAMBDAS_MAX, VARIANTS_MAX } from "../limits.ts";
import type { Bound, Places, Run } from "./bound.ts";
import { type Compiled, compile, type Source } from "./compiler.ts";
import { type Evaluated, interpret } from "./interpreter.ts";
import { wrongType } from "./operators.ts";
import { unusableResult } from "./problems.ts";
import {
  conflictOf,
  conflictText,
  type ExtraScope,
  lambdaTypeOf,
  PointScope,
  TIME_NAME,
} from "./scope.ts";
import { SeriesMemos } from "./series-memos.ts";
import { LambdaState } from "./state.ts";
import { certainProblem, Typing } from "./typing.ts";
import { LambdaError, type LambdaType, type LambdaValue } from "./value.ts";

/** Bindings remembered per shape; they differ in tag indexes and extra scopes. */
const BOUNDS_MAX = 16;

let table = new Map<string, Lambda>();

/** The shared lambda of an expression. Compiling proper happens when the first point comes. */
export function compileLambda(expression: Expression): Lambda {
  const key = expressionKey(expression);
  let lambda = table.get(key);
  if (lambda === undefined) {
    lambda = new Lambda(expression);
    if (table.size >= LAMBDAS_MAX) table = new Map();
    table.set(key, lambda);
  }
  return lambda;
}

/**
 * An error that is certain before any point is seen: a combination of constant types that no operator takes.
 * Nodes refuse such a lambda when their task is enabled.
 */
export function checkLambda(expression: Expression): string | undefined {
  return certainProblem(expression);
}

export class Lambda {
  readonly expression: Expression;
  /** Fields and tags that the expression mentions, each once, in source order; `time` is the point's time. */
  readonly references: readonly string[];
  /** True when a function remembers something between evaluations. */
  readonly isStateful: boolean;
  /** True when the result depends on the point alone: no state, clock, chance or local zone. */
  readonly isPure: boolean;
  readonly #nested: readonly LambdaExpression[];
  readonly #nestedIndex: ReadonlyMap<Expression, number>;
  readonly #memos = new SeriesMemos();
  /** By the types of the references. `undefined` = interpreted. */
  readonly #variants = new Map<string, Compiled | undefined>();
  readonly #bounds = new WeakMap<Shape, Bound[]>();

  constructor(expression: Expression) {
    this.expression = expression;
    this.references = referencesOf(expression);
    const calls = callsOf(expression);
    this.isStateful = calls.some((name) => STATEFUL.has(name));
    this.isPure = calls.every((name) => builtins.get(name)?.pure === true && !USES_ZONE.has(name));
    this.#nested = nestedLambdas(expression);
    this.#nestedIndex = new Map(this.#nested.map((node, i) => [node, i]));
  }

  /** Compiled type variants so far, for statistics. */
  get variants(): number {
    return this.#variants.size;
  }

  /** True when the result is a function of the series' tags: every reference is one by `isTag`. */
  usesOnlyTags(isTag: (name: string) => boolean): boolean {
    return this.isPure && this.references.every((name) => name !== TIME_NAME && isTag(name));
  }

  /** Fresh state; see `LambdaState` for how groups share. */
  newState(services: LambdaServices): LambdaState {
    const nested = this.#nested.map((): CallContext => ({ services, state: new FunctionState() }));
    return new LambdaState(services, nested);
  }

  /**
   * The value for a point; `state.resultType` is its type afterwards. Throws `LambdaError` when there is none,
   * also for results that no node can use (times and regular expressions).
   */
  evaluate(point: Point, state: LambdaState, extra?: ExtraScope): LambdaValue {
    const bound = this.#boundFor(point, state, extra);
    const value = bound.run(point, state, extra);
    if (bound.valueError !== undefined) throw bound.valueError;
    return value;
  }

  /** The value for a point as a condition. Throws `LambdaError`, also when it is no boolean. */
  test(point: Point, state: LambdaState, extra?: ExtraScope): boolean {
    const bound = this.#boundFor(point, state, extra);
    if (bound.predicateError !== undefined) {
      if (bound.resultType === "missing") bound.run(point, state, extra);
      throw bound.predicateError;
    }
    return bound.run(point, state, extra) === true;
  }

  /**
   * Tests the points of a run from the first to the one before `end`, where `answers` has 0 at their seat, and writes 1 (it
   * holds) or 2 there. Stops at a point without seat or one that cannot be judged, and returns where; `end` if at none.
   */
  testRun(
    points: readonly Point[],
    [first, end]: readonly [number, number],
    state: LambdaState,
    answers: Uint8Array,
  ): number {
    let i = first;
    try {
      for (; i < end; i++) {
        const point = points[i] as Point;
        const { seat } = point;
        if (seat < 0) return i;
        if (answers[seat] !== 0) continue;
        const bound = this.#boundFor(point, state, undefined);
        if (bound.predicateError !== undefined) return i;
        answers[seat] = bound.run(point, state, undefined) === true ? 1 : 2;
      }
    } catch {
      // Whoever asks about this point alone is told why.
    }
    return i;
  }

  /** The code for a point: that of the point before if nothing that matters has changed. */
  #boundFor(point: Point, state: LambdaState, extra: ExtraScope | undefined): Bound {
    const bound = state.bound;
    if (
      bound !== undefined &&
      state.shape === point.shape &&
      state.tagKeys === point.series.tagKeys &&
      bound.extraNames === extra?.names &&
      (extra === undefined || fitsExtra(bound, extra))
    ) {
      return bound;
    }
    if (bound !== undefined && state.shape === point.shape && extra === undefined) {
      // Another series: the same code serves when the tags stand at the same places.
      const { tagKeys } = point.series;
      if (bound.extraNames === undefined && this.#sameTags(bound, tagKeys)) {
        state.tagKeys = tagKeys;
        return bound;
      }
    }
    return this.#bind(point, state, extra);
  }

  #sameTags({ tags }: Bound, tagKeys: readonly string[]): boolean {
    const { references } = this;
    for (let i = 0; i < references.length; i++) {
      if (tagKeys.indexOf(references[i] as string) !== tags[i]) return false;
    }
    return true;
  }

  #bind(point: Point, state: LambdaState, extra: ExtraScope | undefined): Bound {
    let known = this.#bounds.get(point.shape);
    if (known === undefined) {
      known = [];
      this.#bounds.set(point.shape, known);
    }
    let bound = this.#fitting(known, point.series.tagKeys, extra);
    if (bound === undefined) {
      bound = this.#newBound(point, placesOf(point, this.references, extra), extra);
      if (known.length >= BOUNDS_MAX) known.length = 0;
      known.push(bound);
    }
    state.bound = bound;
    state.shape = point.shape;
    state.tagKeys = point.series.tagKeys;
    state.resultType = bound.resultType;
    return bound;
  }

  /** A binding of the point's shape that serves; found without making anything, as streams may alternate. */
  #fitting(
    known: readonly Bound[],
    tagKeys: readonly string[],
    extra: ExtraScope | undefined,
  ): Bound | undefined {
    for (let i = 0; i < known.length; i++) {
      const bound = known[i] as Bound;
      if (bound.extraNames !== extra?.names || !this.#sameTags(bound, tagKeys)) continue;
      if (extra === undefined || fitsExtra(bound, extra)) return bound;
    }
    return undefined;
  }

  #newBound(point: Point, places: Places, extra: ExtraScope | undefined): Bound {
    const extraTypes = places.extras.map((at) => extra?.types[at]);
    const shared = { ...places, extraNames: extra?.names, extraTypes };
    const conflict = this.references.find(
      (name, i) =>
        name !== TIME_NAME && (places.slots[i] ?? -1) >= 0 && (places.tags[i] ?? -1) >= 0,
    );
    if (conflict !== undefined) {
      const run = thrower(new LambdaError(conflictText(conflict)));
      return { ...shared, run, resultType: "missing", ...complaints("missing") };
    }
    const sources = this.references.map((name, i) => sourceOf(name, i, point.shape, places, extra));
    const variant = this.#variant(sources);
    const { slots, tags, extras } = places;
    const run = variant?.bind(slots, tags, extras) ?? this.#interpreted();
    const resultType = variant?.resultType ?? this.#typeFor(point, extra);
    return { ...shared, run, resultType, ...complaints(resultType) };
  }

  #variant(sources: readonly Source[]): Compiled | undefined {
    const key = sources.map(sourceKey).join(",");
    if (this.#variants.has(key)) return this.#variants.get(key);
    if (this.#variants.size >= VARIANTS_MAX) return undefined;
    const { expression, references } = this;
    const compiled = compile({
      expression,
      references,
      sources,
      nested: this.#nestedIndex,
      memos: this.#memos,
    });
    this.#variants.set(key, compiled);
    return compiled;
  }

  /** Code for types that are too rare to be compiled. */
  #interpreted(): Run {
    return (point, state, extra) => this.interpret(point, state, extra).value;
  }

  #typeFor(point: Point, extra: ExtraScope | undefined): LambdaType {
    const scope = new PointScope(point, extra);
    try {
      return new Typing(scope, builtins, this.references).checkRoot(this.expression);
    } catch (error) {
      if (error instanceof LambdaError) return "missing";
      throw error;
    }
  }

  /** The value by the interpreter, whatever its type. The oracle of the compiled code. */
  interpret(point: Point, state: LambdaState, extra?: ExtraScope): Evaluated {
    const conflict = conflictOf(point, this.references);
    if (conflict !== undefined) throw new LambdaError(conflict);
    const { context, nested } = state;
    return interpret(this.expression, new PointScope(point, extra), {
      functions: builtins,
      references: this.references,
      context,
      contextOf: (node) => nested[this.#nestedIndex.get(node) ?? -1] ?? context,
    });
  }
}

/** Functions with memory, and those that read the local time zone. */
const STATEFUL: ReadonlySet<string> = new Set(["count", "sigma", "spread"]);
const USES_ZONE: ReadonlySet<string> = new Set(
  [...builtins.values()]
    .filter(({ pure, signatures }) => pure && signatures.some(({ kind }) => kind === "context"))
    .map(({ name }) => name),
);

function callsOf(root: Expression): readonly string[] {
  const names = new Set<string>();
  const visit = (node: Expression): void => {
    if (node.kind === "call") names.add(node.name);
    children(node).forEach(visit);
  };
  visit(root);
  return [...names];
}

function nestedLambdas(root: Expression): readonly LambdaExpression[] {
  const found = new Set<LambdaExpression>();
  const visit = (node: Expression): void => {
    if (node.kind === "lambda") found.add(node);
    children(node).forEach(visit);
  };
  visit(root);
  return [...found];
}

/** Where a point keeps what the references name: field, else tag, else extra result. */
function placesOf(
  point: Point,
  references: readonly string[],
  extra: ExtraScope | undefined,
): Places {
  const { shape, series } = point;
  const slots = references.map((name) => shape.slot(name));
  const tags = references.map((name) => series.tagKeys.indexOf(name));
  const extras = references.map((name, i) =>
    extra === undefined || (slots[i] ?? -1) >= 0 || (tags[i] ?? -1) >= 0
      ? -1
      : extra.names.lastIndexOf(name),
  );
  return { slots, tags, extras };
}

function fitsExtra(bound: Bound, extra: ExtraScope): boolean {
  const { extras, extraTypes } = bound;
  for (let i = 0; i < extras.length; i++) {
    const at = extras[i] as number;
    if (at >= 0 && extra.types[at] !== extraTypes[i]) return false;
  }
  return true;
}

function sourceOf(
  name: string,
  index: number,
  shape: Shape,
  { slots, tags, extras }: Places,
  extra: ExtraScope | undefined,
): Source {
  if (name === TIME_NAME) return { from: "nowhere" };
  const field = shape.types[slots[index] ?? -1];
  if (field === "null") return { from: "nowhere" };
  if (field !== undefined) {
    return { from: "field", type: lambdaTypeOf(field), unsigned: field === "uint" };
  }
  if ((tags[index] ?? -1) >= 0) return { from: "tag" };
  const type = extra?.types[extras[index] ?? -1];
  return type === undefined ? { from: "nowhere" } : { from: "extra", type };
}

function sourceKey(source: Source): string {
  switch (source.from) {
    case "field":
      return source.unsigned ? "uint" : source.type;
    case "extra":
      return `extra ${source.type}`;
    default:
      return source.from;
  }
}

function thrower(error: LambdaError): Run {
  return () => {
    throw error;
  };
}

function complaints(type: LambdaType): Pick<Bound, "predicateError" | "valueError"> {
  const unusable = type === "time" || type === "regex";
  return {
    predicateError: type === "boolean" ? undefined : new LambdaError(wrongType(type, "boolean")),
    valueError: unusable ? new LambdaError(unusableResult(type)) : undefined,
  };
}
