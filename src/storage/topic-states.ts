/**
 * Topic states in the store, behind the alert core's port; and the form of it that forgets (`persist-topics`
 * off).
 */

import type { EventState } from "#alert/event.ts";
import type { TopicStore } from "#alert/ports.ts";
import { topicEventKey, topicEvents, topicPrefix } from "./kinds/topic-events.ts";
import { put, remove, type Store } from "./store.ts";

/** Rows removed per commit when a topic is deleted. */
const DELETE_ROWS_MAX = 1_000;

export class StoredTopics implements TopicStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  *load(): Iterable<{ readonly topic: string; readonly state: EventState }> {
    for (const [, row] of this.#store.table(topicEvents).entries()) yield row;
  }

  put(topic: string, state: EventState): Promise<void> {
    return this.#store.commit([put(topicEvents, topicEventKey(topic, state.id), { topic, state })]);
  }

  async deleteTopic(topic: string): Promise<void> {
    const table = this.#store.table(topicEvents);
    for (;;) {
      const rows = table.entries({ prefix: topicPrefix(topic), limit: DELETE_ROWS_MAX });
      if (rows.length === 0) return;
      await this.#store.commit(rows.map(([key]) => remove(topicEvents, key)));
    }
  }
}

/** Keeps nothing across restarts. */
export const FORGETTING_TOPICS: TopicStore = {
  load: () => [],
  put: () => Promise.resolve(),
  deleteTopic: () => Promise.resolve(),
};
