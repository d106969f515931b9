/**
 * Counters that a handler kind keeps beside its queue's, under names and tags that dashboards of the original know.
 */

import { KIND_COUNTS_MAX } from "./limits.ts";

export interface KindCount {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, number>>;
}

export class KindCounts {
  readonly #series = new Map<string, KindCount & { readonly values: Record<string, number> }>();

  /** Adds one. At `KIND_COUNTS_MAX` series further ones are not counted. */
  add(name: string, tags: Readonly<Record<string, string>>, counter: string): void {
    const key = JSON.stringify([name, tags]);
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= KIND_COUNTS_MAX) return;
      series = { name, tags, values: {} };
      this.#series.set(key, series);
    }
    series.values[counter] = (series.values[counter] ?? 0) + 1;
  }

  all(): readonly KindCount[] {
    return [...this.#series.values()].map((one) => ({ ...one, values: { ...one.values } }));
  }
}
