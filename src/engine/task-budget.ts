/**
 * What one task may remember: groups and points held back, counted over all its nodes.
 *
 * A script that groups by a tag with endless values, or joins with a stream that fell silent, grows until the
 * process dies and takes all other tasks with it. With a limit the task alone dies, and says of what. Counting
 * costs an addition per group or held point; 0 means no limit.
 */

import type { GroupBudget } from "./group-table.ts";

export interface TaskLimits {
  /** Groups of all nodes together; 0 = no limit. */
  readonly groupsMax: number;
  /** Points in windows, joins, unions, combinations and regrouped batches together; 0 = no limit. */
  readonly bufferedPointsMax: number;
}

export const NO_LIMITS: TaskLimits = { groupsMax: 0, bufferedPointsMax: 0 };

/** Counts points that a node holds back. */
export interface HeldPoints {
  /** Throws `Error` when the task holds too many. */
  add(points: number): void;
  release(points: number): void;
}

export class TaskBudget implements GroupBudget {
  readonly #groupsMax: number;
  readonly #pointsMax: number;
  #groups = 0;
  #points = 0;

  constructor({ groupsMax, bufferedPointsMax }: TaskLimits) {
    this.#groupsMax = groupsMax === 0 ? Number.POSITIVE_INFINITY : groupsMax;
    this.#pointsMax = bufferedPointsMax === 0 ? Number.POSITIVE_INFINITY : bufferedPointsMax;
  }

  get groups(): number {
    return this.#groups;
  }

  /** Points held back now. */
  get points(): number {
    return this.#points;
  }

  take(): void {
    if (++this.#groups > this.#groupsMax) {
      throw new Error(`the task has more than ${this.#groupsMax} groups ([task] groups-max)`);
    }
  }

  giveBack(): void {
    this.#groups--;
  }

  add(points: number): void {
    this.#points += points;
    if (this.#points > this.#pointsMax) {
      throw new Error(
        `the task holds more than ${this.#pointsMax} points ([task] buffered-points-max)`,
      );
    }
  }

  release(points: number): void {
    this.#points -= points;
  }
}
