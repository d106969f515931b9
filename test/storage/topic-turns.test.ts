/** How topic states are written: of one turn only the last of each ID, none lost beside one that cannot be stored. */

import { expect, test } from "bun:test";
import type { EventState } from "#alert/event.ts";
import { CRITICAL } from "#alert/level.ts";
import { topicEvents } from "#storage/kinds/topic-events.ts";
import { TOPIC_STATES_PER_COMMIT } from "#storage/limits.ts";
import { MemoryStore } from "#storage/memory.ts";
import type { Write } from "#storage/store.ts";
import { StoredTopics } from "#storage/topic-states.ts";

class CountingStore extends MemoryStore {
  readonly lengths: number[] = [];

  override commit(writes: readonly Write[]): Promise<void> {
    this.lengths.push(writes.length);
    return super.commit(writes);
  }
}

const state = (id: string, ms: number): EventState => ({
  ...{ id, message: `${id} at ${ms}`, details: "", duration: 0, level: CRITICAL },
  time: { ms, ns: 0 },
});

const stored = (topics: StoredTopics): unknown[] =>
  [...topics.load()].map((one) => [one.topic, one.state.id, one.state.time.ms]);

test("of the states of one turn the last of each ID is written, in one commit", async () => {
  const store = new CountingStore([topicEvents]);
  const topics = new StoredTopics(store);
  const puts = [1, 2, 3].flatMap((ms) => ["a", "b"].map((id) => topics.put("t", state(id, ms))));
  await Promise.all([...puts, topics.put("u", state("a", 1))]);
  expect(store.lengths).toEqual([3]);
  expect(stored(topics)).toEqual([
    ["t", "a", 3],
    ["t", "b", 3],
    ["u", "a", 1],
  ]);
  await topics.put("t", state("a", 4));
  expect(store.lengths).toEqual([3, 1]);
});

test("what acts at the end of the turn comes before the write", async () => {
  const store = new CountingStore([topicEvents]);
  const topics = new StoredTopics(store);
  const put = topics.put("t", state("a", 1));
  let writtenBefore: number | undefined;
  queueMicrotask(() => {
    writtenBefore = store.lengths.length;
  });
  await put;
  expect(writtenBefore).toBe(0);
  expect(store.lengths).toEqual([1]);
});

test("more states than one commit takes are written in several", async () => {
  const store = new CountingStore([topicEvents]);
  const topics = new StoredTopics(store);
  const ids = Array.from({ length: TOPIC_STATES_PER_COMMIT + 1 }, (_, i) => `${i}`);
  await Promise.all(ids.map((id) => topics.put("t", state(id, 1))));
  expect(store.lengths).toEqual([TOPIC_STATES_PER_COMMIT, 1]);
});

test("a state that cannot be stored takes no other with it", async () => {
  const topics = new StoredTopics(new MemoryStore([topicEvents]));
  const outcomes = await Promise.allSettled([
    topics.put("t", state("a", 1)),
    topics.put("t", state("\ud800", 1)),
    topics.put("t", state("x".repeat(16 * 1024), 1)),
    topics.put("t", state("b", 1)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual([
    ...["fulfilled", "rejected", "rejected", "fulfilled"],
  ] as never);
  expect(stored(topics).length).toBe(2);
});

test("a topic that is deleted does not come back by what was put before", async () => {
  const topics = new StoredTopics(new MemoryStore([topicEvents]));
  const put = topics.put("t", state("a", 1));
  await topics.deleteTopic("t");
  await put;
  expect(stored(topics)).toEqual([]);
});
