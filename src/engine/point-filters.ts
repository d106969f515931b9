/**
 * Conditions on points (`where`, alert levels), shared by all tasks of an engine.
 *
 * Tasks with the same condition ask one after the other about the same point; only the first one evaluates
 * it. A condition that depends on more than the point (state, clock, chance) is not shared: each node has its
 * own. What depends on tags alone the lambda itself remembers per series.
 */

import type { Point } from "#model/point.ts";
import type { Expression } from "#tick/ast.ts";
import type { LambdaServices } from "#tick/functions/spec.ts";
import { compileLambda, type Lambda } from "#tick/lambda/lambda.ts";
import type { LambdaState } from "#tick/lambda/state.ts";
import { lambdaServices, loadState, refuseImpossible } from "./group-lambdas.ts";
import type { EngineServices } from "./ports.ts";

export interface PointFilter {
  /** Throws `LambdaError` when the point cannot be judged. */
  test(point: Point): boolean;
  /** Its memory as plain data; `null` for a filter without one. */
  save(): unknown;
  /** Takes back what `save` gave. Throws `SnapshotError`. */
  load(saved: unknown): void;
}

export class PointFilters {
  readonly #services: LambdaServices;
  readonly #shared = new Map<Lambda, SharedFilter>();

  constructor(services: EngineServices) {
    this.#services = lambdaServices(services);
  }

  /** A filter for this condition; give it back with `release`. */
  take(expression: Expression): PointFilter {
    refuseImpossible(expression);
    const lambda = compileLambda(expression);
    if (!lambda.isPure) return new OwnFilter(lambda, this.#services);
    let filter = this.#shared.get(lambda);
    if (filter === undefined) {
      filter = new SharedFilter(lambda, this.#services);
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

  save(): unknown {
    return this.#lambda.isStateful ? this.#state.save() : null;
  }

  load(saved: unknown): void {
    if (this.#lambda.isStateful && saved !== null) loadState(this.#state, saved);
  }
}

class SharedFilter implements PointFilter {
  readonly lambda: Lambda;
  holders = 0;
  readonly #state: LambdaState;
  #last: Point | undefined;
  #holds = false;
  #error: unknown;

  constructor(lambda: Lambda, services: LambdaServices) {
    this.lambda = lambda;
    this.#state = lambda.newState(services);
  }

  test(point: Point): boolean {
    if (point !== this.#last) this.#judge(point);
    if (this.#error !== undefined) throw this.#error;
    return this.#holds;
  }

  save(): unknown {
    return null;
  }

  load(): void {}

  #judge(point: Point): void {
    this.#last = point;
    this.#error = undefined;
    try {
      this.#holds = this.lambda.test(point, this.#state);
    } catch (error) {
      this.#error = error;
    }
  }
}
