/** Topics deleted in a cluster whose clocks differ: what was raised before is gone, what is raised after stays. */

import { describe, expect, test } from "bun:test";
import type { AlertEvent } from "#alert/event.ts";
import { OK } from "#alert/level.ts";
import { TopicTable } from "#alert/topic-table.ts";
import { EventStamps } from "#cluster/event-stamps.ts";
import { HandlerReplication } from "#cluster/replicate/handler-replication.ts";
import { TopicSync } from "#cluster/replicate/topic-sync.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import { StoredTopics } from "#storage/topic-states.ts";
import { sampleAlert } from "#test/cluster/ownership/sample-alert.ts";
import { type FakeMember, FakeNetwork, promises } from "#test/cluster/rpc/fake-network.ts";

const NOW = 1_800_000_000_000;

/** A member's topics and what replicates them. */
class Site {
  readonly clock: VirtualClock;
  readonly topics: TopicTable;
  readonly stamps: EventStamps;
  readonly replication: HandlerReplication;
  readonly sync: TopicSync;
  readonly member: FakeMember;
  readonly store: MemoryStore;

  constructor(member: FakeMember, skewMs: number, store = new MemoryStore()) {
    this.member = member;
    this.store = store;
    const clock = new VirtualClock({ ms: NOW + skewMs, ns: 0 });
    const random = new SeededRandom(1);
    const base = { clock, random, log: silentLog, store, rpc: member, membership: member };
    const topics = new TopicTable(new StoredTopics(store), silentLog);
    const stamps = new EventStamps(base);
    this.clock = clock;
    this.topics = topics;
    this.stamps = stamps;
    this.replication = new HandlerReplication(
      {
        ...{ ...base, stamps, owners: () => [] },
        table: { check: () => undefined, set: () => {}, remove: () => {} },
        deleteTopic: (topic, deletion) => topics.delete(topic, deletion),
        recallDeletion: (topic, before) => topics.recallDeletion(topic, before),
      },
      { fullSyncMs: 1_000_000 },
    );
    this.sync = new TopicSync({
      ...{ ...base, stamps, isShared: () => true },
      states: {
        list: (pattern, minLevel) => topics.list(pattern, minLevel),
        get: (topic) => topics.get(topic),
        events: (topic, minLevel) => topics.events(topic, minLevel),
        event: (topic, id) => topics.event(topic, id),
        delete: (topic) => topics.delete(topic),
        mergeState: (topic, state) => topics.merge(topic, state),
      },
    });
    this.replication.open();
    this.sync.open();
  }

  raise(id: string): AlertEvent {
    return this.stamps.stamped({ ...sampleAlert, id });
  }

  /** An event from there arrives here, as owners get it; false: it was discarded. */
  take(event: AlertEvent): boolean {
    const { events } = this.stamps.taken({ notices: [], events: [event] }, this.member.id);
    for (const one of events) {
      if (this.topics.isDiscarded(one.topic, one.raisedAt)) return false;
      this.topics.record(one);
    }
    return true;
  }

  get ids(): readonly string[] {
    return (this.topics.events("t", OK) ?? []).map(({ id }) => id).sort();
  }
}

/** Two members, the clock of the second so far from the first one's. */
function sites(skewMs: number) {
  const network = new FakeNetwork();
  const members = [network.add(1), network.add(2)] as const;
  for (const member of members) member.join("cluster", [1, 2]);
  const a = new Site(members[0], 0);
  const b = new Site(members[1], skewMs);
  const link = async (): Promise<void> => {
    network.link(a.member, b.member);
    for (const { clock } of [a, b]) clock.advance(1);
    await promises();
  };
  return { a, b, network, link };
}

const SKEWS = [0, 5_000, -5_000, 59_000, -59_000, 3_600_000, -3_600_000];

describe("a deletion", () => {
  test.each(SKEWS)(
    "clocks %i ms apart: events raised after it are taken everywhere",
    async (skew) => {
      const { a, b } = sites(skew);
      for (const site of [a, b]) site.take(a.raise("old"));
      await a.replication.deleteTopic("t");
      await promises();
      expect([a.ids, b.ids]).toEqual([[], []]);
      // At once, while the wall clocks stand.
      for (const [from, id] of [
        [a, "by a"],
        [b, "by b"],
      ] as const) {
        const event = from.raise(id);
        expect([a.take(event), b.take(event)]).toEqual([true, true]);
      }
      await a.sync.sync(b.member.id);
      await b.sync.sync(a.member.id);
      expect([a.ids, b.ids]).toEqual([
        ["by a", "by b"],
        ["by a", "by b"],
      ]);
      expect(a.topics.discarded() + b.topics.discarded()).toBe(0);
    },
  );

  test("an event raised before it that comes later is discarded and counted", async () => {
    const { a, b } = sites(-5_000);
    const [late, other] = [b.raise("late"), a.raise("other")];
    await a.replication.deleteTopic("t");
    await promises();
    for (const site of [a, b])
      expect([late, other].map((one) => site.take(one))).toEqual([false, false]);
    expect([a.topics.discarded(), b.topics.discarded()]).toEqual([2, 2]);
  });

  test("an event raised after it that comes first outlives its arrival", async () => {
    const { a, b, link } = sites(0);
    b.take(b.raise("old"));
    b.member.reachable = false;
    await a.replication.deleteTopic("t");
    const event = a.raise("new");
    b.take(event);
    expect(b.ids).toEqual(["new", "old"]);
    b.member.reachable = true;
    await link();
    expect(b.ids).toEqual(["new"]);
  });

  test.each([5_000, -5_000])(
    "what was there before it goes, though its member's clock was %i ms ahead",
    async (skew) => {
      const { a, b, link } = sites(skew);
      b.take(b.raise("old"));
      await a.replication.deleteTopic("t");
      await promises();
      expect(b.ids).toEqual([]);
      await link();
      expect([a.ids, b.ids]).toEqual([[], []]);
    },
  );

  test("the state of a member that was away does not come back", async () => {
    const { a, b, link } = sites(0);
    const event = b.raise("old");
    for (const site of [a, b]) site.take(event);
    b.member.reachable = false;
    await a.replication.deleteTopic("t");
    b.member.reachable = true;
    // Its states are asked for before it has heard of the deletion.
    await a.sync.sync(b.member.id);
    expect(a.ids).toEqual([]);
    expect(a.topics.discarded()).toBe(1);
    await link();
    expect(b.ids).toEqual([]);
  });

  test("is remembered across a restart", async () => {
    const { a } = sites(0);
    const event = a.raise("old");
    await a.replication.deleteTopic("t");
    const again = new Site(a.member, 1_000, a.store);
    expect(again.take(event)).toBe(false);
    expect(again.take(again.raise("new"))).toBe(true);
  });

  test("events without stamps, of members of an earlier release, are taken as before", async () => {
    const { a, b } = sites(0);
    await a.replication.deleteTopic("t");
    await promises();
    for (const site of [a, b]) expect(site.take({ ...sampleAlert, id: "old release" })).toBe(true);
  });

  test("on a member alone leaves no trace and stamps nothing", async () => {
    const member = new FakeNetwork().add(1);
    const site = new Site(member, 0);
    site.take(site.raise("a"));
    await site.replication.deleteTopic("t");
    expect(site.ids).toEqual([]);
    expect([...site.replication.list("t")]).toEqual([]);
    expect(site.replication.counters()["handler_definitions"]).toBe(0);
    expect(site.take(site.raise("a"))).toBe(true);
  });
});
