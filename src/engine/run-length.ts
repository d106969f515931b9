/**
 * How many points are pushed into the tasks together, between two looks at the clock.
 *
 * Long runs keep the processor's caches warm, short ones keep to the slice. What a point costs is not known
 * beforehand (two tasks may cost more than a thousand), so the run before says: the next is as long as fits in
 * `RUN_MS`. After one that took too long it is shorter at once, otherwise at most twice as long.
 */

import { RUN_MS, RUN_POINTS_MAX, RUN_POINTS_MIN } from "./limits.ts";

export class RunLength {
  #points = RUN_POINTS_MIN;

  /** Points of the next run, `RUN_POINTS_MIN` … `RUN_POINTS_MAX`. */
  get points(): number {
    return this.#points;
  }

  /** A run of so many points, at least 1, took `ms`. */
  took(points: number, ms: number): void {
    const fitting = Math.min(Math.floor((RUN_MS * points) / ms), 2 * this.#points, RUN_POINTS_MAX);
    this.#points = Math.max(RUN_POINTS_MIN, fitting);
  }
}
