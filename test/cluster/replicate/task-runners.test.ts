import { describe, expect, test } from "bun:test";
import { askTasks } from "#cluster/calls/ask-tasks.ts";
import type { MemberStatus } from "#cluster/ports.ts";
import { type LocalTasks, TaskRunners } from "#cluster/replicate/task-runners.ts";
import { VirtualClock } from "#lib/clock.ts";
import { logTo } from "#lib/log.ts";
import {
  type FakeMember,
  FakeNetwork,
  memberId,
  promises,
} from "#test/cluster/rpc/fake-network.ts";
import { taskFor } from "./ranked-task.ts";

const GONE = 10_000;
const RETURN = 30_000;

/** A member that starts and stops tasks as it is told to, at once. */
class Site implements LocalTasks {
  readonly member: FakeMember;
  readonly runners: TaskRunners;
  readonly started = new Set<string>();
  readonly own = new Set<string>();
  readonly synced: string[] = [];
  readonly history: string[] = [];
  readonly #tasks: readonly string[];
  broken = false;

  constructor(member: FakeMember, clock: VirtualClock, tasks: readonly string[]) {
    this.member = member;
    this.#tasks = tasks;
    this.runners = new TaskRunners(
      {
        clock,
        log: logTo(() => {}),
        rpc: member,
        membership: member,
        takeStates: async (from) => void this.synced.push(from),
      },
      { goneMs: GONE, returnMs: RETURN },
    );
    this.runners.open();
  }

  async join(): Promise<void> {
    await this.runners.join(this);
    this.runners.onChange(() => this.carryOut());
    this.carryOut();
  }

  carryOut(): void {
    for (const task of this.#tasks) {
      const decision = this.own.has(task) ? "stop" : this.runners.decide(task);
      if (decision === "run" && !this.started.has(task) && !this.broken) {
        this.started.add(task);
        this.history.push(`start ${task}`);
      }
      if (decision === "stop" && this.started.delete(task)) this.history.push(`stop ${task}`);
    }
    this.runners.report();
  }

  running = (): readonly string[] => [...this.started].sort();
  blocked = (): readonly string[] => [...this.own].sort();
  runs = (task: string): boolean => this.started.has(task);
  owns = (task: string): boolean => this.own.has(task);
  show = (task: string, view: string): string | undefined =>
    this.runs(task) ? `${task} on ${this.member.id} as ${view}` : undefined;
  endpoint = (task: string, endpoint: string): string | undefined =>
    this.runs(task) && endpoint === "e" ? '{"series":null}' : undefined;
}

class Sites {
  readonly clock = new VirtualClock();
  readonly network = new FakeNetwork();
  readonly all: Site[] = [];
  readonly #redundancy: number;

  constructor(count: number, tasks: readonly string[], redundancy = 2) {
    this.#redundancy = redundancy;
    const numbers = Array.from({ length: count }, (_, i) => i + 1);
    for (const n of numbers) {
      const member = this.network.add(n);
      member.join("cluster", numbers, {}, redundancy);
      this.all.push(new Site(member, this.clock, tasks));
    }
  }

  site(n: number): Site {
    const site = this.all[n - 1];
    if (site === undefined) throw new Error(`no site ${n}`);
    return site;
  }

  async open(): Promise<void> {
    for (const a of this.all) {
      for (const b of this.all) if (a !== b) a.member.tell(b.member.id, "up");
    }
    await Promise.all(this.all.map((site) => site.join()));
    await this.settle();
  }

  /** Gives the members that are there a new view. */
  async see(statuses: Readonly<Record<number, MemberStatus>>): Promise<void> {
    const numbers = this.all.map((_, i) => i + 1);
    for (const { member } of this.all) {
      if (member.reachable) member.join("cluster", numbers, statuses, this.#redundancy);
    }
    await this.settle();
  }

  async wait(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 6; i++) {
      this.clock.advance(0);
      await promises();
    }
  }

  async kill(n: number): Promise<void> {
    const site = this.site(n);
    site.member.reachable = false;
    for (const other of this.all) if (other !== site) other.member.tell(site.member.id, "refused");
    await this.see({ [n]: "dead" });
  }

  where(task: string): readonly number[] {
    return this.all.flatMap((site, i) => (site.member.reachable && site.runs(task) ? [i + 1] : []));
  }
}

const task = taskFor([3, 2, 1]);

describe("placing", () => {
  test("a task runs on the first two, and every member knows", async () => {
    const sites = new Sites(3, [task]);
    await sites.open();
    expect(sites.where(task)).toEqual([2, 3]);
    for (const { runners } of sites.all) {
      expect(runners.runners(task).map(({ id }) => id)).toEqual([memberId(3), memberId(2)]);
    }
  });

  test("a killed member is replaced after the delay, and replaces its replacement when it is back", async () => {
    const sites = new Sites(3, [task]);
    await sites.open();
    await sites.kill(3);
    expect(
      sites
        .site(1)
        .runners.runners(task)
        .map(({ id }) => id),
    ).toEqual([memberId(2)]);
    await sites.wait(GONE - 1);
    expect(sites.where(task)).toEqual([2]);
    await sites.wait(1);
    expect(sites.where(task)).toEqual([1, 2]);

    // It restarts: a new process that knows nothing.
    const member = sites.network.add(3);
    member.join("cluster", [1, 2, 3], {}, 2);
    const back = new Site(member, sites.clock, [task]);
    sites.all[2] = back;
    await sites.see({});
    await sites.open();
    expect(back.history).toEqual([]);
    expect(sites.where(task)).toEqual([1, 2]);
    await sites.wait(RETURN - 1);
    expect(sites.where(task)).toEqual([1, 2]);
    await sites.wait(1);
    await sites.settle();
    expect(sites.where(task)).toEqual([2, 3]);
    expect(sites.site(1).history).toEqual([`start ${task}`, `stop ${task}`]);
  });

  test("whoever stands in does not stop before the other has started", async () => {
    const sites = new Sites(3, [task]);
    await sites.open();
    await sites.kill(3);
    await sites.wait(GONE);
    const back = sites.site(3);
    back.started.clear();
    back.broken = true;
    back.member.reachable = true;
    for (const other of [1, 2]) {
      sites.site(other).member.tell(back.member.id, "up");
      back.member.tell(memberId(other), "up");
    }
    await sites.see({});
    await sites.wait(RETURN);
    expect(sites.site(1).runners.decide(task)).toBe("keep");
    expect(sites.where(task)).toEqual([1, 2]);
    back.broken = false;
    back.carryOut();
    await sites.settle();
    expect(sites.where(task)).toEqual([2, 3]);
  });

  test("a removed member's tasks run elsewhere before it goes", async () => {
    const sites = new Sites(3, [task]);
    await sites.open();
    const left = sites.site(3).runners.leave();
    await sites.settle();
    expect(sites.where(task)).toEqual([1, 2]);
    await left;
  });

  test("leaving waits for others that do not start it, but not for ever", async () => {
    const sites = new Sites(2, [task], 1);
    await sites.open();
    const first = sites.where(task)[0] ?? 0;
    const other = sites.site(first === 1 ? 2 : 1);
    other.broken = true;
    let isOver = false;
    const left = sites
      .site(first)
      .runners.leave()
      .then(() => {
        isOver = true;
      });
    await sites.wait(2_999);
    expect(isOver).toBe(false);
    await sites.wait(1);
    await left;
    // The removal did not happen: everything is as before.
    await sites.wait(20_000);
    expect(sites.where(task)).toEqual([first]);
    expect(sites.site(first).runners.decide(task)).toBe("run");
  });

  test("a member with a task of its own of that ID is passed over", async () => {
    const sites = new Sites(3, [task]);
    sites.site(3).own.add(task);
    await sites.open();
    expect(sites.where(task)).toEqual([1, 2]);
    expect(await sites.site(1).runners.owners(task)).toEqual([
      { id: memberId(3), address: "host3:9092" },
    ]);
    expect(await sites.site(1).runners.owners("other")).toEqual([]);
  });

  test("a member that was removed runs tasks of its own cluster at once", async () => {
    const sites = new Sites(2, [task], 1);
    await sites.open();
    const [first = 1] = sites.where(task);
    const site = sites.site(first);
    await site.runners.leave();
    site.member.join("new", [first], {}, 1);
    await sites.settle();
    expect(site.runners.decide("another")).toBe("run");
  });

  test("reports that get lost are repeated", async () => {
    const sites = new Sites(2, [task], 1);
    await sites.open();
    const [first = 1] = sites.where(task);
    const [runner, other] = [sites.site(first), sites.site(first === 1 ? 2 : 1)];
    other.member.reachable = false;
    runner.started.delete(task);
    runner.runners.report();
    await sites.settle();
    other.member.reachable = true;
    await sites.wait(2_000);
    expect(other.runners.runners(task)).toEqual([]);
    expect(runner.runners.counters()["task_reports_failed"]).toBeGreaterThan(0);
  });

  test("an older report is not taken for news", async () => {
    const sites = new Sites(2, [task], 1);
    await sites.open();
    const [first = 1] = sites.where(task);
    const [runner, other] = [sites.site(first), sites.site(first === 1 ? 2 : 1)];
    const hear = other.member.answerers.get("ask-tasks");
    const report = { running: [], blocked: [], out: [], leaving: false };
    hear?.(runner.member.id, { what: "report", report: { ...report, number: 0 } });
    expect(other.runners.runners(task)).toHaveLength(1);
    hear?.(runner.member.id, { what: "report", report: { ...report, number: 1_000 } });
    expect(other.runners.runners(task)).toHaveLength(0);
  });

  test("random failures end with every task on two members, and never on fewer while all are well", async () => {
    const tasks = Array.from({ length: 12 }, (_, i) => `r${i}`);
    const sites = new Sites(4, tasks);
    await sites.open();
    for (let round = 0; round < 12; round++) {
      const n = 1 + (round % 4);
      await sites.kill(n);
      await sites.wait(round % 3 === 0 ? GONE / 2 : 2 * GONE);
      const member = sites.network.add(n);
      member.join("cluster", [1, 2, 3, 4], {}, 2);
      sites.all[n - 1] = new Site(member, sites.clock, tasks);
      await sites.see({});
      await sites.open();
      for (let i = 0; i < 8; i++) {
        for (const each of tasks) expect(sites.where(each).length).toBeGreaterThanOrEqual(2);
        await sites.wait(RETURN / 4);
      }
      for (const each of tasks)
        expect([round, each, sites.where(each).length]).toEqual([round, each, 2]);
    }
  });
});

describe("questions", () => {
  test("go to the member that runs it", async () => {
    const sites = new Sites(3, [task]);
    await sites.open();
    const { runners } = sites.site(1);
    const show = { what: "show", task, view: "labels" } as const;
    expect(await runners.ask(memberId(3), show)).toBe(`${task} on ${memberId(3)} as labels`);
    const endpoint = { what: "endpoint", task, endpoint: "e" } as const;
    expect(await runners.ask(memberId(2), endpoint)).toBe('{"series":null}');
    expect(await runners.ask(memberId(2), { ...endpoint, endpoint: "none" })).toBeUndefined();
    expect(runners.ask("nobody", endpoint)).rejects.toThrow("unknown member nobody");
    sites.site(2).member.reachable = false;
    expect(runners.ask(memberId(2), endpoint)).rejects.toThrow("refused");
  });

  test("topic states are taken over once before a burst of starts", async () => {
    const sites = new Sites(3, []);
    await sites.open();
    const site = sites.site(1);
    await site.runners.freshStates();
    await site.runners.freshStates();
    expect(site.synced.sort()).toEqual([memberId(2), memberId(3)]);
    await sites.wait(2_000);
    await site.runners.freshStates();
    expect(site.synced).toHaveLength(4);
  });

  test.each([
    ["no object", 1],
    ["a question of another kind", { what: "bogus" }],
    ["a task that is no text", { what: "own", task: 1 }],
    ["a view of another kind", { what: "show", task: "t", view: "x" }],
    ["an endpoint that is no text", { what: "endpoint", task: "t", endpoint: null }],
    ["no report", { what: "report" }],
    [
      "members that are none",
      {
        what: "report",
        report: { number: 1, running: [], blocked: [], out: ["x"], leaving: false },
      },
    ],
    [
      "too many tasks",
      {
        what: "report",
        report: {
          number: 1,
          running: Array.from({ length: 10_001 }, String),
          blocked: [],
          out: [],
          leaving: false,
        },
      },
    ],
  ])("%s is refused", (_title, payload) => {
    expect(() => askTasks.parseRequest(payload)).toThrow();
  });
});
