/**
 * States of tasks in the store, behind the engine's port: one row per task, replaced as a whole, and only when
 * it has changed.
 */

import type { SnapshotStore } from "#engine/ports.ts";
import { nodeSnapshots } from "./kinds/node-snapshots.ts";
import { put, remove, StorageError, type Store } from "./store.ts";

type Snapshot = Parameters<SnapshotStore["save"]>[1];

export class StoredSnapshots implements SnapshotStore {
  readonly #store: Store;
  /** Hash of what is stored, by task. */
  readonly #stored = new Map<string, number | bigint>();

  constructor(store: Store) {
    this.#store = store;
  }

  load(task: string): Snapshot | undefined {
    const text = this.#store.table(nodeSnapshots).get(task);
    return text === undefined ? undefined : parse(task, text);
  }

  async save(task: string, snapshot: Snapshot): Promise<void> {
    const text = JSON.stringify(snapshot);
    const hash = Bun.hash(text);
    if (this.#stored.get(task) === hash) return;
    this.#stored.set(task, hash);
    try {
      await this.#store.commit([put(nodeSnapshots, task, text)]);
    } catch (error) {
      this.#stored.delete(task);
      throw error;
    }
  }

  /** The task is gone; an unknown one is fine. */
  async delete(task: string): Promise<void> {
    this.#stored.delete(task);
    if (!this.#store.table(nodeSnapshots).has(task)) return;
    await this.#store.commit([remove(nodeSnapshots, task)]);
  }
}

function parse(task: string, text: string): Snapshot {
  try {
    return JSON.parse(text) as Snapshot;
  } catch (error) {
    throw new StorageError(`the stored state of task ${task} is no JSON`, { cause: error });
  }
}
