/**
 * Tasks of the whole cluster on real processes, redundancy 2: where they run, how they move, and that no alert is lost
 * or told twice meanwhile.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ClusterMember,
  DELAY_MS,
  getJson,
  TestCluster,
  writeTo,
} from "../../scripts/cluster-lab.ts";
import { cli, mustRun, until } from "../../scripts/lab.ts";

const folder = mkdtempSync(join(tmpdir(), "kapacitor-cluster-tasks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A member that was gone gets its tasks back after this long. */
const RETURN_MS = 3 * DELAY_MS;
/** For a dead process to be noticed, and some for a busy machine. */
const NOTICE_MS = 6_000;

const script = (
  measurement: string,
  topic: string,
  what = "is",
): string => `dbrp "telegraf"."autogen"

stream
    |from()
        .measurement('${measurement}')
        .groupBy('host')
    |httpOut('last')
    |alert()
        .id('{{ index .Tags "host" }}')
        .message('{{ .ID }} ${what} {{ .Level }}')
        .crit(lambda: "v" > 2)
        .stateChangesOnly()
        .topic('${topic}')
`;

interface TaskJson {
  readonly executing: boolean;
  readonly status: string;
  readonly script: string;
  readonly error: string;
  readonly cluster?: boolean;
  readonly members?: readonly { readonly id: string; readonly "api-address": string }[];
  readonly stats: { readonly "node-stats"?: Record<string, Record<string, number>> };
}

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function kapacitor({ process }: ClusterMember, ...words: string[]): string {
  return mustRun("kapacitor", "-url", process.url, ...words);
}

function define(member: ClusterMember, id: string, text: string): void {
  kapacitor(member, "define", id, "-tick", fileOf(`${id}.tick`, text), "-cluster");
  kapacitor(member, "enable", id);
}

async function task({ process }: ClusterMember, id: string): Promise<TaskJson> {
  return (await getJson(process, `tasks/${id}`)) as TaskJson;
}

/** IDs of the members that run it, as one member knows them. */
async function runners(member: ClusterMember, id: string): Promise<readonly string[]> {
  return ((await task(member, id)).members ?? []).map((each) => each.id).sort();
}

/** Does the member itself run it, whatever it says of others? */
async function runsOn({ process }: ClusterMember, id: string): Promise<boolean> {
  const { kapacitor: entries } = (await getJson(process, "debug/vars")) as {
    readonly kapacitor: Record<string, { readonly tags?: Record<string, string> }>;
  };
  return Object.values(entries).some(({ tags }) => tags?.["task"] === id);
}

async function whereItRuns(members: readonly ClusterMember[], id: string): Promise<string[]> {
  const runs = await Promise.all(members.map((member) => runsOn(member, id)));
  return members.flatMap((member, i) => (runs[i] === true ? [member.id as string] : [])).sort();
}

/** All these members say the same two run it, and those do. */
async function placed(
  members: readonly ClusterMember[],
  id: string,
  boundMs: number,
): Promise<readonly string[]> {
  let known: readonly string[] = [];
  await until(`${id} runs on two of ${members.length} and all know it`, boundMs, async () => {
    const views = await Promise.all(members.map((member) => runners(member, id)));
    known = await whereItRuns(members, id);
    return known.length === 2 && views.every((view) => Bun.deepEquals(view, known));
  });
  return known;
}

function notFound(member: ClusterMember, id: string): Promise<boolean> {
  return fetch(`${member.process.url}/kapacitor/v1/tasks/${id}`).then(
    ({ status }) => status === 404,
  );
}

describe("three members that run each task twice", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.open();
    cluster.defineHandler(cluster.at(0), "ct", "hook");
    define(cluster.at(0), "twice", script("n", "ct"));
  }, 30_000);
  afterEach(() => {
    cluster.webhook.received.length = 0;
  });
  afterAll(() => cluster?.close());

  const others = (ids: readonly string[]): ClusterMember[] =>
    cluster.members.filter(({ id }) => !ids.includes(id));
  const memberOf = (id: string | undefined): ClusterMember => {
    const found = cluster.members.find((member) => member.id === id);
    if (found === undefined) throw new Error(`no member ${id}`);
    return found;
  };

  test("a task defined on one runs on two, and all list it alike", async () => {
    const where = await placed(cluster.members, "twice", 5_000);
    const lists = cluster.members.map((member) => kapacitor(member, "list", "tasks", "twice"));
    expect(new Set(lists).size).toBe(1);
    const addresses = where.map((id) => memberOf(id).process.url.slice("http://".length));
    expect(lists[0]).toContain("Members\n");
    for (const address of addresses) expect(lists[0]).toContain(address);
    const shown = await Promise.all(cluster.members.map((member) => task(member, "twice")));
    for (const each of shown) expect(each).toMatchObject({ cluster: true, executing: true });
    expect(await task(cluster.at(0), "task-t")).not.toHaveProperty("members");
  }, 30_000);

  test("numbers and httpOut are the same on a member that does not run it", async () => {
    const where = await placed(cluster.members, "twice", 5_000);
    const [elsewhere] = others(where);
    if (elsewhere === undefined) throw new Error("three members with two runners have a third");
    await cluster.write("n,host=a v=1 1700000000000000000\n");
    const path = "tasks/twice/last";
    const data = await getJson(memberOf(where[0]).process, path);
    expect(JSON.stringify(data)).toContain('"2023-11-14T22:13:20Z"');
    expect(await getJson(elsewhere.process, path)).toEqual(data);
    const { stats } = await task(elsewhere, "twice");
    expect(stats["node-stats"]?.["from1"]?.["collected"]).toBeGreaterThan(0);
  }, 30_000);

  test("it moves when a runner is killed and comes back, and every alert is told once", async () => {
    const where = await placed(cluster.members, "twice", 5_000);
    const victim = memberOf(where[0]);
    const left = cluster.members.filter((member) => member !== victim);
    const told: string[] = [];
    let live: readonly ClusterMember[] = cluster.members;
    let second = 1_700_000_100;
    let isPaused = false;
    let isWriting = false;
    let isOver = false;
    const feed = (async () => {
      while (!isOver) {
        if (!isPaused) {
          isWriting = true;
          second++;
          const level = second % 2 === 0 ? "OK" : "CRITICAL";
          const body = `n,host=steady v=${level === "OK" ? 1 : 3} ${second}000000000\n`;
          told.push(`${new Date(second * 1000).toISOString().replace(".000Z", "Z")} ${level}`);
          await Promise.all(live.map(({ process }) => writeTo(process, body)));
          isWriting = false;
        }
        await Bun.sleep(50);
      }
    })();
    // Reported by the `await` at the end.
    feed.catch(() => {});
    const allTold = (): boolean => !isWriting && cluster.webhook.received.length >= told.length;
    const pausing = async (work: () => Promise<unknown>): Promise<void> => {
      isPaused = true;
      await until("all told", 10_000, allTold);
      await work();
      isPaused = false;
    };
    try {
      await until("some told", 10_000, () => cluster.webhook.received.length > 10);
      await pausing(async () => {
        live = left;
        await victim.process.kill("SIGKILL");
      });
      const moved = await placed(left, "twice", DELAY_MS + NOTICE_MS);
      expect(moved).toEqual(left.map(({ id }) => id as string).sort());
      await victim.process.start();
      const since = performance.now();
      await cluster.settled();
      live = cluster.members;
      await until("it is back where it was", RETURN_MS + NOTICE_MS, async () => {
        const now = await whereItRuns(cluster.members, "twice");
        // At no time do fewer than two run it.
        expect(now.length).toBeGreaterThanOrEqual(2);
        return Bun.deepEquals(now, where);
      });
      // Not at once; a slow machine only adds to it.
      expect(performance.now() - since).toBeGreaterThan(RETURN_MS - DELAY_MS);
      const count = told.length;
      await until("it goes on", 10_000, () => told.length > count + 20);
      isPaused = true;
      await until("all told", 10_000, allTold);
    } finally {
      isOver = true;
      await feed;
    }
    await Bun.sleep(500);
    const received = cluster.webhook.received.map(({ time, level }) => `${time} ${level}`);
    // The first point said nothing new when the level was OK before.
    expect(received.sort()).toEqual(told.filter((key) => received.includes(key)).sort());
    expect(told.length - received.length).toBeLessThanOrEqual(1);
  }, 90_000);

  test("a member that restarts quickly keeps its tasks", async () => {
    const where = await placed(cluster.members, "twice", 10_000);
    const victim = memberOf(where[1]);
    await victim.process.kill("SIGKILL");
    await victim.process.start();
    const end = performance.now() + 2 * DELAY_MS;
    const third = others(where);
    while (performance.now() < end) {
      for (const member of third) expect(await runsOn(member, "twice")).toBe(false);
      await Bun.sleep(100);
    }
    expect(await placed(cluster.members, "twice", 5_000)).toEqual(where);
  }, 60_000);

  test("it is edited, disabled and deleted on any member", async () => {
    define(cluster.at(0), "edited", script("e", "none"));
    await placed(cluster.members, "edited", 5_000);
    const path = fileOf("edited.tick", script("e", "none", "was"));
    kapacitor(cluster.at(1), "define", "edited", "-tick", path);
    for (const member of cluster.members)
      expect((await task(member, "edited")).script).toContain("was");
    await placed(cluster.members, "edited", 5_000);
    kapacitor(cluster.at(2), "disable", "edited");
    await until("nobody runs it", 5_000, async () => {
      const tasks = await Promise.all(cluster.members.map((member) => task(member, "edited")));
      const where = await whereItRuns(cluster.members, "edited");
      return (
        where.length === 0 && tasks.every((each) => each.status === "disabled" && !each.executing)
      );
    });
    kapacitor(cluster.at(1), "delete", "tasks", "edited");
    for (const member of cluster.members) expect(await notFound(member, "edited")).toBe(true);
  }, 30_000);

  test("a template comes along, and its update is in force on all members", async () => {
    const text = (what: string): string =>
      `var host string\n\n${script("p", "ct", what)
        .replace(".groupBy('host')", `.where(lambda: "host" == host)\n        .groupBy('host')`)
        .replace('dbrp "telegraf"."autogen"\n', "")}`;
    const [a, b, c] = [cluster.at(0), cluster.at(1), cluster.at(2)];
    kapacitor(a, "define-template", "tm", "-tick", fileOf("tm.tick", text("is")));
    const vars = fileOf("tm.json", JSON.stringify({ host: { type: "string", value: "q" } }));
    kapacitor(
      a,
      "define",
      "made",
      "-template",
      "tm",
      "-vars",
      vars,
      "-dbrp",
      "telegraf.autogen",
      "-cluster",
    );
    kapacitor(a, "enable", "made");
    await placed(cluster.members, "made", 5_000);
    for (const member of [b, c])
      expect(kapacitor(member, "show-template", "tm")).toContain("}} is {{");
    kapacitor(b, "define-template", "tm", "-tick", fileOf("tm.tick", text("became")));
    for (const member of cluster.members) {
      expect((await task(member, "made")).script).toContain("became");
      expect(kapacitor(member, "show-template", "tm")).toContain("became");
    }
    await placed(cluster.members, "made", 5_000);
    await cluster.write("p,host=q v=3 1700000000000000000\n");
    await until("told", 5_000, () => cluster.webhook.received.length > 0);
    expect(cluster.webhook.received.map(({ message }) => message)).toEqual(["q became CRITICAL"]);
    const bad = fileOf("bad.tick", text("is").replace("var host string", "var host int"));
    const refused = cli("kapacitor", "-url", c.process.url, "define-template", "tm", "-tick", bad);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("made");
    for (const member of cluster.members) {
      expect(kapacitor(member, "show-template", "tm")).toContain("became");
    }
  }, 60_000);

  test("an ID that another member has for a task of its own is refused, with the member's name", async () => {
    const own = cluster.at(2);
    kapacitor(own, "define", "mine", "-tick", fileOf("mine.tick", script("o", "none")));
    const path = fileOf("mine2.tick", script("o", "none"));
    const { code, stderr } = cli(
      ...["kapacitor", "-url", cluster.at(0).process.url],
      ...["define", "mine", "-tick", path, "-cluster"],
    );
    expect(code).not.toBe(0);
    expect(stderr).toContain(own.id);
    expect(await notFound(cluster.at(0), "mine")).toBe(true);
    // On that member itself it becomes the cluster's.
    kapacitor(own, "define", "mine", "-tick", path, "-cluster");
    kapacitor(own, "enable", "mine");
    await placed(cluster.members, "mine", 5_000);
  }, 30_000);

  test("all are there again after all members were stopped", async () => {
    const where = await placed(cluster.members, "twice", 5_000);
    await Promise.all(cluster.members.map(({ process }) => process.kill("SIGTERM")));
    await Promise.all(cluster.members.map(({ process }) => process.start()));
    expect(await placed(cluster.members, "twice", 15_000)).toEqual(where);
  }, 60_000);
});

describe("a cluster that grows and shrinks", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.open({ members: 1 });
  }, 30_000);
  afterAll(() => cluster?.close());

  test("alone it is a cluster of one; members that are added take part, and one that is removed stops", async () => {
    const a = cluster.at(0);
    define(a, "grows", script("g", "none"));
    expect(await runners(a, "grows")).toEqual([a.id]);
    const b = await cluster.startMember(1);
    cluster.join(b);
    expect(await placed([a, b], "grows", 5_000)).toEqual([a.id, b.id].map(String).sort());

    const c = await cluster.startMember(2);
    const own = fileOf("grows.tick", script("own", "none"));
    kapacitor(c, "define", "grows", "-tick", own);
    cluster.join(c);
    await cluster.settled();
    expect(await placed([a, b], "grows", 5_000)).toHaveLength(2);
    expect(await task(c, "grows")).toMatchObject({ cluster: false, executing: false });
    expect(kapacitor(c, "list", "tasks")).toContain("local, hides the cluster's on ");
    kapacitor(c, "delete", "tasks", "grows");
    await until("the cluster's is seen there", 5_000, async () => {
      return (await notFound(c, "grows")) === false && (await task(c, "grows")).cluster === true;
    });

    const where = await placed([a, b, c], "grows", 5_000);
    const leaving = cluster.members.find(({ id }) => where.includes(id) && id !== a.id);
    if (leaving === undefined) throw new Error("of two runners one is not the first member");
    mustRun("kapacitorctl", "member", "remove", "-url", a.process.url, leaving.id);
    const rest = cluster.members.filter((member) => member !== leaving);
    await placed(rest, "grows", 5_000);
    await until("it is gone there", 5_000, () => notFound(leaving, "grows"));
    await leaving.process.logged("its tasks stop here");
  }, 90_000);
});
