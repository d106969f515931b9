import { describe, expect, test } from "bun:test";
import { createApp } from "#http/app.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";
import { TaskCluster, type TaskMemberSite } from "#test/tasks/task-cluster.ts";

const good = 'dbrp "d"."r" stream|from()';

async function call(
  site: TaskMemberSite,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly text: string; readonly json: Json }> {
  const request = new Request(`http://x/kapacitor/v1${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await createApp(site.services).handle(request);
  const text = await answer.text();
  return { status: answer.status, text, json: text === "" ? {} : JSON.parse(text) };
}

type Json = Record<string, unknown>;

/** Three members, two of which run `a`; the third one. */
async function opened(): Promise<{
  readonly cluster: TaskCluster;
  readonly runners: readonly TaskMemberSite[];
  readonly other: TaskMemberSite;
}> {
  const cluster = await TaskCluster.open(3);
  const body = { id: "a", script: good, status: "enabled", cluster: true };
  expect((await call(cluster.at(1), "POST", "/tasks", body)).status).toBe(200);
  await cluster.settle();
  const runners = cluster.all.filter(({ running }) => running.includes("a"));
  const other = cluster.all.find((site) => !runners.includes(site));
  if (other === undefined) throw new Error("three members with two runners have a third");
  return { cluster, runners, other };
}

describe("a cluster task", () => {
  test("shows the members that run it, on every member alike", async () => {
    const { cluster, runners } = await opened();
    const shown = await Promise.all(cluster.all.map((site) => call(site, "GET", "/tasks/a")));
    for (const { json } of shown) {
      const members = json["members"] as readonly Json[];
      expect(json).toMatchObject({ cluster: true, executing: true, status: "enabled" });
      expect(members.map(({ id }) => String(id)).sort()).toEqual(
        runners.map(({ member }) => String(member.id)).sort(),
      );
      expect(json["stats"]).toMatchObject({ "node-stats": { from1: { collected: 4 } } });
      expect(json["dot"]).toContain("processed");
    }
    expect(new Set(shown.map(({ text }) => text)).size).toBe(1);
  });

  test("says so in lists too, whatever fields are asked for", async () => {
    const { other, runners } = await opened();
    await call(other, "POST", "/tasks", { id: "mine", script: good });
    const { json } = await call(other, "GET", "/tasks?fields=executing");
    const [a, mine] = json["tasks"] as readonly Json[];
    expect(a).toMatchObject({ id: "a", cluster: true, executing: true });
    expect(a?.["members"]).toHaveLength(runners.length);
    expect(Object.keys(mine ?? {})).toEqual(["executing", "id", "link"]);
  });

  test("serves httpOut from a member that runs it", async () => {
    const { other, runners } = await opened();
    const [runner] = runners;
    if (runner === undefined) throw new Error("nobody runs it");
    const there = await call(runner, "GET", "/tasks/a/out");
    expect(await call(other, "GET", "/tasks/a/out")).toEqual(there);
    expect(there.text).toContain('"series":[');
    expect((await call(other, "GET", "/tasks/a/none")).status).toBe(404);
  });

  test("names the member that does not answer", async () => {
    const { other, runners } = await opened();
    for (const { member } of runners) member.reachable = false;
    const { status, json } = await call(other, "GET", "/tasks/a/out");
    expect(status).toBe(500);
    const [named] = (await call(other, "GET", "/tasks/a")).json["members"] as readonly Json[];
    expect(String(json["error"])).toStartWith(`task a is run by member ${named?.["id"]}`);
    // The task itself is known here all the same.
    expect((await call(other, "GET", "/tasks/a")).json).toMatchObject({ id: "a", stats: {} });
  });

  test("that does not start shows why on every member", async () => {
    const { cluster } = await opened();
    await call(cluster.at(1), "PATCH", "/tasks/a", { script: `${good}|REFUSE()` });
    await call(cluster.at(1), "PATCH", "/tasks/a", { status: "disabled" });
    await call(cluster.at(1), "PATCH", "/tasks/a", { status: "enabled" });
    await cluster.settle();
    for (const site of cluster.all) {
      const { json } = await call(site, "GET", "/tasks/a");
      expect(json).toMatchObject({ status: "enabled", executing: false, members: [], stats: {} });
      expect(String(json["error"])).toContain("not allowed");
    }
  });

  test("is changed and deleted through any member", async () => {
    const { cluster, other } = await opened();
    const patched = await call(other, "PATCH", "/tasks/a", { status: "disabled" });
    expect(patched.json).toMatchObject({ status: "disabled", executing: false });
    for (const site of cluster.all) expect(site.running).toEqual([]);
    expect((await call(other, "DELETE", "/tasks/a")).status).toBe(204);
    for (const site of cluster.all) expect((await call(site, "GET", "/tasks/a")).status).toBe(404);
  });

  test("hidden by a member's own is told by that one", async () => {
    const cluster = await TaskCluster.open(2);
    const [one, two] = [cluster.at(1), cluster.at(2)];
    await cluster.kill(2);
    await call(one, "POST", "/tasks", { id: "a", script: good, status: "enabled", cluster: true });
    await call(two, "POST", "/tasks", { id: "a", script: good });
    two.member.reachable = true;
    await cluster.join();
    const { json } = await call(two, "GET", "/tasks/a");
    expect(json).toMatchObject({ cluster: false, executing: false });
    expect(json["members"]).toEqual([{ id: memberId(1), "api-address": "host1:9092" }]);
  });

  test.each([
    ["cluster that is no boolean", { cluster: "yes" }, "invalid JSON"],
    ["no script", { cluster: true, script: "" }, "must provide TICKscript"],
    ["an ID that is none", { cluster: true, id: "a b" }, "task ID must contain only"],
  ])("%s is refused", async (_title, fields, error) => {
    const cluster = await TaskCluster.open(1);
    const { status, json } = await call(cluster.at(1), "POST", "/tasks", {
      ...{ id: "a", script: good },
      ...fields,
    });
    expect(status).toBe(400);
    expect(String(json["error"])).toContain(error);
  });
});
