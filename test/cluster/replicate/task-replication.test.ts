import { describe, expect, test } from "bun:test";
import { pushTasks } from "#cluster/calls/push-tasks.ts";
import { syncTasks } from "#cluster/calls/sync-tasks.ts";
import { TaskReplication } from "#cluster/replicate/task-replication.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import { jsonKind, put } from "#storage/store.ts";
import {
  type FakeMember,
  FakeNetwork,
  memberId,
  promises,
} from "#test/cluster/rpc/fake-network.ts";

const DAY = 24 * 60 * 60 * 1000;
const rows = jsonKind("rows", String);

class Site {
  readonly member: FakeMember;
  readonly store: MemoryStore;
  readonly table: TaskReplication;
  readonly followed: (readonly string[])[] = [];
  readonly log: LogEntry[] = [];

  constructor(member: FakeMember, clock: VirtualClock, store = new MemoryStore()) {
    this.member = member;
    this.store = store;
    const random = new SeededRandom(1);
    const log = logTo((entry) => this.log.push(entry));
    const base = { clock, random, log, store, rpc: member, membership: member };
    this.table = new TaskReplication(base, { fullSyncMs: 1000 });
    this.table.open();
    this.table.follow(async (keys) => void this.followed.push(keys));
  }

  async save(key: string, value: Record<string, unknown> | null): Promise<void> {
    const spread = await this.table.save([{ key, value }], []);
    await spread();
  }

  message(start: string): LogEntry | undefined {
    return this.log.find(({ message }) => message.startsWith(start));
  }
}

class Sites {
  readonly clock = new VirtualClock({ ms: 100 * DAY, ns: 0 });
  readonly network = new FakeNetwork();
  readonly all: Site[];

  constructor(count: number) {
    const numbers = Array.from({ length: count }, (_, i) => i + 1);
    this.all = numbers.map((n) => new Site(this.network.add(n), this.clock));
    if (count > 1) this.join(numbers);
  }

  join(numbers: readonly number[], clusterId = "cluster"): void {
    for (const n of numbers) this.site(n).member.join(clusterId, numbers);
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
    for (let i = 0; i < 5; i++) {
      this.clock.advance(1);
      await promises();
    }
  }

  values(key: string): unknown[] {
    return this.all.map(({ table }) => table.get(key));
  }
}

const fields = (script: string) => ({ script, vars: { big: 12345678901234567890n } });

describe("edits", () => {
  test("reach all members before they are answered, and are followed there", async () => {
    const sites = new Sites(3);
    await sites.site(2).save("task/t", fields("a"));
    expect(sites.values("task/t")).toEqual([fields("a"), fields("a"), fields("a")]);
    expect(sites.site(1).followed).toEqual([["task/t"]]);
    expect(sites.site(2).followed).toEqual([]);
    const { fields: logged } = sites.site(2).message("cluster task changed") ?? { fields: {} };
    expect(logged).toMatchObject({ definitions: "task/t", acknowledged: 2, live: 2 });
    await sites.site(3).save("task/t", null);
    expect(sites.values("task/t")).toEqual([null, null, null]);
    expect(sites.site(1).table.keys()).toEqual([]);
  });

  test("are on disk together with what is stored beside them", async () => {
    const sites = new Sites(1);
    const { table, store, member } = sites.site(1);
    await table.save([{ key: "task/t", value: fields("a") }], [put(rows, "t", "row")]);
    expect(store.table(rows).get("t")).toBe("row");
    const again = new Site(member, sites.clock, store);
    expect(again.table.get("task/t")).toEqual(fields("a"));
  });

  test("are answered after two seconds although a member does not follow", async () => {
    const sites = new Sites(2);
    sites.site(2).table.follow(() => new Promise(() => {}));
    const spread = await sites.site(1).table.save([{ key: "task/t", value: fields("a") }], []);
    let isOver = false;
    const spreading = spread().then(() => {
      isOver = true;
    });
    sites.clock.advance(1_999);
    await promises();
    expect(isOver).toBe(false);
    sites.clock.advance(1);
    await spreading;
    const { fields: logged } = sites.site(1).message("cluster task changed") ?? { fields: {} };
    expect(logged).toMatchObject({ acknowledged: 0, live: 1 });
  });

  test("do not wait for members that are known to be dead, which get them when they return", async () => {
    const sites = new Sites(2);
    sites.site(2).member.reachable = false;
    sites.site(1).member.join("cluster", [1, 2], { 2: "dead" });
    await sites.site(1).save("task/t", fields("a"));
    expect(sites.site(1).message("cluster task changed")).toBeUndefined();
    sites.site(2).member.reachable = true;
    sites.join([1, 2]);
    await sites.link();
    expect(sites.site(2).table.get("task/t")).toEqual(fields("a"));
    expect(sites.site(2).followed).toEqual([["task/t"]]);
  });

  test("one that is too large is refused and changes nothing", async () => {
    const sites = new Sites(1);
    const { table } = sites.site(1);
    const script = "x".repeat(4 * 1024 * 1024);
    expect(table.save([{ key: "task/t", value: { script } }], [])).rejects.toThrow("too many");
    expect(table.get("task/t")).toBeUndefined();
    expect(table.counters()["task_edits_refused_large"]).toBe(1);
  });

  test("more than the table holds are refused, changes of what it holds are not", async () => {
    const sites = new Sites(1);
    const { table } = sites.site(1);
    const all = Array.from({ length: 10_000 }, (_, i) => ({ key: `task/${i}`, value: {} }));
    await table.save(all, []);
    expect(table.save([{ key: "task/more", value: {} }], [])).rejects.toThrow("at most 10000");
    await table.save([{ key: "task/1", value: { a: 1 } }], []);
    expect(table.get("task/1")).toEqual({ a: 1 });
    expect(table.counters()["task_edits_refused_full"]).toBe(1);
  });

  test("concurrent ones end alike, and the one that lost is logged in full", async () => {
    const sites = new Sites(2);
    for (const { member } of sites.all) member.reachable = false;
    await sites.site(1).save("task/t", fields("one"));
    await sites.site(2).save("task/t", fields("two"));
    for (const { member } of sites.all) member.reachable = true;
    await sites.link();
    expect(sites.values("task/t")).toEqual([fields("two"), fields("two")]);
    const lost = sites.site(1).message("concurrent edit of a task lost");
    expect(lost?.fields).toMatchObject({ definition: "task/t", winner: memberId(2) });
    expect(String(lost?.fields["replaced"])).toContain('"script":"one"');
  });

  test("large ones are synced in several pages", async () => {
    const sites = new Sites(2);
    sites.site(2).member.reachable = false;
    const script = "x".repeat(300_000);
    for (let i = 0; i < 10; i++) await sites.site(1).save(`task/${i}`, { script });
    sites.site(2).member.reachable = true;
    const before = sites.site(2).member.calls;
    await sites.link();
    expect(sites.site(2).table.keys()).toHaveLength(10);
    expect(sites.site(2).member.calls - before).toBeGreaterThan(3);
    expect(sites.site(2).table.digest).toBe(sites.site(1).table.digest);
  });
});

describe("joining and leaving", () => {
  test("the cluster's wins, and what only the newcomer has is taken along", async () => {
    const sites = new Sites(2);
    const newcomer = new Site(sites.network.add(3), sites.clock);
    sites.all.push(newcomer);
    await sites.site(1).save("task/both", fields("cluster"));
    for (const script of ["mine", "mine too"]) await newcomer.save("task/both", fields(script));
    await newcomer.save("task/only", fields("only"));
    sites.join([1, 2, 3]);
    await sites.link();
    expect(sites.values("task/both")).toEqual(Array(3).fill(fields("cluster")));
    expect(sites.values("task/only")).toEqual(Array(3).fill(fields("only")));
    expect(newcomer.message("task replaced by the cluster's")).toBeDefined();
  });

  test("a removed member drops all, reports it and does not find them after a restart", async () => {
    const sites = new Sites(2);
    await sites.site(1).save("task/t", fields("a"));
    await sites.site(1).save("task/gone", fields("a"));
    await sites.site(1).save("task/gone", null);
    const removed = sites.site(2);
    removed.member.join("new", [2]);
    await promises();
    expect(removed.table.keys()).toEqual([]);
    expect(removed.followed.at(-1)).toEqual(["task/t"]);
    const { level, fields: logged } = removed.message("removed from the cluster") ?? {};
    expect([level, logged?.["definitions"]]).toEqual(["warn", "task/t"]);
    expect(new Site(removed.member, sites.clock, removed.store).table.keys()).toEqual([]);
    expect(sites.site(1).table.keys()).toEqual(["task/t"]);
  });

  test("one that learns of its removal at its next start drops them too", async () => {
    const sites = new Sites(2);
    await sites.site(1).save("task/t", fields("a"));
    const { member, store } = sites.site(2);
    sites.site(2).table.close();
    const back = sites.network.add(2);
    back.join("new", [2]);
    expect(member.id).toBe(back.id);
    expect(new Site(back, sites.clock, store).table.keys()).toEqual([]);
  });

  test("the last member keeps its tasks when it is removed, as nobody else has them", async () => {
    const sites = new Sites(2);
    await sites.site(1).save("task/t", fields("a"));
    const last = sites.site(1);
    last.member.join("cluster", [1]);
    last.member.join("new", [1]);
    await promises();
    expect(last.table.keys()).toEqual(["task/t"]);
  });

  test("a member that was away for longer than tombstones live drops what was deleted", async () => {
    const sites = new Sites(2);
    await sites.link();
    await sites.site(1).save("task/t", fields("a"));
    await sites.site(1).save("template/k", fields("a"));
    const { store, table, member } = sites.site(2);
    table.close();
    member.reachable = false;
    sites.site(1).member.join("cluster", [1, 2], { 2: "dead" });
    await sites.site(1).save("task/t", null);
    sites.clock.advance(8 * DAY);
    await promises();
    const again = sites.network.add(2);
    again.join("cluster", [1, 2]);
    const back = new Site(again, sites.clock, store);
    sites.all[1] = back;
    expect(back.table.keys()).toEqual(["task/t", "template/k"]);
    await sites.link();
    expect(back.table.keys()).toEqual(["template/k"]);
    expect(back.followed.flat()).toContain("task/t");
  });
});

describe("what is no definition", () => {
  const edit = [1, memberId(1), 5];
  test.each([
    ["nothing", null],
    ["no list", { definitions: {} }],
    ["a key of another kind", { definitions: [["other/x", {}, ...edit]] }],
    ["a key without an ID", { definitions: [["task/", {}, ...edit]] }],
    ["a key that is too long", { definitions: [[`task/${"x".repeat(2000)}`, {}, ...edit]] }],
    ["fields that are none", { definitions: [["task/x", 5, ...edit]] }],
    ["a version below zero", { definitions: [["task/x", {}, -1, memberId(1), 5]] }],
    ["a member that is none", { definitions: [["task/x", {}, 1, "x", 5]] }],
    ["too many parts", { definitions: [["task/x", {}, ...edit, 1]] }],
  ])("%s is refused", (_title, payload) => {
    expect(() => pushTasks.parseRequest(payload)).toThrow();
  });

  test("a sync without a digest is refused", () => {
    expect(() => syncTasks.parseRequest({ after: "" })).toThrow();
    expect(() => syncTasks.parseAnswer({ same: true, definitions: [], next: 1 })).toThrow();
  });
});
