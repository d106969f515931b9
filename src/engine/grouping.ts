/**
 * Groups of one grouping node: which group a series belongs to, found once per series.
 *
 * The group is looked up when the first point of a series is seen; later points find it in the series. Two series with the same key share one `Group`. Grouping with `*` takes all tags of each
 * series, in key order.
 */

import { compareBytes } from "#lib/json.ts";
import { type Dimensions, type Group, NO_DIMENSIONS } from "#model/group.ts";
import type { Series } from "#model/series.ts";
import type { TickValue } from "#tick/environment.ts";
import { goTypeOf } from "./calls.ts";
import type { GroupTable } from "./group-table.ts";
import { OwnedMemo } from "./series-memo.ts";

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

export class Grouping {
  readonly #rule: GroupingRule;
  readonly #table: GroupTable;
  readonly #memo: OwnedMemo<Group>;
  /** By the list of tag keys, which series of one sort share. */
  readonly #named = new WeakMap<readonly string[], Dimensions>();
  readonly #unnamed = new WeakMap<readonly string[], Dimensions>();
  #only: Group | undefined;

  /** `slot` from `takeSlot`; −1 for those who call `find` alone. */
  constructor(rule: GroupingRule, slot: number, table: GroupTable) {
    this.#rule = rule;
    this.#table = table;
    this.#memo = new OwnedMemo(slot, table);
  }

  /** The group of a point's series; `byName` as the incoming group has it (it sticks). */
  groupOf(series: Series, byName: boolean): Group {
    const wanted = byName || this.#rule.byName;
    if (this.#rule.tagNames.length === 0 && !wanted) return this.#single(series);
    const known = this.#memo.get(series);
    if (known !== undefined && known.dimensions.byName === wanted) return known;
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
