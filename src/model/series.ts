/**
 * A series: database, retention policy, measurement and tag set, interned and shared by its points.
 *
 * Parsed tags are kept once per series instead of once per point. `slots` lets a node remember what it
 * computed from the tags alone (its group, the answer of a tag-only filter) without a map look-up per
 * point: a node takes a slot number with `takeSlot` when it starts and gives it back when it stops. A slot
 * may hold a leftover of an earlier owner, so what is stored must name its owner and be checked.
 */

/** What the series of one measurement share. */
export interface SeriesHome {
  /** Like `Series.slots`, for what depends on the measurement alone. */
  readonly slots: unknown[];
}

/** Many series, those of groups for example, never keep anything. */
const NO_SLOTS: readonly unknown[] = [];

export class Series {
  readonly db: string;
  readonly rp: string;
  readonly name: string;
  /** Tag keys in ascending byte order, without empty values. */
  readonly tagKeys: readonly string[];
  readonly tagValues: readonly string[];
  /** Whose series it is one of: same object, same measurement. Absent for series that are not interned. */
  readonly home: SeriesHome | undefined;
  /** Number in `home`, counted from 0: with it, what is known of each of its series fits in a list. */
  readonly place: number;
  /** Per-node caches, see above. Written by `keep`. */
  slots: readonly unknown[] = NO_SLOTS;

  constructor(
    db: string,
    rp: string,
    name: string,
    tagKeys: readonly string[],
    tagValues: readonly string[],
    home?: SeriesHome,
    place = -1,
  ) {
    this.db = db;
    this.rp = rp;
    this.name = name;
    this.tagKeys = tagKeys;
    this.tagValues = tagValues;
    this.home = home;
    this.place = place;
  }

  /** Puts a value into a slot. */
  keep(slot: number, value: unknown): void {
    if (this.slots === NO_SLOTS) this.slots = [];
    const slots = this.slots as unknown[];
    while (slots.length < slot) slots.push(undefined);
    slots[slot] = value;
  }

  /** The value of a tag, or `undefined`. Linear: tag sets are small. */
  tag(key: string): string | undefined {
    const at = this.tagKeys.indexOf(key);
    return at < 0 ? undefined : this.tagValues[at];
  }

  /** The tags as a plain object in key order. For templates and results, not for hot paths. */
  tags(): Record<string, string> {
    const out: Record<string, string> = {};
    this.tagKeys.forEach((key, i) => {
      out[key] = this.tagValues[i] as string;
    });
    return out;
  }
}

/** A series from an unsorted tag map; empty values are dropped. Not interned. */
export function makeSeries(
  db: string,
  rp: string,
  name: string,
  tags: Readonly<Record<string, string>>,
): Series {
  const keys = Object.keys(tags)
    .filter((key) => tags[key] !== "")
    .sort();
  return new Series(
    db,
    rp,
    name,
    keys,
    keys.map((key) => tags[key] as string),
  );
}

const freeSlots: number[] = [];
let nextSlot = 0;

/** Reserves a number for `Series.slots`, unique among current holders. */
export function takeSlot(): number {
  return freeSlots.pop() ?? nextSlot++;
}

/** Gives a slot number back. Values stored under it may still be found by the next holder. */
export function releaseSlot(slot: number): void {
  freeSlots.push(slot);
}
