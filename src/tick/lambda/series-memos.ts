/**
 * Results of the tag-only parts of one lambda, remembered in each series it meets.
 *
 * A lambda takes one slot number of `Series.slots` when it first has something worth remembering, and at most
 * `MEMO_LAMBDAS_MAX` lambdas do at a time: slots cost memory in every series. The number goes back when
 * the lambda is collected. Entries name their owner by a number that is never reused, so a leftover of an
 * earlier holder of the slot is ignored, and an entry does not keep its lambda alive.
 */

import { releaseSlot, type Series, takeSlot } from "#model/series.ts";
import type { Expression } from "../ast.ts";
import { MEMO_LAMBDAS_MAX } from "../limits.ts";
import type { LambdaValue } from "./value.ts";

interface Entry {
  readonly owner: number;
  readonly results: (LambdaValue | undefined)[];
}

let owners = 0;
let openCount = 0;

const released = new FinalizationRegistry<number>((slot) => {
  releaseSlot(slot);
  openCount--;
});

export class SeriesMemos {
  /** Names this lambda in entries; generated code checks it without a call. */
  readonly owner = ++owners;
  readonly #sites = new Map<Expression, number>();
  #slot = -1;

  /** The slot held, or −1. */
  get slot(): number {
    return this.#slot;
  }

  /** Takes a slot if there is none yet; false when too many lambdas hold one. */
  open(): boolean {
    if (this.#slot >= 0) return true;
    if (openCount >= MEMO_LAMBDAS_MAX) return false;
    openCount++;
    this.#slot = takeSlot();
    released.register(this, this.#slot);
    return true;
  }

  /** The index of a sub-expression's result. */
  site(node: Expression): number {
    const known = this.#sites.get(node);
    if (known !== undefined) return known;
    this.#sites.set(node, this.#sites.size);
    return this.#sites.size - 1;
  }

  /** The remembered results of a series, empty at first. Only after `open`. */
  of(series: Series): (LambdaValue | undefined)[] {
    const entry = series.slots[this.#slot] as Entry | undefined;
    if (entry !== undefined && entry.owner === this.owner) return entry.results;
    const results = new Array<LambdaValue | undefined>(this.#sites.size).fill(undefined);
    series.keep(this.#slot, { owner: this.owner, results } satisfies Entry);
    return results;
  }
}
