/** Topic states: true levels, counts, restoring, deleting. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CRITICAL, INFO, type Level, OK, WARNING } from "#alert/level.ts";
import { TopicTable } from "#alert/topic-table.ts";
import { silentLog } from "#lib/log.ts";
import { bench, event, FakeKind, MemoryTopicStore, quiet, spec } from "./support.ts";

const table = (store = new MemoryTopicStore()): TopicTable => new TopicTable(store, silentLog);
const at = (second: number) => ({ ms: second * 1000, ns: 0 });

describe("levels", () => {
  test("a topic's level is the highest of its events, whatever their order", () => {
    const topics = table();
    topics.record(event({ id: "a", level: OK }));
    topics.record(event({ id: "b", level: OK }));
    topics.record(event({ id: "c", level: CRITICAL }));
    expect(topics.get("t")).toEqual({ id: "t", level: CRITICAL, collected: 3 });
    expect(topics.events("t", CRITICAL)?.map((state) => state.id)).toEqual(["c"]);
  });

  test.each([
    [OK, ["a", "b", "c"]],
    [INFO, ["b", "c"]],
    [WARNING, ["b", "c"]],
    [CRITICAL, ["c"]],
  ] as const)("min-level %p lists everything at or above it", (minLevel, want) => {
    const topics = table();
    topics.record(event({ id: "a", level: OK }));
    topics.record(event({ id: "b", level: WARNING }));
    topics.record(event({ id: "c", level: CRITICAL }));
    expect(topics.events("t", minLevel)?.map((state) => state.id)).toEqual([...want]);
  });

  test("level and list agree with a plain model after any events", () => {
    const some = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 0, max: 3 })));
    fc.assert(
      fc.property(some, (events) => {
        const topics = table();
        const model = new Map<string, number>();
        events.forEach(([id, level], i) => {
          topics.record(event({ id, level: level as Level, time: at(i) }));
          model.set(id, level);
        });
        const level = Math.max(0, ...model.values());
        expect(topics.get("t")?.level ?? 0).toBe(level as Level);
        expect(topics.get("t")?.collected ?? 0).toBe(events.length);
      }),
    );
  });
});

describe("states", () => {
  test("the level before is the stored one", () => {
    const topics = table();
    expect(topics.record(event({ level: WARNING, time: at(1) }))).toBeUndefined();
    expect(topics.record(event({ level: OK, time: at(2) }))?.level).toBe(WARNING);
  });

  test("a late event is counted and does not undo a newer state", () => {
    const topics = table();
    topics.record(event({ level: OK, time: at(10) }));
    topics.record(event({ level: CRITICAL, time: at(5) }));
    expect(topics.event("t", "cpu:host=h1")?.level).toBe(OK);
    expect(topics.get("t")?.collected).toBe(2);
  });

  test("states come back after a restart, counts do not", async () => {
    const store = new MemoryTopicStore();
    table(store).record(event({ level: WARNING }));
    await quiet();
    const again = table(store);
    expect(again.get("t")).toEqual({ id: "t", level: WARNING, collected: 0 });
    expect(again.event("t", "cpu:host=h1")?.message).toBe("cpu:host=h1 is CRITICAL");
  });

  test("a failing store is counted and stops nothing", async () => {
    const store = new MemoryTopicStore();
    store.fails = true;
    const topics = table(store);
    topics.record(event());
    await quiet();
    expect(topics.get("t")?.level).toBe(CRITICAL);
    expect(topics.storeFailures()).toBe(1);
  });

  test("a state that is refused at once does not end the wait for those on their way", async () => {
    const store = new MemoryTopicStore();
    const disk = Promise.withResolvers<void>();
    store.put = (_topic, { id }) =>
      id === "refused" ? Promise.reject(new Error("key too long")) : disk.promise;
    const topics = table(store);
    let isSettled = false;
    topics.record(event({ id: "slow" }));
    topics.record(event({ id: "refused" }));
    const settled = topics.settled().then(() => {
      isSettled = true;
    });
    await quiet();
    expect({ isSettled, failures: topics.storeFailures() }).toEqual({
      isSettled: false,
      failures: 1,
    });
    disk.resolve();
    await settled;
    expect(isSettled).toBe(true);
  });

  test("deleting forgets memory and store", async () => {
    const store = new MemoryTopicStore();
    const topics = table(store);
    topics.record(event());
    await topics.delete("t");
    expect(topics.get("t")).toBeUndefined();
    expect([...store.load()]).toEqual([]);
  });
});

describe("lists", () => {
  const topics = table();
  for (const topic of ["main:cpu:alert2", "system", "sys/a"]) topics.record(event({ topic }));

  test.each([
    ["", ["main:cpu:alert2", "sys/a", "system"]],
    ["sys*", ["system"]],
    ["*:*", ["main:cpu:alert2"]],
    ["none", []],
  ] as const)("pattern %p", (pattern, want) => {
    expect(topics.list(pattern, OK).map((topic) => topic.id)).toEqual([...want]);
  });

  test("a bad pattern is an error", () => {
    expect(() => topics.list("[", OK)).toThrow("syntax error in pattern");
  });
});

test("deleting a topic keeps its handlers attached", async () => {
  const fake = new FakeKind();
  const { service, ownership } = bench([fake.kind()]);
  service.set(spec());
  service.publish(event(), "cluster");
  await service.delete("t");
  expect(service.get("t")).toBeUndefined();
  expect(ownership.forgotten).toEqual(["t"]);
  service.publish(event({ time: at(9999) }), "cluster");
  await quiet();
  expect(fake.sent.length).toBe(2);
  expect(service.get("t")?.collected).toBe(1);
});

test("a handler makes its topic exist", () => {
  const { service } = bench([new FakeKind().kind()]);
  expect(service.get("t")).toBeUndefined();
  service.set(spec());
  expect(service.get("t")).toEqual({ id: "t", level: OK, collected: 0 });
});

test("the count goes on from the larger one of another member, and never back", () => {
  const topics = table();
  topics.mergeCollected("t", 9);
  expect(topics.get("t")).toBeUndefined();
  topics.record(event({ id: "a" }));
  topics.mergeCollected("t", 9);
  topics.mergeCollected("t", 4);
  topics.record(event({ id: "a" }));
  expect(topics.get("t")?.collected).toBe(10);
});
