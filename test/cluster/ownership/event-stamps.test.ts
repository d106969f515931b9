import { describe, expect, test } from "bun:test";
import { EventStamps } from "#cluster/event-stamps.ts";
import { lastOf, millisOf } from "#cluster/ownership/hybrid-clock.ts";
import { HYBRID_CLOCK_ROW, hybridClock } from "#cluster/ownership/kinds.ts";
import {
  HLC_AHEAD_MAX_MS,
  HLC_RESERVE_MS,
  HLC_RESERVE_RETRY_MS,
  HLC_WARN_EVERY_MS,
} from "#cluster/ownership/limits.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { MemoryStore } from "#storage/memory.ts";
import { StorageError, type Write } from "#storage/store.ts";
import { FakeNetwork, memberId, promises } from "#test/cluster/rpc/fake-network.ts";
import { sampleAlert } from "./sample-alert.ts";

const NOW = 1_800_000_000_000;

class CountingStore extends MemoryStore {
  commits = 0;
  fails = false;

  override commit(writes: readonly Write[]): Promise<void> {
    this.commits++;
    return this.fails ? Promise.reject(new StorageError("disk is full")) : super.commit(writes);
  }
}

function member(wallMs = NOW, store = new CountingStore(), members = [1, 2]) {
  const clock = new VirtualClock({ ms: wallMs, ns: 0 });
  const membership = new FakeNetwork().add(1);
  membership.join("cluster", members);
  const log: LogEntry[] = [];
  const parts = { clock, membership, store, log: logTo((entry) => log.push(entry)) };
  return { ...parts, entries: log, stamps: new EventStamps(parts) };
}

const raisedAt = (stamps: EventStamps): number => stamps.stamped(sampleAlert).raisedAt ?? 0;

describe("events raised here", () => {
  test("carry the member and rising stamps", () => {
    const { stamps, clock } = member();
    const first = stamps.stamped(sampleAlert);
    expect(first).toEqual({ ...sampleAlert, raisedAt: NOW * 1024, raisedBy: memberId(1) });
    expect(raisedAt(stamps)).toBe(NOW * 1024 + 1);
    clock.advance(3);
    expect(raisedAt(stamps)).toBe((NOW + 3) * 1024);
  });

  test("a member alone stamps nothing and stores nothing", async () => {
    const { stamps, store } = member(NOW, undefined, [1]);
    expect(stamps.stamped(sampleAlert)).toBe(sampleAlert);
    await promises();
    expect(store.commits).toBe(0);
    expect(store.table(hybridClock).count()).toBe(0);
  });

  test("a restart goes on above all stamps it gave, whatever the wall clock says", async () => {
    for (const stepMs of [0, 1_000, -3_600_000, 3_600_000]) {
      const { stamps, clock, store } = member();
      let last = 0;
      for (let i = 0; i < 500; i++) {
        clock.advance(i % 7 === 0 ? 400 : 0);
        last = raisedAt(stamps);
      }
      await promises();
      const again = member(clock.now().ms + stepMs, store);
      const next = raisedAt(again.stamps);
      expect(next).toBeGreaterThan(last);
      const latest = Math.max(clock.now().ms, again.clock.now().ms) + HLC_RESERVE_MS;
      expect(millisOf(next)).toBeLessThanOrEqual(latest);
    }
  });

  test("a jump ahead, by the wall clock or by another member, is reserved too", async () => {
    const { stamps, clock, store } = member();
    raisedAt(stamps);
    stamps.hear(lastOf(NOW + 50_000), memberId(2));
    const jumped = raisedAt(stamps);
    await promises();
    expect(raisedAt(member(NOW, store).stamps)).toBeGreaterThan(jumped);
    clock.advance(3_600_000);
    const later = raisedAt(stamps);
    await promises();
    expect(raisedAt(member(NOW, store).stamps)).toBeGreaterThan(later);
  });

  test("reserving costs a write per some seconds of events", async () => {
    const { stamps, clock, store } = member();
    for (let i = 0; i < 10_000; i++) {
      clock.advance(1);
      raisedAt(stamps);
    }
    expect(store.commits).toBeLessThanOrEqual((2 * 10_000) / HLC_RESERVE_MS + 1);
    const row = store.table(hybridClock).get(HYBRID_CLOCK_ROW);
    expect(row?.untilMs).toBeGreaterThan(clock.now().ms);
  });

  test("a disk that fails is counted and tried again, and stops no event", async () => {
    const { stamps, clock, store } = member();
    store.fails = true;
    for (let i = 0; i < 100; i++) raisedAt(stamps);
    await promises();
    expect(stamps.counters()["hlc_reserve_failures"]).toBe(1);
    expect(store.commits).toBe(1);
    store.fails = false;
    clock.advance(HLC_RESERVE_RETRY_MS + 1);
    const last = raisedAt(stamps);
    await promises();
    expect(raisedAt(member(NOW, store).stamps)).toBeGreaterThan(last);
  });
});

describe("what others sent", () => {
  const sent = (ms: number) => ({ ...sampleAlert, raisedAt: lastOf(ms), raisedBy: memberId(2) });

  test("is taken as it is while it can be believed, and as the same objects", () => {
    const { stamps } = member();
    const batch = { notices: [], events: [sampleAlert, sent(NOW - 5), sent(NOW + 60_000)] };
    expect(stamps.taken(batch, memberId(2))).toBe(batch);
    expect(stamps.counters()["hlc_clamps"]).toBe(0);
    expect(raisedAt(stamps)).toBeGreaterThan(lastOf(NOW + 60_000));
  });

  test("is cut when it is too far ahead, in events and in what is passed on; told once per minute", () => {
    const { stamps, clock, entries } = member();
    const wrong = sent(NOW + 3_600_000);
    const pass = { kind: "pass", event: wrong, handlers: null, failed: [] } as const;
    const batch = { notices: [pass], events: [sampleAlert, wrong] };
    const cut = { ...wrong, raisedAt: lastOf(NOW + HLC_AHEAD_MAX_MS) };
    const taken = stamps.taken(batch, memberId(3));
    expect(taken).toEqual({ notices: [{ ...pass, event: cut }], events: [sampleAlert, cut] });
    expect(stamps.counters()["hlc_clamps"]).toBe(2);
    expect(entries.map(({ level, fields }) => [level, fields["member"]])).toEqual([
      ["warn", memberId(2)],
    ]);
    clock.advance(HLC_WARN_EVERY_MS - 1);
    stamps.taken(batch, memberId(3));
    expect(entries).toHaveLength(1);
    clock.advance(1);
    stamps.taken(batch, memberId(3));
    expect(entries).toHaveLength(2);
  });
});

describe("deleted topics", () => {
  test("everything stamped before is older, everything stamped after is later", () => {
    const { stamps } = member();
    const old = raisedAt(stamps);
    const { atMs, before, by } = stamps.deletion();
    expect(by).toBe(memberId(1));
    expect(before).toBe(lastOf(atMs));
    expect(old).toBeLessThanOrEqual(before);
    expect(raisedAt(stamps)).toBeGreaterThan(before);
  });

  test("a member that hears of a deletion stamps later than it", () => {
    const { stamps } = member();
    expect(stamps.deletedElsewhere("t", NOW + 30_000, memberId(2))).toEqual({
      ...{ before: lastOf(NOW + 30_000), by: memberId(2), isBelieved: true },
    });
    expect(raisedAt(stamps)).toBeGreaterThan(lastOf(NOW + 30_000));
  });

  test("one by a clock that is not believed makes only the past older", () => {
    const { stamps } = member();
    const deletion = stamps.deletedElsewhere("t", NOW + 3_600_000, memberId(2));
    expect(deletion).toEqual({ before: lastOf(NOW), by: memberId(2), isBelieved: false });
    expect(stamps.counters()["hlc_clamps"]).toBe(1);
  });

  test("… and events of that topic are stamped so that its member takes them too", () => {
    const { stamps, clock } = member();
    stamps.deletedElsewhere("t", NOW + 3_600_000, memberId(2));
    const at = (topic: string) => stamps.stamped({ ...sampleAlert, topic }).raisedAt ?? 0;
    expect([at("t"), at("t")]).toEqual([1, 2].map((n) => lastOf(NOW + 3_600_000) + n));
    expect(millisOf(at("u"))).toBe(NOW + HLC_AHEAD_MAX_MS + 1);
    clock.advance(3_600_002);
    expect(millisOf(at("t"))).toBe(NOW + 3_600_002);
  });

  test("found on disk, it counts unless it lies ahead", () => {
    const { stamps } = member();
    expect(stamps.deletedBefore("t", NOW - 1)).toBe(lastOf(NOW - 1));
    expect(raisedAt(stamps)).toBe(NOW * 1024);
    expect(stamps.deletedBefore("t", NOW + 5)).toBeUndefined();
    expect(raisedAt(stamps)).toBe(lastOf(NOW + 5) + 1);
  });
});
