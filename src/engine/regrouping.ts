/**
 * Follows groups through nodes that change tags: which group a group becomes.
 *
 * Within a group all points have the same values of its tags, so a node that sets or deletes tags turns each
 * group into exactly one other; it is found once and remembered in the group. Barriers and deletions
 * follow the points.
 */

import type { Dimensions, Group } from "#model/group.ts";
import type { GroupState } from "./group-state.ts";
import type { GroupTable } from "./group-table.ts";
import type { NodeContext } from "./node.ts";
import { type BatchBegin, Forwarding } from "./receiver.ts";

/** What a group turns into. */
export interface Regrouped {
  readonly dimensions: Dimensions;
  readonly tagValues: readonly string[];
}

/** A forwarding node that maps groups; subclasses map points. */
export abstract class Regrouping extends Forwarding {
  readonly #mapped: GroupState<Group>;
  readonly #table: GroupTable;
  /** How many groups have become each new one: the last one's end is the end of it. */
  readonly #origins = new Map<Group, number>();

  constructor(context: NodeContext) {
    super(context.out);
    this.#mapped = context.groupMemo();
    this.#table = context.groupTable();
  }

  /** The new dimensions and values, or `undefined` when the group stays as it is. */
  protected abstract regroup(group: Group): Regrouped | undefined;

  protected groupOf(group: Group): Group {
    return this.#mapped.get(group) ?? this.#map(group);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.out.beginBatch(this.groupOf(group), begin);
  }

  override endBatch(group: Group): void {
    this.out.endBatch(this.groupOf(group));
  }

  override barrier(group: Group, ms: number, ns: number): void {
    this.out.barrier(this.groupOf(group), ms, ns);
  }

  override deleteGroup(group: Group): void {
    const mapped = this.groupOf(group);
    this.#mapped.delete(group);
    this.out.deleteGroup(mapped);
    if (mapped === group) return;
    const left = (this.#origins.get(mapped) ?? 1) - 1;
    if (left > 0) {
      this.#origins.set(mapped, left);
      return;
    }
    this.#origins.delete(mapped);
    this.#table.remove(mapped);
  }

  #map(group: Group): Group {
    const changed = this.regroup(group);
    if (changed === undefined) return this.#mapped.set(group, group);
    const mapped = this.#table.find(group.name, changed.dimensions, changed.tagValues);
    this.#origins.set(mapped, (this.#origins.get(mapped) ?? 0) + 1);
    return this.#mapped.set(group, mapped);
  }
}
