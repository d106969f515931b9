/**
 * Which level a point has, given the group's current level.
 *
 * Levels are tried from CRITICAL down to the current one; if none holds, a reset expression of the current
 * level that is false keeps it; else the levels from the current one down are tried. An expression that
 * fails is logged and counts as not holding (a failing reset as passed). State of the expressions is shared by
 * all groups. Source: reference nodes.md §10.
 */

import type { Level } from "#alert/level.ts";
import { levelName } from "#alert/level.ts";
import type { Point } from "#model/point.ts";
import type { Expression } from "#tick/ast.ts";
import type { NodeContext } from "./node.ts";
import type { PointFilter } from "./point-filters.ts";

/** Expressions by level number; index 0 (OK) is never set. */
export type LevelExpressions = readonly (Expression | undefined)[];

const LEVELS: readonly Level[] = [0, 1, 2, 3];

export class AlertJudge {
  readonly #levels: readonly (PointFilter | undefined)[];
  readonly #resets: readonly (PointFilter | undefined)[];
  readonly #context: NodeContext;
  /** The only level there is, if its answers are shared. */
  readonly #sole: PointFilter | undefined;

  constructor(levels: LevelExpressions, resets: LevelExpressions, context: NodeContext) {
    this.#context = context;
    const compile = (expression: Expression | undefined): PointFilter | undefined => {
      if (expression === undefined) return undefined;
      const filter = context.filters.take(expression);
      context.onStop(() => context.filters.release(filter));
      context.saved({ save: () => filter.save(), load: (saved) => filter.load(saved) });
      return filter;
    };
    this.#levels = levels.map(compile);
    this.#resets = resets.map((reset, level) =>
      levels[level] === undefined ? undefined : compile(reset),
    );
    const filters = this.#levels.filter((filter) => filter !== undefined);
    this.#sole = filters.length === 1 && filters[0]?.kept !== undefined ? filters[0] : undefined;
  }

  /**
   * How many of the first `count` points of a run stay OK, in groups that are OK, before one that may not; 0 also when that
   * is not known.
   */
  calm(points: readonly Point[], count: number): number {
    let calm = count;
    for (let level = 3; level >= 1; level--) {
      const filter = this.#levels[level];
      if (filter !== undefined) calm = Math.min(calm, filter.misses?.(points, count) ?? 0);
    }
    return calm;
  }

  /**
   * Whether the points of a run reach the only level there is, by seat (filter-answers.ts), valid until the run ends. `undefined`
   * when there are several, or the points have no seats.
   */
  answers(points: readonly Point[], count: number): Uint8Array | undefined {
    return this.#sole?.answers(points, count);
  }

  levelOf(point: Point, current: Level): Level {
    const floor = current < 1 ? 1 : current;
    for (let level = 3; level >= floor; level--) {
      if (this.#holds(level, point)) return LEVELS[level] as Level;
    }
    if (current === 0) return 0;
    if (this.#staysBecauseOfReset(current, point)) return current;
    for (let level: number = current; level >= 1; level--) {
      if (this.#holds(level, point)) return LEVELS[level] as Level;
    }
    return 0;
  }

  #holds(level: number, point: Point): boolean {
    const filter = this.#levels[level];
    if (filter === undefined) return false;
    try {
      return filter.test(point);
    } catch (error) {
      this.#context.error("error evaluating expression for level", error, {
        level: levelName(LEVELS[level] as Level),
      });
      return false;
    }
  }

  #staysBecauseOfReset(current: Level, point: Point): boolean {
    const reset = this.#resets[current];
    if (reset === undefined) return false;
    try {
      return !reset.test(point);
    } catch (error) {
      this.#context.error("error evaluating reset expression for current level", error, {
        level: levelName(current),
      });
      return false;
    }
  }
}
