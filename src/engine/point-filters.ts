/**
 * Conditions on points (`where`, alert levels), shared by all tasks of an engine.
 *
 * Tasks with the same condition ask one after the other about the points of a run; only the first one evaluates
 * it, the others find the answer at the point's seat. A condition that depends on more than the point (state, clock, chance) is not shared: each node has its
 * own. What depends on tags alone the lambda itself remembers per series.
 */

import type { Point } from "#model/point.ts";
import type { Expression } from "#tick/ast.ts";
import type { LambdaServices } from "#tick/functions/spec.ts";
import { compileLambda, type Lambda } from "#tick/lambda/lambda.ts";
import type { LambdaState } from "#tick/lambda/state.ts";
import { ASK, FAILS, HOLDS, HOLDS_NOT } from "./filter-answers.ts";
import { lambdaServices, loadState, refuseImpossible } from "./group-lambdas.ts";
import { RUN_POINTS_MAX } from "./limits.ts";
import type { EngineServices } from "./ports.ts";

export interface PointFilter {
  /** Throws `LambdaError` when the point cannot be judged. */
  test(point: Point): boolean;
  /**
   * Asks about the first `count` points of a run; answers by seat (filter-answers.ts), valid until the run ends.
   * `undefined` when it keeps none, or the points have no seats: then `test` each.
   */
  answers(points: readonly Point[], count: number): Uint8Array | undefined;
  /** Its memory as plain data; `null` for a filter without one. */
  save(): unknown;
  /** Takes back what `save` gave. Throws `SnapshotError`. */
  load(saved: unknown): void;
}

export class PointFilters {
  readonly #services: LambdaServices;
  readonly #shared = new Map<Lambda, SharedFilter>();
  readonly #run: RunCount = { number: 0 };

  constructor(services: EngineServices) {
    this.#services = lambdaServices(services);
  }

  /** Another run of points begins: answers kept by seat are those of other points. */
  nextRun(): void {
    this.#run.number++;
  }

  /** A filter for this condition; give it back with `release`. */
  take(expression: Expression): PointFilter {
    refuseImpossible(expression);
    const lambda = compileLambda(expression);
    if (!lambda.isPure) return new OwnFilter(lambda, this.#services);
    let filter = this.#shared.get(lambda);
    if (filter === undefined) {
      filter = new SharedFilter(lambda, this.#services, this.#run);
      this.#shared.set(lambda, filter);
    }
    filter.holders++;
    return filter;
  }

  release(filter: PointFilter): void {
    if (filter instanceof SharedFilter && --filter.holders === 0) {
      this.#shared.delete(filter.lambda);
    }
  }
}

class OwnFilter implements PointFilter {
  readonly #lambda: Lambda;
  readonly #state: LambdaState;

  constructor(lambda: Lambda, services: LambdaServices) {
    this.#lambda = lambda;
    this.#state = lambda.newState(services);
  }

  test(point: Point): boolean {
    return this.#lambda.test(point, this.#state);
  }

  answers(): undefined {
    return undefined;
  }

  save(): unknown {
    return this.#lambda.isStateful ? this.#state.save() : null;
  }

  load(saved: unknown): void {
    if (this.#lambda.isStateful && saved !== null) loadState(this.#state, saved);
  }
}

/** The number of the run at hand. */
interface RunCount {
  number: number;
}

class SharedFilter implements PointFilter {
  readonly lambda: Lambda;
  holders = 0;
  readonly #state: LambdaState;
  readonly #now: RunCount;
  /** Of the run `#run`. */
  readonly #answers = new Uint8Array(RUN_POINTS_MAX);
  #run = 0;
  /** Why points of the run could not be judged, by seat. */
  readonly #errors: unknown[] = [];

  constructor(lambda: Lambda, services: LambdaServices, now: RunCount) {
    this.lambda = lambda;
    this.#state = lambda.newState(services);
    this.#now = now;
  }

  test(point: Point): boolean {
    const { seat } = point;
    if (seat < 0) return this.lambda.test(point, this.#state);
    this.#attend();
    const answer = this.#answers[seat];
    if (answer === HOLDS) return true;
    if (answer === HOLDS_NOT) return false;
    if (answer === FAILS) throw this.#errors[seat];
    return this.#judge(point, seat);
  }

  answers(points: readonly Point[], count: number): Uint8Array | undefined {
    this.#attend();
    const answers = this.#answers;
    for (let i = 0; i < count; i++) {
      const point = points[i] as Point;
      const { seat } = point;
      if (seat < 0) return undefined;
      if (answers[seat] === ASK) this.#answer(point, seat);
    }
    return answers;
  }

  /** Forgets the answers of an earlier run. */
  #attend(): void {
    if (this.#run === this.#now.number) return;
    this.#run = this.#now.number;
    this.#answers.fill(ASK);
  }

  #answer(point: Point, seat: number): void {
    try {
      this.#judge(point, seat);
    } catch {
      // Whoever tests the point is told.
    }
  }

  save(): unknown {
    return null;
  }

  load(): void {}

  #judge(point: Point, seat: number): boolean {
    try {
      const holds = this.lambda.test(point, this.#state);
      this.#answers[seat] = holds ? HOLDS : HOLDS_NOT;
      return holds;
    } catch (error) {
      this.#answers[seat] = FAILS;
      this.#errors[seat] = error;
      throw error;
    }
  }
}
