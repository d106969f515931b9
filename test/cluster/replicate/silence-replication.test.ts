import { expect, test } from "bun:test";
import { type SilenceDraft, Silences } from "#alert/silence.ts";
import { SilenceService } from "#alert/silence-service.ts";
import { pushSilences } from "#cluster/calls/push-silences.ts";
import { SILENCE_PAGE_MAX } from "#cluster/calls/silence-payloads.ts";
import { WireError } from "#cluster/ports.ts";
import { SilenceReplication } from "#cluster/replicate/silence-replication.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { silences as kind } from "#storage/kinds/silences.ts";
import { MemoryStore } from "#storage/memory.ts";
import { StoredSilences } from "#storage/stored-silences.ts";
import { type FakeMember, FakeNetwork, promises } from "#test/cluster/rpc/fake-network.ts";

const NOW_MS = 1_600_000_000_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

class Site {
  readonly silences = new Silences();
  readonly service: SilenceService;
  readonly replication: SilenceReplication;
  readonly member: FakeMember;

  constructor(member: FakeMember, clock: VirtualClock, seed: number) {
    this.member = member;
    this.service = new SilenceService({
      silences: this.silences,
      store: new StoredSilences(new MemoryStore()),
      ...{ clock, random: new SeededRandom(seed), log: silentLog, self: () => member.id },
    });
    this.replication = new SilenceReplication({
      ...{ clock, log: silentLog, rpc: member, membership: member, table: this.service },
    });
    this.replication.open();
  }

  get comments(): string[] {
    return this.service.list().map(({ comment }) => comment);
  }
}

function sites(count: number) {
  const clock = new VirtualClock({ ms: NOW_MS, ns: 0 });
  const network = new FakeNetwork();
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const all = numbers.map((n) => new Site(network.add(n), clock, n));
  for (const { member } of all) member.join("cluster", numbers);
  const link = (a: Site, b: Site): void => network.link(a.member, b.member);
  for (const a of all) for (const b of all) if (a.member.id < b.member.id) link(a, b);
  const at = (place: number): Site => {
    const site = all[place];
    if (site === undefined) throw new Error(`no site ${place}`);
    return site;
  };
  return { clock, all, at };
}

function draft(comment: string, hours = 1): SilenceDraft {
  return {
    matchers: [{ name: "topic", value: "t", isRegex: false, isEqual: true }],
    starts: { ms: NOW_MS, ns: 0 },
    ends: { ms: NOW_MS + hours * HOUR_MS, ns: 0 },
    ...{ author: "me", comment },
  };
}

test("a silence made on one member is in force on all before the answer, and so is its end", async () => {
  const { all, at } = sites(3);
  const made = await at(0).service.create(draft("deploy"));
  if (made.kind === "refused") throw new Error(made.error);
  for (const { service } of all) expect(service.get(made.silence.id)).toEqual(made.silence);
  const ended = await at(2).service.expire(made.silence.id);
  if (ended.kind === "refused") throw new Error(ended.error);
  expect(ended.silence.ends.ms).toBe(NOW_MS);
  for (const { service } of all) expect(service.get(made.silence.id)).toEqual(ended.silence);
  expect(at(1).replication.counters()["silences_taken"]).toBe(2);
});

test("two members that edit at once do not wait for each other", async () => {
  const { all, at } = sites(2);
  await Promise.all([at(0).service.create(draft("a")), at(1).service.create(draft("b"))]);
  for (const site of all) expect(site.comments.sort()).toEqual(["a", "b"]);
});

test("an edit is answered although a member is away, and a sync brings both up to date", async () => {
  const { clock, all, at } = sites(2);
  at(1).member.reachable = false;
  await at(0).service.create(draft("a"));
  await at(1).service.create(draft("b"));
  expect([at(0).comments, at(1).comments]).toEqual([["a"], ["b"]]);
  expect(at(0).replication.counters()["silence_pushes_failed"]).toBe(1);
  at(1).member.reachable = true;
  await at(0).replication.sync(at(1).member.id);
  for (const site of all) expect(site.comments.sort()).toEqual(["a", "b"]);
  // Equal now: one call, nothing carried.
  const before = at(0).member.calls;
  await at(0).replication.sync(at(1).member.id);
  expect(at(0).member.calls - before).toBe(1);
  expect(clock.now().ms).toBe(NOW_MS);
});

test("a sync that fails is counted and harms nothing", async () => {
  const { at } = sites(2);
  at(1).member.reachable = false;
  await at(0).replication.sync(at(1).member.id);
  expect(at(0).replication.counters()["silence_syncs_failed"]).toBe(1);
});

test("more silences than a page holds all go over, both ways", async () => {
  const { all, at } = sites(2);
  at(1).member.reachable = false;
  for (let i = 0; i <= SILENCE_PAGE_MAX; i++) await at(0).service.create(draft(`a${i}`));
  for (let i = 0; i <= SILENCE_PAGE_MAX; i++) await at(1).service.create(draft(`b${i}`));
  at(1).member.reachable = true;
  await at(0).replication.sync(at(1).member.id);
  for (const { service } of all) expect(service.list()).toHaveLength(2 * SILENCE_PAGE_MAX + 2);
});

test("one that members forget at different times makes no difference between them", async () => {
  const { clock, at } = sites(2);
  await at(0).service.create(draft("old"));
  clock.advance(9 * DAY_MS);
  at(1).service.open();
  await promises();
  expect([at(0).comments, at(1).comments]).toEqual([["old"], []]);
  const before = at(0).member.calls;
  await at(0).replication.sync(at(1).member.id);
  expect(at(0).member.calls - before).toBe(1);
  expect(at(1).comments).toEqual([]);
  await at(1).service.close();
});

test("what is too large or no silence is refused whole", () => {
  const row = (comment: string, matchers = 1): string =>
    kind.encode({
      silence: {
        ...draft(comment),
        matchers: Array.from({ length: matchers }, () => draft("").matchers).flat(),
        id: "s",
        plannedEnds: { ms: NOW_MS, ns: 0 },
      },
      version: { counter: 1, member: "m" },
    });
  const read = (...rows: unknown[]) => pushSilences.parseRequest({ silences: rows });
  expect(read(row("c".repeat(1000), 64))).toHaveLength(1);
  for (const rows of [[row("c".repeat(1001))], [row("", 65)], ["{}"], [7], ["["]]) {
    expect(() => read(...rows)).toThrow(WireError);
  }
  expect(() => read(...Array.from({ length: SILENCE_PAGE_MAX + 1 }, () => row("")))).toThrow(
    WireError,
  );
});
