/**
 * Topic states in the store, behind the alert core's port; and the form of it that forgets (`persist-topics`
 * off).
 *
 * Of the states that an ID takes within one turn of the event loop only the last is written: a run of points may raise
 * hundreds of events.
 */

import type { EventState } from "#alert/event.ts";
import type { TopicStore } from "#alert/ports.ts";
import { isStorableKey } from "./encode.ts";
import { topicEventKey, topicEvents, topicPrefix } from "./kinds/topic-events.ts";
import { TOPIC_STATES_PER_COMMIT } from "./limits.ts";
import { put, remove, type Store, type Write } from "./store.ts";

/** Rows removed per commit when a topic is deleted. */
const DELETE_ROWS_MAX = 1_000;

/** States that are written together at the end of the turn. */
interface Turn {
  readonly writes: Map<string, Write>;
  readonly stored: PromiseWithResolvers<void>;
}

export class StoredTopics implements TopicStore {
  readonly #store: Store;
  #turn: Turn | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  *load(): Iterable<{ readonly topic: string; readonly state: EventState }> {
    for (const [, row] of this.#store.table(topicEvents).entries()) yield row;
  }

  put(topic: string, state: EventState): Promise<void> {
    const key = topicEventKey(topic, state.id);
    const write = put(topicEvents, key, { topic, state });
    // What cannot be stored must not take the others with it.
    if (!isStorableKey(key)) return this.#store.commit([write]);
    let turn = this.#turn;
    if (turn === undefined) {
      turn = { writes: new Map(), stored: Promise.withResolvers() };
      this.#turn = turn;
      // After those who act at the end of this turn: a send is on its way while its state is being written.
      queueMicrotask(() => queueMicrotask(() => this.#endTurn()));
    }
    turn.writes.set(key, write);
    if (turn.writes.size >= TOPIC_STATES_PER_COMMIT) this.#endTurn();
    return turn.stored.promise;
  }

  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn === undefined) return;
    const { resolve, reject } = turn.stored;
    this.#store.commit([...turn.writes.values()]).then(resolve, reject);
  }

  async deleteTopic(topic: string, isKept = (_state: EventState) => false): Promise<void> {
    this.#endTurn();
    const table = this.#store.table(topicEvents);
    const page = { prefix: topicPrefix(topic), limit: DELETE_ROWS_MAX };
    let after: string | undefined;
    for (;;) {
      const rows = table.entries(after === undefined ? page : { ...page, after });
      if (rows.length === 0) return;
      const gone = rows.filter(([, { state }]) => !isKept(state));
      await this.#store.commit(gone.map(([key]) => remove(topicEvents, key)));
      // What is kept stays before the next page.
      if (gone.length < rows.length) after = rows.at(-1)?.[0];
    }
  }
}

/** Keeps nothing across restarts. */
export const FORGETTING_TOPICS: TopicStore = {
  load: () => [],
  put: () => Promise.resolve(),
  deleteTopic: () => Promise.resolve(),
};
