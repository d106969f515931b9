/**
 * Cumulative points per group on one edge, for the `stats` node that watches it.
 *
 * Counting costs one array read per point, and only on edges that are watched. Groups are kept in
 * first-seen order, the order in which `stats` reports them.
 */

import type { Group } from "#model/group.ts";
import { GroupState } from "./group-state.ts";

interface Count {
  readonly group: Group;
  points: number;
}

export class GroupCounts {
  readonly #state: GroupState<Count>;
  readonly #counts = new Set<Count>();

  constructor(slot: number) {
    this.#state = new GroupState(slot);
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
