/**
 * What a node has computed from a series' tags alone, remembered in the series itself.
 *
 * Series are interned, so the second point of a series finds its group, its filter answer or its changed tag
 * set with one array read. Slot numbers are reused when tasks stop; every entry names its owner and
 * is ignored by others. This is the one spot where the type of an entry is put back.
 */

import type { Series } from "#model/series.ts";

/**
 * The same for values that name their owner themselves and are shared or needed anyway: no entry per series. A
 * value is forgotten when its owner changes.
 */
export class OwnedMemo<T extends { readonly owner: unknown }> {
  readonly #slot: number;
  readonly #owner: object;

  /** `slot` comes from `takeSlot` (`NodeContext.seriesSlot`). */
  constructor(slot: number, owner: object) {
    this.#slot = slot;
    this.#owner = owner;
  }

  get(series: Series): T | undefined {
    const value = series.slots[this.#slot] as T | undefined;
    return value !== undefined && value.owner === this.#owner ? value : undefined;
  }

  set(series: Series, value: T): T {
    series.keep(this.#slot, value);
    return value;
  }
}

interface Entry<T> {
  readonly owner: SeriesMemo<T>;
  readonly value: T;
}

export class SeriesMemo<T> {
  readonly #slot: number;

  /** `slot` comes from `takeSlot` (`NodeContext.seriesSlot`). */
  constructor(slot: number) {
    this.#slot = slot;
  }

  get(series: Series): T | undefined {
    const entry = series.slots[this.#slot] as Entry<T> | undefined;
    return entry !== undefined && entry.owner === this ? entry.value : undefined;
  }

  set(series: Series, value: T): T {
    series.keep(this.#slot, { owner: this, value } satisfies Entry<T>);
    return value;
  }
}
