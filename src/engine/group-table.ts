/**
 * All groups made by one node, found by their tag values.
 *
 * A hash table of numbers beside a list of groups: a group costs some 30 bytes here, where a `Map` from the text
 * of its ID cost 200, and with a hundred thousand series per task that is a large part of all memory. The ID is
 * only spelled out when somebody wants to see it.
 */

import { type Dimensions, Group } from "#model/group.ts";
import type { Series } from "#model/series.ts";

/** How many groups a task may have. */
export interface GroupBudget {
  /** One more; throws `Error` when there are too many. */
  take(): void;
  giveBack(): void;
}

/** Bounded by the budget given. */
export class GroupTable {
  /** Made when needed: most tables have groups of one sort, many have none. */
  #named: GroupIndex | undefined;
  #unnamed: GroupIndex | undefined;
  readonly #budget: GroupBudget | undefined;

  constructor(budget?: GroupBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return (this.#named?.size ?? 0) + (this.#unnamed?.size ?? 0);
  }

  /** In order of creation; those grouped by name last. Groups may be added and removed meanwhile. */
  *groups(): Generator<Group> {
    if (this.#unnamed !== undefined) yield* this.#unnamed.groups();
    if (this.#named !== undefined) yield* this.#named.groups();
  }

  /** Forgets a group; the next point of it makes a new one. */
  remove(group: Group): void {
    if (group.owner !== this) return;
    this.#index(group.dimensions).remove(group);
    group.owner = undefined;
    this.#budget?.giveBack();
  }

  /** The group of these tag values, made when missing. The values are kept, not copied. */
  find(name: string, dimensions: Dimensions, tagValues: readonly string[]): Group {
    const index = this.#index(dimensions);
    const hash = hashOf(dimensions.byName ? name : "", tagValues);
    const known = index.find(hash, name, dimensions, tagValues);
    if (known !== undefined) return known;
    this.#budget?.take();
    const group = new Group(name, dimensions, tagValues, this);
    index.add(hash, group);
    return group;
  }

  #index({ byName }: Dimensions): GroupIndex {
    if (byName) {
      this.#named ??= new GroupIndex();
      return this.#named;
    }
    this.#unnamed ??= new GroupIndex();
    return this.#unnamed;
  }

  /** The group of a series under given dimensions. */
  ofSeries(series: Series, dimensions: Dimensions): Group {
    const { tagNames } = dimensions;
    const values =
      tagNames === series.tagKeys ? series.tagValues : tagNames.map((key) => series.tag(key) ?? "");
    return this.find(series.name, dimensions, values);
  }
}

const FREE = 0;
const REMOVED = -1;
const FIRST_PLACES = 4;

/** Open addressing with linear probing, at most half full, removed places included. */
class GroupIndex {
  /** In order of creation, with gaps where groups were removed. */
  #groups: (Group | undefined)[] = [];
  #hashes = new Int32Array(FIRST_PLACES);
  /** Index into `#groups` plus one. */
  #places = new Int32Array(FIRST_PLACES);
  #used = 0;
  size = 0;

  *groups(): Generator<Group> {
    // By index: the list may grow meanwhile, and closing its gaps may make this skip groups, which does no harm.
    for (let i = 0; i < this.#groups.length; i++) {
      const group = this.#groups[i];
      if (group !== undefined) yield group;
    }
  }

  find(
    hash: number,
    name: string,
    dimensions: Dimensions,
    tagValues: readonly string[],
  ): Group | undefined {
    const mask = this.#places.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const place = this.#places[i] as number;
      if (place === FREE) return undefined;
      if (place === REMOVED || this.#hashes[i] !== hash) continue;
      const group = this.#groups[place - 1];
      if (group !== undefined && isSame(group, name, dimensions, tagValues)) return group;
    }
  }

  add(hash: number, group: Group): void {
    if ((this.#used + 1) * 2 > this.#places.length) this.#rebuild();
    this.#groups.push(group);
    this.#place(hash, this.#groups.length);
    this.size++;
  }

  remove(group: Group): void {
    const hash = hashOfGroup(group);
    const mask = this.#places.length - 1;
    for (let i = hash & mask; this.#places[i] !== FREE; i = (i + 1) & mask) {
      const place = this.#places[i] as number;
      if (place === REMOVED || this.#groups[place - 1] !== group) continue;
      this.#places[i] = REMOVED;
      this.#groups[place - 1] = undefined;
      this.size--;
      return;
    }
  }

  #place(hash: number, place: number): void {
    const mask = this.#places.length - 1;
    let i = hash & mask;
    while (this.#places[i] !== FREE) i = (i + 1) & mask;
    this.#places[i] = place;
    this.#hashes[i] = hash;
    this.#used++;
  }

  /** Closes gaps, and makes room when it is really full. */
  #rebuild(): void {
    const groups = this.#groups;
    const hashes = this.#hashesByGroup();
    let length = FIRST_PLACES;
    while (length < (this.size + 1) * 3) length *= 2;
    this.#groups = [];
    this.#hashes = new Int32Array(length);
    this.#places = new Int32Array(length);
    this.#used = 0;
    for (let i = 0; i < groups.length; i++) {
      if (groups[i] !== undefined) this.#place(hashes[i] as number, this.#groups.push(groups[i]));
    }
  }

  /** Aligned with `#groups`. */
  #hashesByGroup(): Int32Array {
    const hashes = new Int32Array(this.#groups.length);
    this.#places.forEach((place, i) => {
      if (place > FREE) hashes[place - 1] = this.#hashes[i] as number;
    });
    return hashes;
  }
}

function isSame(
  group: Group,
  name: string,
  dimensions: Dimensions,
  tagValues: readonly string[],
): boolean {
  if (dimensions.byName && group.name !== name) return false;
  if (!areEqual(group.tagValues, tagValues)) return false;
  return (
    group.dimensions === dimensions || areEqual(group.dimensions.tagNames, dimensions.tagNames)
  );
}

function areEqual(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function hashOfGroup({ name, dimensions, tagValues }: Group): number {
  return hashOf(dimensions.byName ? name : "", tagValues);
}

function hashOf(name: string, tagValues: readonly string[]): number {
  let hash = hashText(0x2f0b4a27, name);
  for (let i = 0; i < tagValues.length; i++) hash = hashText(hash, tagValues[i] as string);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function hashText(start: number, text: string): number {
  let hash = Math.imul(start ^ text.length, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}
