/**
 * Cumulative points per group on one edge, for the `stats` node that watches it.
 *
 * Counting costs one array read per point, and only on edges that are watched. Groups are kept in
 * first-seen order, the order in which `stats` reports them.
 */

import type { Group } from "#model/group.ts";
import type { GroupState } from "./group-state.ts";
import { type StateCodec, savedNumber } from "./snapshot.ts";

export interface Count {
  readonly group: Group;
  points: number;
}

export class GroupCounts {
  readonly #state: GroupState<Count>;
  readonly #counts = new Set<Count>();

  /** `state` from the pipeline; its codec is `codec`. */
  constructor(state: GroupState<Count>) {
    this.#state = state;
  }

  /** How the counts are saved. */
  get codec(): StateCodec<Count> {
    return {
      save: ({ points }) => points,
      load: (saved, group) => {
        const count = { group, points: savedNumber(saved) };
        this.#counts.add(count);
        return count;
      },
    };
  }

  add(group: Group, points: number): void {
    let count = this.#state.get(group);
    if (count === undefined) {
      count = this.#state.set(group, { group, points: 0 });
      this.#counts.add(count);
    }
    count.points += points;
  }

  delete(group: Group): void {
    const count = this.#state.get(group);
    if (count === undefined) return;
    this.#counts.delete(count);
    this.#state.delete(group);
  }

  counts(): Iterable<{ readonly group: Group; readonly points: number }> {
    return this.#counts;
  }
}
