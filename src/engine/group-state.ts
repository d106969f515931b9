/**
 * One node's state per group, kept in the group itself: a look-up is one array read, no key is hashed.
 *
 * Slot numbers are dealt out per task, so two nodes never meet. This is the one spot where the type of a
 * slot's content is put back.
 */

import type { Group } from "#model/group.ts";

export class GroupState<S> {
  readonly #slot: number;
  #size = 0;

  constructor(slot: number) {
    this.#slot = slot;
  }

  /** Number of groups that have state: `working_cardinality`. */
  get size(): number {
    return this.#size;
  }

  get(group: Group): S | undefined {
    return group.state(this.#slot) as S | undefined;
  }

  /** `state` must not be undefined. */
  set(group: Group, state: S): S {
    if (group.state(this.#slot) === undefined) this.#size++;
    group.setState(this.#slot, state);
    return state;
  }

  /** Forgets the group; true when there was something. */
  delete(group: Group): boolean {
    if (group.state(this.#slot) === undefined) return false;
    group.setState(this.#slot, undefined);
    this.#size--;
    return true;
  }
}
