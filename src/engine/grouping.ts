/**
 * Groups of one grouping node: which group a series belongs to, found once per series.
 *
 * The key text of a group is built when the first point of a series is seen; later points find the group in
 * the series. Two series with the same key share one `Group`. Grouping with `*` takes all tags of each
 * series, in key order.
 */

import { compareBytes } from "#lib/json.ts";
import { type Dimensions, Group, groupIdOf, NO_DIMENSIONS } from "#model/group.ts";
import type { Series } from "#model/series.ts";
import type { TickValue } from "#tick/environment.ts";
import { goTypeOf } from "./calls.ts";
import { SeriesMemo } from "./series-memo.ts";

/** What a script asked to group by. */
export interface GroupingRule {
  readonly byName: boolean;
  /** Named dimensions in ascending byte order, or all tags but `exclude`. */
  readonly tagNames: readonly string[] | "*";
  readonly exclude: readonly string[];
}

/** Reads the arguments of a `groupBy`. Throws with the original's texts. */
export function readDimensions(args: readonly TickValue[]): readonly string[] | "*" {
  const names: string[] = [];
  let star = false;
  for (const value of args) {
    if (value.kind === "star") {
      star = true;
    } else if (value.kind === "string") {
      if (value.value === "") throw new Error("dimensions cannot not be the empty string");
      names.push(value.value);
    } else if (value.kind === "list") {
      const inner = readDimensions(value.value);
      if (inner === "*") star = true;
      else names.push(...inner);
    } else {
      throw new Error(`invalid dimension object of type ${goTypeOf(value)}`);
    }
  }
  if (!star) return names.sort(compareBytes);
  if (names.length > 0 || args.length > 1) {
    throw new Error("cannot group by both '*' and named dimensions.");
  }
  return "*";
}

/** How many groups a task may have. */
export interface GroupBudget {
  /** One more; throws `Error` when there are too many. */
  take(): void;
  giveBack(): void;
}

/** All groups made by one node, by key. Bounded by the budget given. */
export class GroupTable {
  readonly #named = new Map<string, Group>();
  readonly #unnamed = new Map<string, Group>();
  readonly #budget: GroupBudget | undefined;

  constructor(budget?: GroupBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#named.size + this.#unnamed.size;
  }

  /** In order of creation; those grouped by name last. Groups may be removed meanwhile. */
  *groups(): Generator<Group> {
    yield* this.#unnamed.values();
    yield* this.#named.values();
  }

  /** Forgets a group; the next point of it makes a new one. */
  remove(group: Group): void {
    const groups = group.dimensions.byName ? this.#named : this.#unnamed;
    if (groups.get(group.id) !== group) return;
    groups.delete(group.id);
    group.isOver = true;
    this.#budget?.giveBack();
  }

  find(name: string, dimensions: Dimensions, tagValues: readonly string[]): Group {
    const groups = dimensions.byName ? this.#named : this.#unnamed;
    const key = groupIdOf(name, dimensions, tagValues);
    let group = groups.get(key);
    if (group === undefined) {
      this.#budget?.take();
      group = new Group(name, dimensions, tagValues);
      groups.set(group.id, group);
    }
    return group;
  }

  /** The group of a series under given dimensions. */
  ofSeries(series: Series, dimensions: Dimensions): Group {
    const { tagNames } = dimensions;
    return this.find(
      series.name,
      dimensions,
      tagNames.map((key) => series.tag(key) ?? ""),
    );
  }
}

export class Grouping {
  readonly #rule: GroupingRule;
  readonly #table: GroupTable;
  readonly #memo: SeriesMemo<Group>;
  /** By the list of tag keys, which series of one sort share. */
  readonly #named = new WeakMap<readonly string[], Dimensions>();
  readonly #unnamed = new WeakMap<readonly string[], Dimensions>();
  #only: Group | undefined;

  /** `slot` from `takeSlot`. */
  constructor(rule: GroupingRule, slot: number, table: GroupTable) {
    this.#rule = rule;
    this.#table = table;
    this.#memo = new SeriesMemo(slot);
  }

  /** The group of a point's series; `byName` as the incoming group has it (it sticks). */
  groupOf(series: Series, byName: boolean): Group {
    const wanted = byName || this.#rule.byName;
    if (this.#rule.tagNames.length === 0 && !wanted) return this.#single(series);
    const known = this.#memo.get(series);
    if (known !== undefined && !known.isOver && known.dimensions.byName === wanted) return known;
    return this.#memo.set(series, this.find(series, byName));
  }

  /** The same without remembering it in the series, for callers that remember more. */
  find(series: Series, byName: boolean): Group {
    const wanted = byName || this.#rule.byName;
    if (this.#rule.tagNames.length === 0 && !wanted) return this.#single(series);
    return this.#table.ofSeries(series, this.#dimensionsOf(series, wanted));
  }

  #single(series: Series): Group {
    if (this.#only === undefined || this.#only.isOver) {
      this.#only = this.#table.find(series.name, NO_DIMENSIONS, []);
    }
    return this.#only;
  }

  #dimensionsOf(series: Series, byName: boolean): Dimensions {
    const { tagNames } = this.#rule;
    const known = byName ? this.#named : this.#unnamed;
    const names = tagNames === "*" ? series.tagKeys : tagNames;
    let dimensions = known.get(names);
    if (dimensions === undefined) {
      const { exclude } = this.#rule;
      const kept = exclude.length === 0 ? names : names.filter((key) => !exclude.includes(key));
      dimensions = { byName, tagNames: kept };
      known.set(names, dimensions);
    }
    return dimensions;
  }
}
