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

/** Points of a run for which a condition holds. */
export interface KeptPoints {
  /** The first `count` of them; only to be read. */
  readonly points: readonly Point[];
  readonly count: number;
  /** Why other points could not be judged. */
  readonly failures: readonly unknown[];
}

export interface PointFilter {
  /** Throws `LambdaError` when the point cannot be judged. */
  test(point: Point): boolean;
  /**
   * Asks about the first `count` points of a run; answers by seat (filter-answers.ts), valid until the run ends.
   * `undefined` when it keeps none, or the points have no seats: then `test` each.
   */
  answers(points: readonly Point[], count: number): Uint8Array | undefined;
  /**
   * Those of the first `count` points for which it holds; chosen once for all tasks that ask about the same list in one
   * run. Good until the next call. Absent when it is not shared.
   */
  kept?(points: readonly Point[], count: number): KeptPoints;
  /**
   * How many of the first `count` points come before the first for which it holds or that it cannot judge; looked for once
   * for all tasks that ask about the same list in one run. 0 when the points have no seats. Absent when it is not shared.
   */
  misses?(points: readonly Point[], count: number): number;
  /** Its memory as plain data; `null` for a filter without one. */
  save(): unknown;
  /** Takes back what `save` gave. Throws `SnapshotError`. */
  load(saved: unknown): void;
}

export class PointFilters {
  readonly #services: LambdaServices;
  readonly #shared = new Map<Lambda, SharedFilter>();
  readonly #run: RunCount = { number: 0, choices: 0 };

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
  /** How often a filter has chosen from a second list in the same run. */
  choices: number;
}

/** What was chosen last, and of which points. */
interface Chosen extends KeptPoints {
  readonly points: Point[];
  count: number;
  readonly failures: unknown[];
  run: number;
  choices: number;
  from: readonly Point[];
  of: number;
}

/** How many points at the front of a list did not hold. */
interface Missed {
  readonly of: number;
  readonly misses: number;
}

const NO_POINTS: readonly Point[] = [];

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
  readonly #kept: Chosen = {
    points: [],
    count: 0,
    failures: [],
    run: -1,
    choices: 0,
    from: NO_POINTS,
    of: 0,
  };
  /** By list; good for the run and the choices made in it so far. */
  readonly #missed = new Map<readonly Point[], Missed>();
  #missedRun = -1;
  #missedChoices = 0;

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
      i = this.lambda.testRun(points, [i, count], this.#state, answers);
      if (i === count) break;
      const point = points[i] as Point;
      if (point.seat < 0) return undefined;
      this.#answer(point, point.seat);
    }
    return answers;
  }

  kept(points: readonly Point[], count: number): KeptPoints {
    const kept = this.#kept;
    const now = this.#now;
    if (kept.run === now.number && kept.from === points && kept.of === count) {
      if (kept.choices === now.choices) return kept;
    } else if (kept.run === now.number) {
      // Another list in the same run: what others chose from this filter's list is no longer in it.
      now.choices++;
    }
    kept.run = now.number;
    kept.choices = now.choices;
    kept.from = points;
    kept.of = count;
    this.#choose(points, count);
    return kept;
  }

  misses(points: readonly Point[], count: number): number {
    const { number, choices } = this.#now;
    if (this.#missedRun !== number || this.#missedChoices !== choices) {
      this.#missedRun = number;
      this.#missedChoices = choices;
      this.#missed.clear();
    }
    const known = this.#missed.get(points);
    if (known !== undefined && known.of === count) return known.misses;
    const answers = this.answers(points, count);
    if (answers === undefined) return 0;
    let misses = 0;
    while (misses < count && answers[(points[misses] as Point).seat] === HOLDS_NOT) misses++;
    this.#missed.set(points, { of: count, misses });
    return misses;
  }

  #choose(points: readonly Point[], count: number): void {
    this.answers(points, count);
    const kept = this.#kept;
    const answers = this.#answers;
    if (kept.failures.length > 0) kept.failures.length = 0;
    let size = 0;
    for (let i = 0; i < count; i++) {
      const point = points[i] as Point;
      const { seat } = point;
      const answer = seat < 0 ? ASK : answers[seat];
      if (answer === FAILS) kept.failures.push(this.#errors[seat]);
      else if (answer === HOLDS || (answer === ASK && this.#holdsLoose(point))) {
        kept.points[size++] = point;
      }
    }
    kept.count = size;
  }

  /** For a point of no run, whose list may hold others the next time. */
  #holdsLoose(point: Point): boolean {
    this.#kept.from = NO_POINTS;
    try {
      return this.lambda.test(point, this.#state);
    } catch (error) {
      this.#kept.failures.push(error);
      return false;
    }
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
