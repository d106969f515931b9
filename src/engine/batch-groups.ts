/**
 * The groups of a source of batches: one per set of tags, the same object every time, since nodes keep their
 * state in it. Dimensions are the sorted keys of the tags; a tag without value keeps its place in the ID.
 */

import { compareBytes } from "#lib/json.ts";
import type { Dimensions, Group } from "#model/group.ts";
import { GroupTable } from "./group-table.ts";

export class BatchGroups {
  readonly #table: GroupTable;
  /** By keys; series of one query mostly have the same. */
  readonly #dimensions = new Map<string, Dimensions>();

  /** `table` is where the groups are kept; a node gives its own, so that they can be saved and expire. */
  constructor(table: GroupTable = new GroupTable()) {
    this.#table = table;
  }

  find(name: string, tags: Readonly<Record<string, string>>, byName: boolean): Group {
    const keys = Object.keys(tags).sort(compareBytes);
    const text = `${byName}${JSON.stringify(keys)}`;
    let dimensions = this.#dimensions.get(text);
    if (dimensions === undefined) {
      dimensions = { byName, tagNames: keys };
      this.#dimensions.set(text, dimensions);
    }
    return this.#table.find(
      name,
      dimensions,
      keys.map((key) => tags[key] as string),
    );
  }
}
