import { describe, expect, test } from "bun:test";
import type { HandlerSpec } from "#alert/handler.ts";
import { Rankings } from "#cluster/ownership/ranking.ts";
import { HandlerReplication } from "#cluster/replicate/handler-replication.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import {
  type FakeMember,
  FakeNetwork,
  memberId,
  promises,
} from "#test/cluster/rpc/fake-network.ts";

const DAY = 24 * 60 * 60 * 1000;

/** A member with handler replication, on disk and network that can be taken up again. */
class Site {
  readonly store: MemoryStore;
  readonly attached = new Map<string, HandlerSpec>();
  readonly deleted: string[] = [];
  readonly log: LogEntry[] = [];
  readonly replication: HandlerReplication;
  readonly member: FakeMember;
  sets = 0;

  constructor(member: FakeMember, clock: VirtualClock, store = new MemoryStore()) {
    this.member = member;
    this.store = store;
    this.replication = new HandlerReplication(
      {
        clock,
        random: new SeededRandom(1),
        log: logTo((entry) => this.log.push(entry)),
        store,
        rpc: member,
        membership: member,
        table: {
          check: ({ kind }) => (kind === "bogus" ? 'unsupported action kind "bogus"' : undefined),
          set: (spec) => {
            this.sets++;
            this.attached.set(`${spec.topic}/${spec.id}`, spec);
          },
          remove: (topic, id) => void this.attached.delete(`${topic}/${id}`),
        },
        owners: (topic) => {
          const rankings = new Rankings();
          rankings.update(member.view(), new Set());
          return rankings.of(topic).home;
        },
        deleteTopic: async (topic) => void this.deleted.push(topic),
      },
      { fullSyncMs: 1000 },
    );
    this.replication.open();
  }

  get ids(): string[] {
    return [...this.attached.keys()].sort();
  }
}

class Sites {
  readonly clock = new VirtualClock({ ms: 100 * DAY, ns: 0 });
  readonly network = new FakeNetwork();
  readonly all: Site[];

  constructor(count: number, redundancy = 0) {
    const numbers = Array.from({ length: count }, (_, i) => i + 1);
    this.all = numbers.map((n) => new Site(this.network.add(n), this.clock));
    if (count > 1) this.join(numbers, redundancy);
  }

  join(numbers: readonly number[], redundancy = 0): void {
    for (const n of numbers) this.site(n).member.join("cluster", numbers, {}, redundancy);
  }

  site(n: number): Site {
    const site = this.all[n - 1];
    if (site === undefined) throw new Error(`no site ${n}`);
    return site;
  }

  async link(): Promise<void> {
    for (const a of this.all) {
      for (const b of this.all) {
        if (a.member.id < b.member.id) this.network.link(a.member, b.member);
      }
    }
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      this.clock.advance(1);
      await promises();
    }
  }
}

function spec(id: string, more: Partial<HandlerSpec> = {}): HandlerSpec {
  return { id, topic: "t", kind: "post", match: "", options: { url: "http://x" }, ...more };
}

const digests = (sites: Sites): Set<string> =>
  new Set(sites.all.map(({ replication }) => replication.digest));

describe("edits", () => {
  test("a handler made on one member is attached on all before the answer", async () => {
    const sites = new Sites(3);
    expect(await sites.site(2).replication.create(spec("h"), false)).toEqual({ kind: "done" });
    for (const site of sites.all) {
      expect(site.attached.get("t/h")).toEqual(spec("h"));
      expect(site.replication.list("t")).toEqual([spec("h")]);
    }
    expect(digests(sites).size).toBe(1);
  });

  test("every field goes through, unknown options and large numbers included", async () => {
    const sites = new Sites(2);
    const full = spec("h", {
      match: 'level() == CRITICAL AND "host" =~ /a|b/',
      options: { url: "ü", later: { nested: [1, null, "x"] }, big: 12345678901234567890n },
    });
    await sites.site(1).replication.create(full, false);
    expect(sites.site(2).attached.get("t/h")).toEqual(full);
    const again = new Site(sites.network.add(2), sites.clock, sites.site(2).store);
    expect(again.attached.get("t/h")).toEqual(full);
  });

  test("replace, rename and delete reach all members", async () => {
    const sites = new Sites(2);
    const { replication } = sites.site(1);
    await replication.create(spec("h"), false);
    await replication.replace("t", "h", spec("h", { kind: "log" }), false);
    expect(sites.site(2).attached.get("t/h")?.kind).toBe("log");
    await replication.replace("t", "h", spec("k"), false);
    expect(sites.site(2).ids).toEqual(["t/k"]);
    await replication.delete("t", "k", false);
    expect(sites.site(2).ids).toEqual([]);
    expect(sites.site(2).replication.topics()).toEqual([]);
  });

  test.each([
    [
      "a handler that exists",
      (site: Site) => site.replication.create(spec("h"), false),
      'cannot register handler, handler with ID "h" already exists',
    ],
    [
      "a kind that does not",
      (site: Site) => site.replication.create(spec("n", { kind: "bogus" }), false),
      'unsupported action kind "bogus"',
    ],
    [
      "a new name that is taken",
      (site: Site) => site.replication.replace("t", "h", spec("k"), false),
      'cannot register handler, handler with ID "k" already exists',
    ],
    [
      "a handler that is not there",
      (site: Site) => site.replication.replace("t", "nope", spec("nope"), false),
      'unknown handler: "nope"',
    ],
  ])("%s is refused and nothing changes", async (_title, edit, error) => {
    const sites = new Sites(2);
    await sites.site(1).replication.create(spec("h"), false);
    await sites.site(1).replication.create(spec("k"), false);
    const before = digests(sites);
    expect(await edit(sites.site(1))).toEqual({ kind: "refused", error });
    expect(digests(sites)).toEqual(before);
  });

  test("an equal definition makes no new version and is not attached again", async () => {
    const sites = new Sites(2);
    await sites.site(1).replication.create(spec("h"), false);
    const before = digests(sites);
    const { sets } = sites.site(1);
    expect(await sites.site(1).replication.replace("t", "h", spec("h"), false)).toEqual({
      kind: "done",
    });
    expect(digests(sites)).toEqual(before);
    expect(sites.site(1).sets).toBe(sets);
  });
});

describe("the gate on live owners", () => {
  test.each([
    ["left", "left"],
    ["dead", "failed"],
    ["leaving", "leaving"],
    ["suspect", "suspect"],
    ["alive", "suspect"],
  ] as const)("an owner that is %s refuses every edit, with status %s", async (status, shown) => {
    const sites = new Sites(3);
    await sites.site(1).replication.create(spec("h"), false);
    sites.site(3).member.reachable = false;
    sites.site(1).member.join("cluster", [1, 2, 3], { 3: status });
    const error = `could not verify liveness of topic owners: status of ${memberId(3)} is ${shown}`;
    const refused = { kind: "refused", error } as const;
    const { replication } = sites.site(1);
    expect(await replication.create(spec("n"), false)).toEqual(refused);
    expect(await replication.replace("t", "h", spec("h", { match: "x" }), false)).toEqual(refused);
    expect(await replication.delete("t", "h", false)).toEqual(refused);
    expect(sites.site(2).ids).toEqual(["t/h"]);
  });

  test("force skips it, and the absent owner learns of the edit when it returns", async () => {
    const sites = new Sites(3);
    sites.site(3).member.reachable = false;
    expect(await sites.site(1).replication.create(spec("h"), true)).toEqual({ kind: "done" });
    await promises();
    expect(sites.site(2).ids).toEqual(["t/h"]);
    expect(sites.site(3).ids).toEqual([]);
    sites.site(3).member.reachable = true;
    await sites.link();
    expect(sites.site(3).ids).toEqual(["t/h"]);
    expect(digests(sites).size).toBe(1);
  });

  test("a member that is no owner may be down", async () => {
    const sites = new Sites(4, 2);
    const rankings = new Rankings();
    rankings.update(sites.site(1).member.view(), new Set());
    const { home, ranking } = rankings.of("t");
    const bystander = ranking.find((id) => !home.includes(id) && id !== memberId(1));
    const site = sites.all.find(({ member }) => member.id === bystander);
    if (site === undefined) throw new Error("four members with two owners have a bystander");
    site.member.reachable = false;
    expect(await sites.site(1).replication.create(spec("h"), false)).toEqual({ kind: "done" });
  });

  test("what is wrong with the request is told before the owners are asked", async () => {
    const sites = new Sites(2);
    sites.site(2).member.reachable = false;
    const edit = await sites.site(1).replication.create(spec("n", { kind: "bogus" }), false);
    expect(edit).toEqual({ kind: "refused", error: 'unsupported action kind "bogus"' });
  });
});

describe("repair", () => {
  test("an edit that was missed arrives with the next sync, a deletion too", async () => {
    const sites = new Sites(2);
    await sites.site(1).replication.create(spec("h"), false);
    await sites.site(1).replication.create(spec("k"), false);
    sites.site(2).member.reachable = false;
    await sites.site(1).replication.delete("t", "h", true);
    await sites.site(1).replication.create(spec("n"), true);
    sites.site(2).member.reachable = true;
    await sites.link();
    expect(sites.site(2).ids).toEqual(["t/k", "t/n"]);
    expect(digests(sites).size).toBe(1);
  });

  test("without any connection event the periodic sync finds the difference", async () => {
    const sites = new Sites(2);
    await sites.link();
    sites.site(2).member.reachable = false;
    await sites.site(1).replication.create(spec("h"), true);
    sites.site(2).member.reachable = true;
    sites.clock.advance(1200);
    await sites.settle();
    expect(sites.site(2).ids).toEqual(["t/h"]);
  });

  test("concurrent edits end equal everywhere, and the loser is logged with both members", async () => {
    const sites = new Sites(3);
    await sites.site(1).replication.create(spec("h"), false);
    for (const site of sites.all) site.member.reachable = false;
    await sites.site(1).replication.replace("t", "h", spec("h", { match: "one" }), true);
    await sites.site(2).replication.replace("t", "h", spec("h", { match: "two" }), true);
    for (const site of sites.all) site.member.reachable = true;
    await sites.link();
    await sites.link();
    for (const site of sites.all) expect(site.attached.get("t/h")?.match).toBe("two");
    const lost = sites.site(1).log.find(({ message }) => message.startsWith("concurrent edit"));
    expect(lost?.fields).toMatchObject({ member: memberId(1), winner: memberId(2), handler: "h" });
    expect(String(lost?.fields["replaced"])).toContain('"match":"one"');
  });

  test("a table larger than a page is synced whole", async () => {
    const sites = new Sites(2);
    sites.site(2).member.reachable = false;
    for (let i = 0; i < 1201; i++) await sites.site(1).replication.create(spec(`h${i}`), true);
    sites.site(2).member.reachable = true;
    await sites.link();
    await sites.settle();
    expect(sites.site(2).attached.size).toBe(1201);
    expect(digests(sites).size).toBe(1);
  });

  test("random edits on members that come and go end in equal tables", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = new SeededRandom(seed);
      const sites = new Sites(3);
      for (let i = 0; i < 60; i++) {
        const site = sites.site(1 + random.below(3));
        const id = `h${random.below(5)}`;
        const kind = random.below(4);
        if (kind === 0) site.member.reachable = random.below(2) === 0;
        else if (kind === 1) await site.replication.delete("t", id, true);
        else if (site.replication.get("t", id) === undefined) {
          await site.replication.create(spec(id, { match: `${i}` }), true);
        } else await site.replication.replace("t", id, spec(id, { match: `${i}` }), true);
      }
      for (const site of sites.all) site.member.reachable = true;
      await sites.link();
      await sites.link();
      expect([seed, digests(sites).size]).toEqual([seed, 1]);
      expect(sites.site(1).replication.list("t")).toEqual(sites.site(2).replication.list("t"));
      expect([...sites.site(3).attached.values()].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
        ...sites.site(1).replication.list("t"),
      ]);
    }
  });
});

describe("joining and leaving", () => {
  test("handlers are merged, the cluster's wins, and the replaced one is logged in full", async () => {
    const sites = new Sites(1);
    const other = new Site(sites.network.add(2), sites.clock);
    sites.all.push(other);
    await sites.site(1).replication.create(spec("h", { match: "cluster" }), false);
    // The newcomer edited its own more often: that must not count.
    await other.replication.create(spec("h", { match: "mine" }), false);
    for (let i = 0; i < 5; i++) {
      await other.replication.replace("t", "h", spec("h", { match: `mine ${i}` }), false);
    }
    await other.replication.create(spec("only-mine"), false);
    await other.replication.create(spec("gone"), false);
    await other.replication.delete("t", "gone", false);
    sites.site(1).member.join("own-1", [1, 2]);
    other.member.join("own-1", [1, 2]);
    await sites.link();
    await sites.link();
    for (const site of sites.all) {
      expect(site.ids).toEqual(["t/h", "t/only-mine"]);
      expect(site.attached.get("t/h")?.match).toBe("cluster");
    }
    expect(digests(sites).size).toBe(1);
    const replaced = other.log.find(
      ({ message }) => message === "handler replaced by the cluster's",
    );
    expect(String(replaced?.fields["replaced"])).toContain('"match":"mine 4"');
  });

  test("what the cluster once deleted does not take a newcomer's handler of that name", async () => {
    const sites = new Sites(1);
    const other = new Site(sites.network.add(2), sites.clock);
    sites.all.push(other);
    await sites.site(1).replication.create(spec("h"), false);
    await sites.site(1).replication.delete("t", "h", false);
    await other.replication.create(spec("h", { match: "mine" }), false);
    sites.site(1).member.join("own-1", [1, 2]);
    other.member.join("own-1", [1, 2]);
    await sites.link();
    await sites.link();
    for (const site of sites.all) expect(site.attached.get("t/h")?.match).toBe("mine");
    expect(digests(sites).size).toBe(1);
  });

  test("a removed member keeps its handlers as its own", async () => {
    const sites = new Sites(2);
    await sites.site(1).replication.create(spec("h"), false);
    sites.site(2).member.join("new", [2]);
    expect(sites.site(2).ids).toEqual(["t/h"]);
    expect(await sites.site(2).replication.delete("t", "h", false)).toEqual({ kind: "done" });
    expect(sites.site(1).ids).toEqual(["t/h"]);
  });

  test("a member away for longer than tombstones live does not bring deleted handlers back", async () => {
    const sites = new Sites(2);
    await sites.link();
    await sites.site(1).replication.create(spec("h"), false);
    await sites.site(1).replication.create(spec("k"), false);
    const { store } = sites.site(2);
    await sites.site(2).replication.close();
    sites.site(2).member.reachable = false;
    await sites.site(1).replication.delete("t", "h", true);
    sites.clock.advance(8 * DAY);
    await sites.settle();
    // Its tombstone is forgotten by now.
    expect(sites.site(1).replication.counters()["handler_definitions"]).toBe(1);
    const member = sites.network.add(2);
    member.join("cluster", [1, 2]);
    const back = new Site(member, sites.clock, store);
    sites.all[1] = back;
    expect(back.ids).toEqual(["t/h", "t/k"]);
    await sites.link();
    expect(back.ids).toEqual(["t/k"]);
    expect(sites.site(1).ids).toEqual(["t/k"]);
    expect(digests(sites).size).toBe(1);
  });

  test("a deleted topic is deleted on all members, also on one that was away", async () => {
    const sites = new Sites(3);
    sites.site(3).member.reachable = false;
    await sites.site(1).replication.deleteTopic("t");
    expect(sites.site(2).deleted).toEqual(["t"]);
    expect(sites.site(3).deleted).toEqual([]);
    sites.site(3).member.reachable = true;
    await sites.link();
    expect(sites.site(3).deleted).toEqual(["t"]);
    await sites.link();
    expect(sites.all.map(({ deleted }) => deleted.length)).toEqual([1, 1, 1]);
  });
});

describe("a member that was added", () => {
  test("is waited for until its table equals the adder's", async () => {
    const sites = new Sites(2);
    const [a, b] = [sites.site(1), sites.site(2)];
    b.member.reachable = false;
    await a.replication.create(spec("h"), true);
    const synced: string[] = [];
    a.replication.onSynced((member) => synced.push(member));
    const equal = a.replication.untilEqual(memberId(2), 1_000);
    await sites.settle();
    b.member.reachable = true;
    for (let i = 0; i < 20; i++) {
      sites.clock.advance(60);
      await sites.settle();
    }
    expect(await equal).toBe(true);
    expect(b.ids).toEqual(["t/h"]);
    expect(synced).toContain(memberId(2));
  });

  test("is given up when that takes too long", async () => {
    const sites = new Sites(2);
    sites.site(2).member.reachable = false;
    const equal = sites.site(1).replication.untilEqual(memberId(2), 500);
    for (let i = 0; i < 20; i++) {
      sites.clock.advance(60);
      await sites.settle();
    }
    expect(await equal).toBe(false);
  });
});
