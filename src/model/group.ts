/**
 * Groups: which points belong together, and what is remembered for them.
 *
 * A grouping node makes one `Group` per distinct value of its dimensions and passes it along with every
 * point, so no node below ever builds a key. `slots` holds each downstream node's own state for the group
 * (slot numbers are dealt out per task, see engine/task.ts); deleting a group drops it everywhere.
 */

import { compareBytes } from "#lib/json.ts";
import { Series } from "./series.ts";

declare const groupId: unique symbol;
/** Text form of a group, see `groupIdOf`. */
export type GroupId = string & { readonly [groupId]: true };

/** What a stream or batch is grouped by. `tagNames` in the order in which they make up the group's ID. */
export interface Dimensions {
  readonly byName: boolean;
  readonly tagNames: readonly string[];
}

export const NO_DIMENSIONS: Dimensions = { byName: false, tagNames: [] };

export class Group {
  readonly id: GroupId;
  /** Measurement of the group's first message. */
  readonly name: string;
  readonly dimensions: Dimensions;
  /** The group's tags, aligned with `dimensions.tagNames`; a missing tag is the empty string. */
  readonly tagValues: readonly string[];
  /** When a message of the group last passed, in the ticks of its task; kept only when idle groups expire. */
  seen = 0;
  /** True when its node has forgotten it: whoever remembers the group has to find the new one. */
  isOver = false;
  /** State of the nodes of one task, by slot. */
  readonly slots: unknown[] = [];
  #series: Series | undefined;

  constructor(name: string, dimensions: Dimensions, tagValues: readonly string[]) {
    this.id = groupIdOf(name, dimensions, tagValues);
    this.name = name;
    this.dimensions = dimensions;
    this.tagValues = tagValues;
  }

  /** The series of group-level output (aggregates, joins): name and group tags, no db and rp. */
  get series(): Series {
    if (this.#series === undefined) {
      const { keys, from } = seriesOrder(this.dimensions);
      const values = from.map((i) => this.tagValues[i] as string);
      const full = !values.includes("");
      this.#series = new Series(
        "",
        "",
        this.name,
        full ? keys : keys.filter((_, i) => values[i] !== ""),
        full ? values : values.filter((value) => value !== ""),
      );
    }
    return this.#series;
  }
}

interface SeriesOrder {
  /** The dimensions' tag names in ascending byte order. */
  readonly keys: readonly string[];
  /** For each of `keys`, its index in the dimensions. */
  readonly from: readonly number[];
}

/** Groups of one grouping share their tag keys, so that lambdas see them as one sort of series. */
const seriesOrders = new WeakMap<Dimensions, SeriesOrder>();

function seriesOrder(dimensions: Dimensions): SeriesOrder {
  let order = seriesOrders.get(dimensions);
  if (order === undefined) {
    const { tagNames } = dimensions;
    const from = tagNames.map((_, i) => i);
    from.sort((a, b) => compareBytes(tagNames[a] as string, tagNames[b] as string));
    order = { keys: from.map((i) => tagNames[i] as string), from };
    seriesOrders.set(dimensions, order);
  }
  return order;
}

/** No dimensions: the name when grouped by name, else "". Otherwise `[name\n]k1=v1,k2=v2`. */
export function groupIdOf(
  name: string,
  dimensions: Dimensions,
  tagValues: readonly string[],
): GroupId {
  const { byName, tagNames } = dimensions;
  if (tagNames.length === 0) return (byName ? name : "") as GroupId;
  let id = byName ? `${name}\n` : "";
  tagNames.forEach((key, i) => {
    id += `${i === 0 ? "" : ","}${key}=${tagValues[i] ?? ""}`;
  });
  return id as GroupId;
}
