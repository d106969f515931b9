import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EventState } from "#alert/event.ts";
import { type Level, OK } from "#alert/level.ts";
import type { TopicStates } from "#alert/ports.ts";
import { TopicTable } from "#alert/topic-table.ts";
import { EventStamps } from "#cluster/event-stamps.ts";
import { lastOf } from "#cluster/ownership/hybrid-clock.ts";
import { ClusterTopics } from "#cluster/replicate/cluster-topics.ts";
import { bucketDigests, bucketOf, topicDigest } from "#cluster/replicate/topic-digests.ts";
import { TopicSync } from "#cluster/replicate/topic-sync.ts";
import { VirtualClock } from "#lib/clock.ts";
import { logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import { FORGETTING_TOPICS } from "#storage/topic-states.ts";
import { FakeNetwork, memberId, promises } from "#test/cluster/rpc/fake-network.ts";

const LOG = logTo(() => {});

function state(id: string, seconds: number, level: Level = 2, message = "m"): EventState {
  return { id, message, details: "", time: { ms: seconds * 1000, ns: 7 }, duration: 5, level };
}

function table(): TopicStates {
  const topics = new TopicTable(FORGETTING_TOPICS, LOG);
  return {
    list: (pattern, minLevel) => topics.list(pattern, minLevel),
    get: (topic) => topics.get(topic),
    events: (topic, minLevel) => topics.events(topic, minLevel),
    event: (topic, id) => topics.event(topic, id),
    delete: (topic) => topics.delete(topic),
    mergeState: (topic, one) => topics.merge(topic, one),
  };
}

/** Two members with their topics; the owners of every topic are given. */
function pair(owners: readonly number[] = [1, 2]) {
  const network = new FakeNetwork();
  const clock = new VirtualClock({ ms: 0, ns: 0 });
  const members = [network.add(1), network.add(2)] as const;
  for (const member of members) member.join("cluster", [1, 2]);
  const site = (member: (typeof members)[number]) => {
    const states = table();
    const parts = { clock, rpc: member, membership: member };
    const isShared = (topic: string) => !topic.startsWith("main:");
    const stamps = new EventStamps({
      ...{ clock, log: LOG, store: new MemoryStore(), membership: member },
    });
    const sync = new TopicSync({
      ...parts,
      random: new SeededRandom(1),
      log: LOG,
      states,
      isShared,
      stamps,
    });
    const acting = () => owners.map(memberId);
    const reads = new ClusterTopics({ ...parts, local: states, acting, isShared });
    sync.open();
    reads.open();
    return { member, states, sync, reads, stamps };
  };
  return { a: site(members[0]), b: site(members[1]), clock, network };
}

const sorted = (states: readonly EventState[] | undefined) =>
  [...(states ?? [])].sort((x, y) => (x.id < y.id ? -1 : 1));

describe("before a task starts", () => {
  test("what another member knows is taken over, once for tasks that start together", async () => {
    const { a, b, clock } = pair();
    b.states.mergeState("t", state("x", 1));
    await a.sync.refresh();
    expect(a.states.events("t", OK)).toHaveLength(1);
    const calls = a.member.calls;
    b.states.mergeState("t", state("y", 1));
    await a.sync.refresh();
    expect(a.member.calls).toBe(calls);
    clock.advance(500);
    await a.sync.refresh();
    expect(a.states.events("t", OK)).toHaveLength(2);
  });

  test("a member that does not answer holds it up for a second", async () => {
    const { a, b, clock } = pair();
    b.member.answerers.set("digest-topics", () => new Promise(() => {}));
    let isOver = false;
    const refresh = a.sync.refresh().then(() => {
      isOver = true;
    });
    await promises();
    clock.advance(999);
    await promises();
    expect(isOver).toBe(false);
    clock.advance(1);
    await refresh;
  });
});

describe("states of two members", () => {
  test("after both have synced they are the same, whatever each knew", async () => {
    const states = fc.array(
      fc.record({
        topic: fc.constantFrom("t", "u", "ü"),
        id: fc.constantFrom("a", "b", "c", "d", ""),
        seconds: fc.integer({ min: -2, max: 2 }),
        level: fc.constantFrom<Level>(0, 1, 2, 3),
        message: fc.constantFrom("x", "y"),
      }),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(states, states, async (here, there) => {
        const { a, b } = pair();
        for (const [site, all] of [
          [a, here],
          [b, there],
        ] as const) {
          for (const one of all) {
            site.states.mergeState(one.topic, state(one.id, one.seconds, one.level, one.message));
          }
        }
        await a.sync.sync(b.member.id);
        await b.sync.sync(a.member.id);
        for (const topic of ["t", "u", "ü"]) {
          const mine = sorted(a.states.events(topic, OK));
          expect(sorted(b.states.events(topic, OK))).toEqual(mine);
        }
      }),
      { numRuns: 100 },
    );
  });

  test.each<[string, EventState, EventState, boolean]>([
    ["the later time wins", state("i", 1, 3), state("i", 2, 0), true],
    ["the earlier one does not", state("i", 2, 0), state("i", 1, 3), false],
    ["at the same time the higher level wins", state("i", 1, 1), state("i", 1, 2), true],
    ["the same state changes nothing", state("i", 1, 1), state("i", 1, 1), false],
  ])("%s", (_title, mine, theirs, taken) => {
    const states = table();
    states.mergeState("t", mine);
    expect(states.mergeState("t", theirs)).toBe(taken);
    expect(states.event("t", "i")).toEqual(taken ? theirs : mine);
  });

  test("a topic of many pages travels whole, and a second sync moves nothing", async () => {
    const { a, b } = pair();
    const long = "x".repeat(2_000);
    for (let i = 0; i < 500; i++) b.states.mergeState("t", state(`id${i}`, i, 1, long));
    b.states.mergeState("t", state("huge", 1, 1, "y".repeat(600_000)));
    await a.sync.sync(b.member.id);
    expect(a.states.events("t", OK)?.length).toBe(501);
    expect(a.sync.counters()["topic_states_merged"]).toBe(501);
    const { calls } = b.member;
    await a.sync.sync(b.member.id);
    expect(a.sync.counters()["topic_states_merged"]).toBe(501);
    expect(b.member.calls - calls).toBeLessThanOrEqual(1);
  });

  const stamped = (at: number, by: number, level: Level = 2, message = "m"): EventState => ({
    ...state("i", 1, level, message),
    raisedAt: at,
    raisedBy: memberId(by),
  });

  test("stamps travel with states and decide between them, on both members", async () => {
    const { a, b } = pair();
    a.states.mergeState("t", stamped(5, 1, 3));
    b.states.mergeState("t", stamped(6, 2, 0));
    b.states.mergeState("t", state("unstamped", 1));
    await a.sync.sync(b.member.id);
    await b.sync.sync(a.member.id);
    for (const { states } of [a, b]) expect(states.event("t", "i")).toEqual(stamped(6, 2, 0));
    expect(a.states.event("t", "unstamped")).toEqual(state("unstamped", 1));
  });

  test("states that differ in their stamps alone are equal: nothing travels", async () => {
    const { a, b } = pair();
    a.states.mergeState("t", stamped(5, 1));
    b.states.mergeState("t", stamped(6, 2));
    await a.sync.sync(b.member.id);
    expect(b.member.calls + a.member.calls).toBe(1);
    expect(a.sync.counters()["topic_states_merged"]).toBe(0);
  });

  test("a member of a release without stamps gives and takes states as before", async () => {
    const { a, b } = pair();
    const answer = b.member.answerers.get("sync-topic");
    b.member.answerers.set("sync-topic", async (from, request) => {
      const known = { ...((await answer?.(from, request)) as Record<string, unknown>) };
      expect(known["raised"]).toBeDefined();
      delete known["raised"];
      return known;
    });
    a.states.mergeState("t", stamped(5, 1, 1));
    b.states.mergeState("t", stamped(6, 2, 3));
    b.states.mergeState("t", { ...stamped(6, 2), id: "j" });
    await a.sync.sync(b.member.id);
    expect(a.states.event("t", "i")).toEqual(stamped(5, 1, 1));
    expect(a.states.event("t", "j")).toEqual(state("j", 1));
  });

  test("a stamp that is too far ahead is cut, and pulls the clock no further than that", async () => {
    const { a, b } = pair();
    b.states.mergeState("t", stamped(lastOf(3_600_000), 2));
    await a.sync.sync(b.member.id);
    expect(a.states.event("t", "i")).toEqual(stamped(lastOf(60_000), 2));
    expect(a.stamps.counters()["hlc_clamps"]).toBe(1);
    expect(a.stamps.deletion().atMs).toBe(60_001);
  });

  test("topics of one member alone stay there", async () => {
    const { a, b } = pair();
    b.states.mergeState("main:task:alert2", state("i", 1));
    await a.sync.sync(b.member.id);
    expect(a.states.get("main:task:alert2")).toBeUndefined();
    expect(await a.reads.events("main:task:alert2", OK)).toBeUndefined();
  });

  test("whoever starts waits for states, but no longer than a second", async () => {
    const { a, b, clock } = pair();
    b.states.mergeState("t", state("i", 1));
    let settled = false;
    void a.sync.settled().then(() => {
      settled = true;
    });
    clock.advance(999);
    await promises();
    expect(settled).toBe(false);
    clock.advance(1);
    await promises();
    expect(settled).toBe(true);
    void b.sync.sync(a.member.id);
    await b.sync.settled();
    expect(b.sync.counters()["topic_syncs"]).toBe(1);
  });
});

describe("an event whose state came first", () => {
  test("still counts as a change of the level before", () => {
    const topics = new TopicTable(FORGETTING_TOPICS, LOG);
    topics.merge("t", state("i", 1, 1));
    topics.merge("t", state("i", 2, 3));
    const event = {
      ...state("i", 2, 3),
      ...{ topic: "t", name: "", taskName: "", category: "", group: "", tags: {}, fields: {} },
      ...{ recoverable: true, series: null, hops: 0 },
    };
    expect(topics.record(event)).toEqual(state("i", 1, 1));
    expect(topics.record(event)).toEqual(state("i", 2, 3));
  });
});

describe("reads", () => {
  test("a member that owns nothing answers with the owner's word", async () => {
    const { a, b } = pair([2]);
    a.states.mergeState("t", state("old", 1, 3));
    b.states.mergeState("t", state("new", 2, 1));
    expect(await a.reads.events("t", OK)).toEqual([state("new", 2, 1)]);
    expect(await a.reads.event("t", "new")).toEqual(state("new", 2, 1));
    expect((await a.reads.get("t"))?.level).toBe(1);
    expect((await a.reads.list("t*", OK)).map(({ id, level }) => ({ id, level }))).toEqual([
      { id: "t", level: 1 },
    ]);
    expect(await a.reads.list("", 2)).toEqual([]);
  });

  test("without an owner it answers from what it has", async () => {
    const { a, b } = pair([2]);
    a.states.mergeState("t", state("old", 1, 3));
    b.member.reachable = false;
    expect(await a.reads.events("t", OK)).toEqual([state("old", 1, 3)]);
    expect((await a.reads.list("", OK)).map(({ id }) => id)).toEqual(["t"]);
    expect(await a.reads.get("unknown")).toBeUndefined();
    expect(await a.reads.event("t", "unknown")).toBeUndefined();
  });

  test("a pattern that is none is refused", () => {
    const { a } = pair();
    expect(a.reads.list("[", OK)).rejects.toThrow();
  });
});

describe("digests", () => {
  test("do not depend on order and differ where a state does", () => {
    const states = [state("a", 1), state("b", 2), state("c", 3)];
    expect(topicDigest(states.toReversed())).toBe(topicDigest(states));
    const changed = states.map((one) => (one.id === "b" ? state("b", 2, 1) : one));
    expect(topicDigest(changed)).not.toBe(topicDigest(states));
    const [before, after] = [bucketDigests(states), bucketDigests(changed)];
    const differing = before.flatMap((digest, i) => (digest === after[i] ? [] : [i]));
    expect(differing).toEqual([bucketOf("b")]);
  });
});
