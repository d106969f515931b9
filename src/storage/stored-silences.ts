/** Silences in the store, behind the alert core's port. */

import type { SilenceStore } from "#alert/ports.ts";
import type { SilenceChange } from "#alert/silence.ts";
import { silences } from "./kinds/silences.ts";
import { put, remove, type Store } from "./store.ts";

export class StoredSilences implements SilenceStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  *load(): Iterable<SilenceChange> {
    for (const [, change] of this.#store.table(silences).entries()) yield change;
  }

  put(change: SilenceChange): Promise<void> {
    return this.#store.commit([put(silences, change.silence.id, change)]);
  }

  remove(ids: readonly string[]): Promise<void> {
    return this.#store.commit(ids.map((id) => remove(silences, id)));
  }
}
