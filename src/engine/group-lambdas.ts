/**
 * The lambdas of one node with their state.
 *
 * Stateful functions (`sigma`, `count`, `spread`) keep state per expression and group; it is made when a
 * group is first seen and dropped with the group, never per batch. Lambdas without state share one. Taking
 * states for a group also counts it for `working_cardinality`.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { Expression } from "#tick/ast.ts";
import type { LambdaServices } from "#tick/functions/spec.ts";
import { checkLambda, compileLambda, type Lambda } from "#tick/lambda/lambda.ts";
import type { LambdaState } from "#tick/lambda/state.ts";
import { ASK, HOLDS, HOLDS_NOT } from "./filter-answers.ts";
import type { GroupState } from "./group-state.ts";
import type { NodeContext } from "./node.ts";
import type { KeptPoints, PointFilter } from "./point-filters.ts";
import type { EngineServices } from "./ports.ts";
import { SnapshotError, savedList } from "./snapshot.ts";

export class GroupLambdas {
  readonly lambdas: readonly Lambda[];
  readonly #states: GroupState<readonly LambdaState[]>;
  /** Shared by all groups, or where the states of groups come from. */
  readonly #roots: readonly LambdaState[];
  readonly #isStateful: boolean;
  /** The group asked for last: usually the next one's too when a stream is not grouped. */
  #lastGroup: Group | undefined;
  #lastStates: readonly LambdaState[];

  constructor(expressions: readonly Expression[], context: NodeContext) {
    expressions.forEach(refuseImpossible);
    this.lambdas = expressions.map((expression) => compileLambda(expression));
    const services = lambdaServices(context.services);
    this.#roots = this.lambdas.map((lambda) => lambda.newState(services));
    this.#isStateful = this.lambdas.some((lambda) => lambda.isStateful);
    this.#states = context.groupState({
      save: (states) => (this.#isStateful ? states.map((state) => state.save()) : 0),
      load: (saved) => {
        const states = this.#fresh();
        if (this.#isStateful) states.forEach((state, i) => loadState(state, savedList(saved)[i]));
        return states;
      },
    });
    this.#lastStates = this.#roots;
  }

  /** One state per lambda for this group. */
  of(group: Group): readonly LambdaState[] {
    if (group === this.#lastGroup) return this.#lastStates;
    const states = this.#states.get(group) ?? this.#states.set(group, this.#fresh());
    this.#lastGroup = group;
    this.#lastStates = states;
    return states;
  }

  /** True when the group was known. */
  delete(group: Group): boolean {
    if (group === this.#lastGroup) this.#lastGroup = undefined;
    return this.#states.delete(group);
  }

  #fresh(): readonly LambdaState[] {
    return this.#isStateful ? this.#roots.map((root) => root.forGroup()) : this.#roots;
  }
}

/** Throws `SnapshotError` when what was saved is of another expression. */
export function loadState(state: LambdaState, saved: unknown): void {
  if (!state.load(saved)) throw new SnapshotError("the state of an expression does not fit");
}

/** Throws when an expression can never have a value because of its constant types. */
export function refuseImpossible(expression: Expression, index = 0): void {
  const problem = checkLambda(expression);
  if (problem !== undefined) throw new Error(`Failed to compile ${index} expression: ${problem}`);
}

/** What lambdas need of the world, out of the engine's services. */
export function lambdaServices(services: EngineServices): LambdaServices {
  const { clock, random } = services;
  return {
    now: () => clock.now(),
    random,
    zoneOffsetMs: (ms) => services.zoneOffsetMs?.(ms) ?? 0,
  };
}

const NO_FAILURES: readonly unknown[] = [];

/** One lambda with state per group, as `where` and the state nodes use it. */
export class GroupLambda {
  readonly lambda: Lambda;
  /** Evaluates conditions that depend on the point alone once for all tasks. */
  readonly #shared: PointFilter | undefined;
  readonly #states: GroupState<LambdaState>;
  readonly #root: LambdaState;
  #lastGroup: Group | undefined;
  #lastState: LambdaState;

  constructor(expression: Expression, context: NodeContext) {
    refuseImpossible(expression);
    this.lambda = compileLambda(expression);
    if (this.lambda.isPure) {
      const shared = context.filters.take(expression);
      context.onStop(() => context.filters.release(shared));
      this.#shared = shared;
    }
    this.#root = this.lambda.newState(lambdaServices(context.services));
    this.#states = context.groupState({
      save: (state) => (this.lambda.isStateful ? state.save() : 0),
      load: (saved) => {
        const state = this.#fresh();
        if (this.lambda.isStateful) loadState(state, saved);
        return state;
      },
    });
    this.#lastState = this.#root;
  }

  /** Throws `LambdaError` when the point cannot be judged. */
  test(group: Group, point: Point): boolean {
    const state = group === this.#lastGroup ? this.#lastState : this.#of(group);
    return this.#shared === undefined ? this.lambda.test(point, state) : this.#shared.test(point);
  }

  /**
   * Keeps those of a run for which it holds, at the front of both lists; returns their number. `failed` hears of
   * each point that cannot be judged.
   */
  keep(groups: Group[], points: Point[], count: number, failed: (error: unknown) => void): number {
    const answers = this.#shared?.answers(points, count);
    const shared = answers !== undefined;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const group = groups[i] as Group;
      const point = points[i] as Point;
      // Where all groups share one state, it is enough that the group has it.
      if (group !== this.#lastGroup && !(shared && this.#states.get(group) !== undefined)) {
        this.#of(group);
      }
      const answer = answers === undefined ? ASK : (answers[point.seat] as number);
      if (answer === HOLDS_NOT) continue;
      if (answer !== HOLDS && !this.#holds(group, point, failed)) continue;
      groups[kept] = group;
      points[kept++] = point;
    }
    return kept;
  }

  /**
   * Those of a run of one group for which it holds. The list is only good until the next point is asked about.
   */
  kept(
    group: Group,
    points: readonly Point[],
    count: number,
    failed: (error: unknown) => void,
  ): KeptPoints {
    if (group !== this.#lastGroup) this.#of(group);
    const shared = this.#shared?.kept?.(points, count);
    if (shared !== undefined) {
      for (const error of shared.failures) failed(error);
      return shared;
    }
    const kept = { points: [] as Point[], count: 0, failures: NO_FAILURES };
    for (let i = 0; i < count; i++) {
      const point = points[i] as Point;
      if (this.#holds(group, point, failed)) kept.points[kept.count++] = point;
    }
    return kept;
  }

  #holds(group: Group, point: Point, failed: (error: unknown) => void): boolean {
    try {
      return this.test(group, point);
    } catch (error) {
      failed(error);
      return false;
    }
  }

  /** True when the group was known. */
  delete(group: Group): boolean {
    if (group === this.#lastGroup) this.#lastGroup = undefined;
    return this.#states.delete(group);
  }

  #of(group: Group): LambdaState {
    const state = this.#states.get(group) ?? this.#states.set(group, this.#fresh());
    this.#lastGroup = group;
    this.#lastState = state;
    return state;
  }

  #fresh(): LambdaState {
    return this.lambda.isStateful ? this.#root.forGroup() : this.#root;
  }
}
