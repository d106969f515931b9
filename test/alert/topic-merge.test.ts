/** Which of two states of an event ID is kept, and what a deleted topic does to older ones. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EventState } from "#alert/event.ts";
import type { Level } from "#alert/level.ts";
import { DELETED_TOPICS_MAX } from "#alert/limits.ts";
import { TopicTable } from "#alert/topic-table.ts";
import { silentLog } from "#lib/log.ts";
import { MemoryStore } from "#storage/memory.ts";
import { StoredTopics } from "#storage/topic-states.ts";
import { bench, event, FakeKind, MemoryTopicStore, quiet, spec } from "./support.ts";

const table = (store = new MemoryTopicStore()): TopicTable => new TopicTable(store, silentLog);

interface Tie {
  readonly s?: number;
  readonly at?: number;
  readonly by?: string;
  readonly level?: Level;
  readonly message?: string;
}

function state({ s = 1, at, by = "m1", level = 1, message = "m" }: Tie): EventState {
  const known = {
    id: "i",
    message,
    details: "",
    time: { ms: s * 1000, ns: 0 },
    duration: 0,
    level,
  };
  return at === undefined ? known : { ...known, raisedAt: at, raisedBy: by };
}

const TIES: readonly (readonly [string, Tie, Tie])[] = [
  ["a later data time wins against all else", { s: 1, at: 9, level: 3 }, { s: 2, at: 5, level: 0 }],
  ["at one time the later stamp wins", { at: 5, level: 3, by: "a" }, { at: 6, level: 0, by: "z" }],
  ["any stamp wins against none", { level: 3 }, { at: 1, level: 0 }],
  [
    "at one stamp the higher level wins",
    { at: 5, level: 1, by: "a" },
    { at: 5, level: 2, by: "z" },
  ],
  ["without stamps too", { level: 1, message: "z" }, { level: 2, message: "a" }],
  [
    "at one level the lower member wins",
    { at: 5, by: "m2", message: "z" },
    { at: 5, by: "m1", message: "a" },
  ],
  ["what is left is decided by text, alike on all members", { message: "a" }, { message: "b" }],
];

describe("of two states", () => {
  test.each(TIES)("%s", (_title, loser, winner) => {
    const topics = table();
    expect(topics.merge("t", state(loser))).toBe(true);
    expect(topics.merge("t", state(winner))).toBe(true);
    expect(topics.merge("t", state(loser))).toBe(false);
    expect(topics.event("t", "i")).toEqual(state(winner));
  });

  test.each(TIES.filter(([, { at }]) => at !== undefined))("of events, %s", (_title, a, b) => {
    for (const [first, second] of [
      [a, b],
      [b, a],
    ] as const) {
      const topics = table();
      topics.record(event(state(first)));
      topics.record(event(state(second)));
      expect(topics.event("t", "i")).toEqual(state(b));
      expect(topics.get("t")?.collected).toBe(2);
    }
  });

  test("of events without stamps the one that came last is kept, as on a member alone", () => {
    const topics = table();
    for (const level of [3, 0, 1] as const) topics.record(event(state({ level })));
    expect(topics.event("t", "i")?.level).toBe(1);
    topics.record(event(state({ level: 2, at: 5 })));
    topics.record(event(state({ level: 0 })));
    expect(topics.event("t", "i")?.level).toBe(0);
  });

  test("what says the same is the same, whichever producer raised it", () => {
    const topics = table();
    topics.merge("t", state({ at: 5, by: "m1" }));
    expect(topics.merge("t", state({ at: 9, by: "m2" }))).toBe(false);
    expect(topics.merge("t", state({ at: 9, by: "m2", message: "other" }))).toBe(true);
  });

  test("an event whose state came first counts as the change, though its own stamp is older", () => {
    const topics = table();
    topics.merge("t", state({ s: 1, level: 0, at: 1 }));
    topics.merge("t", state({ s: 2, level: 3, at: 9 }));
    expect(topics.record(event(state({ s: 2, level: 3, at: 5 })))?.level).toBe(0);
    expect(topics.record(event(state({ s: 2, level: 3, at: 5 })))?.level).toBe(3);
  });

  test("members that take from each other until nothing changes hold the same", () => {
    const one = fc.record({
      s: fc.integer({ min: 1, max: 2 }),
      at: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      by: fc.constantFrom("m1", "m2"),
      level: fc.constantFrom<Level>(0, 1),
      message: fc.constantFrom("x", "y"),
    });
    fc.assert(
      fc.property(fc.array(fc.array(one), { minLength: 2, maxLength: 4 }), (all) => {
        const members = all.map((states) => {
          const topics = table();
          for (const { at, ...rest } of states) {
            topics.merge("t", state(at === undefined ? rest : { ...rest, at }));
          }
          return topics;
        });
        let moved = true;
        for (let rounds = 0; moved && rounds < 100; rounds++) {
          moved = false;
          for (const to of members) {
            for (const from of members) {
              const told = from.event("t", "i");
              if (told !== undefined && to.merge("t", told)) moved = true;
            }
          }
        }
        expect(moved).toBe(false);
        const held = members.map((topics) => {
          const { raisedAt: _at, raisedBy: _by, ...said } = topics.event("t", "i") ?? {};
          return JSON.stringify(said);
        });
        expect(new Set(held).size).toBe(1);
      }),
    );
  });
});

describe("a topic that was deleted", () => {
  const stamped = (id: string, at: number) => ({ ...state({ at }), id });

  test("takes no state that was raised before, and counts it", async () => {
    const topics = table();
    await topics.delete("t", { before: 5, by: "m1" });
    expect(topics.merge("t", stamped("a", 5))).toBe(false);
    expect(topics.merge("t", stamped("b", 6))).toBe(true);
    expect(topics.merge("u", stamped("a", 5))).toBe(true);
    expect(topics.merge("t", { ...state({}), id: "c" })).toBe(true);
    expect(topics.events("t", 0)?.map(({ id }) => id)).toEqual(["b", "c"]);
    expect(topics.discarded()).toBe(1);
  });

  test("keeps what its member raised after, also on disk", async () => {
    const store = new MemoryStore();
    const topics = new TopicTable(new StoredTopics(store), silentLog);
    for (let i = 0; i < 2_500; i++) topics.merge("t", stamped(`id${i}`, i));
    topics.merge("t", { ...state({ level: 3 }), id: "unstamped" });
    topics.merge("t", { ...state({ level: 3, at: 9_999, by: "m2" }), id: "by a clock ahead" });
    topics.merge("t2", stamped("other", 1));
    await topics.delete("t", { before: 2_496, by: "m1" });
    const left = ["id2497", "id2498", "id2499"];
    expect(topics.events("t", 0)?.map(({ id }) => id)).toEqual(left);
    expect(topics.get("t")?.level).toBe(1);
    const again = new TopicTable(new StoredTopics(store), silentLog);
    expect(again.events("t", 0)?.map(({ id }) => id)).toEqual(left);
    expect(again.events("t", 0)).toEqual(topics.events("t", 0) ?? []);
    expect(again.events("t2", 0)).toHaveLength(1);
  });

  test("is deleted whole where no stamp is told", async () => {
    const store = new MemoryStore();
    const topics = new TopicTable(new StoredTopics(store), silentLog);
    for (let i = 0; i < 1_001; i++) topics.merge("t", stamped(`id${i}`, i + 1));
    await topics.delete("t");
    expect(topics.get("t")).toBeUndefined();
    expect([...new StoredTopics(store).load()]).toEqual([]);
    expect(topics.merge("t", stamped("a", 1))).toBe(true);
  });

  test("an older deletion does not undo a newer one", async () => {
    const topics = table();
    await topics.delete("t", { before: 9, by: "m1" });
    topics.recallDeletion("t", 5);
    expect(topics.merge("t", stamped("a", 9))).toBe(false);
  });

  test("so many are remembered; beyond that the one deleted longest ago is forgotten", () => {
    const topics = table();
    for (let i = 0; i < DELETED_TOPICS_MAX; i++) topics.recallDeletion(`t${i}`, 5);
    topics.recallDeletion("t0", 5);
    topics.recallDeletion("one more", 5);
    expect(topics.merge("t0", stamped("a", 5))).toBe(false);
    expect(topics.merge("t1", stamped("a", 5))).toBe(true);
    expect(topics.merge("t2", stamped("a", 5))).toBe(false);
  });

  test("tells nobody of an event that was raised before, and says so", async () => {
    const fake = new FakeKind();
    const { service } = bench([fake.kind()]);
    service.set(spec());
    await service.delete("t", { before: 5, by: "m1" });
    service.publish(event({ id: "old", raisedAt: 5, raisedBy: "m1" }), "cluster");
    service.publish(event({ id: "new", raisedAt: 6, raisedBy: "m1" }), "cluster");
    service.publish(event({ id: "unstamped" }), "cluster");
    await quiet();
    expect(fake.ids()).toEqual(["new", "unstamped"]);
    expect(service.event("t", "old")).toBeUndefined();
    expect(service.discarded()).toBe(1);
    const [step] = service.trace("t", "old").flatMap(({ steps }) => steps);
    expect(step?.reason).toBe("it was raised before its topic was deleted");
  });
});
