/**
 * Groups: which points belong together, and what is remembered for them.
 *
 * A grouping node makes one `Group` per distinct value of its dimensions and passes it along with every
 * point, so no node below ever builds a key. Each downstream node keeps its own state for the group in the group
 * (slot numbers are dealt out per task, see engine/pipeline.ts); deleting a group drops it everywhere.
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

/** States that are fields. */
const STATE_FIELDS = 4;

/** Owner of groups that nobody takes back. */
const NO_OWNER = {};

/**
 * There may be millions of them, and each point visits one per task: what is seldom wanted is made on demand, and
 * the first states are fields, because each list between a point and its state is another cache miss.
 */
export class Group {
  /** Whoever made it; `undefined` when it is over, and whoever remembers the group has to find the new one. */
  owner: object | undefined;
  // What each point reads stands in front: it is then one line of the processor's cache.
  #state0: unknown;
  #state1: unknown;
  #state2: unknown;
  #state3: unknown;
  /** When a message of the group last passed, in the ticks of its task; kept only when idle groups expire. */
  seen = 0;
  /** Measurement of the group's first message. */
  readonly name: string;
  readonly dimensions: Dimensions;
  /** The group's tags, aligned with `dimensions.tagNames`; a missing tag is the empty string. */
  readonly tagValues: readonly string[];
  #states: unknown[] | undefined;
  #id: GroupId | undefined;
  #series: Series | undefined;

  constructor(
    name: string,
    dimensions: Dimensions,
    tagValues: readonly string[],
    owner: object = NO_OWNER,
  ) {
    this.owner = owner;
    this.name = name;
    this.dimensions = dimensions;
    this.tagValues = tagValues;
  }

  /** What a node keeps for the group in its slot, a number dealt out per task from 0. */
  state(slot: number): unknown {
    switch (slot) {
      case 0:
        return this.#state0;
      case 1:
        return this.#state1;
      case 2:
        return this.#state2;
      case 3:
        return this.#state3;
      default:
        return this.#states?.[slot - STATE_FIELDS];
    }
  }

  /** `undefined` forgets. */
  setState(slot: number, state: unknown): void {
    switch (slot) {
      case 0:
        this.#state0 = state;
        break;
      case 1:
        this.#state1 = state;
        break;
      case 2:
        this.#state2 = state;
        break;
      case 3:
        this.#state3 = state;
        break;
      default:
        this.#states ??= [];
        while (this.#states.length < slot - STATE_FIELDS) this.#states.push(undefined);
        this.#states[slot - STATE_FIELDS] = state;
    }
  }

  get isOver(): boolean {
    return this.owner === undefined;
  }

  get id(): GroupId {
    this.#id ??= groupIdOf(this.name, this.dimensions, this.tagValues);
    return this.#id;
  }

  /** The series of group-level output (aggregates, joins): name and group tags, no db and rp. */
  get series(): Series {
    if (this.#series === undefined) {
      const { keys, from, isSame } = seriesOrder(this.dimensions);
      const values = isSame ? this.tagValues : from.map((i) => this.tagValues[i] as string);
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
  /** True when the dimensions are in that order. */
  readonly isSame: boolean;
}

/** Groups of one grouping share their tag keys, so that lambdas see them as one sort of series. */
const seriesOrders = new WeakMap<Dimensions, SeriesOrder>();

function seriesOrder(dimensions: Dimensions): SeriesOrder {
  let order = seriesOrders.get(dimensions);
  if (order === undefined) {
    const { tagNames } = dimensions;
    const from = tagNames.map((_, i) => i);
    from.sort((a, b) => compareBytes(tagNames[a] as string, tagNames[b] as string));
    const keys = from.map((i) => tagNames[i] as string);
    order = { keys, from, isSame: from.every((from, i) => from === i) };
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
