/**
 * Acceptance scenarios of joining, removing and powering off real members (cluster-behaviour §16: 11, 12, 13, 14, 21).
 */

import { afterEach, expect, test } from "bun:test";
import {
  type ClusterMember,
  expected,
  getJson,
  point,
  TestCluster,
} from "../../scripts/cluster-lab.ts";
import { cli, until } from "../../scripts/lab.ts";

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

function remove(at: ClusterMember, id: string): void {
  const { code, stdout, stderr } = cli(
    "kapacitorctl",
    "member",
    "remove",
    "-url",
    at.process.url,
    id,
  );
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
}

async function powerOff(members: readonly ClusterMember[]): Promise<void> {
  await Promise.all(members.map(({ process }) => process.kill("SIGKILL")));
}

async function powerOn(members: readonly ClusterMember[]): Promise<void> {
  await Promise.all(members.map(({ process }) => process.start()));
}

test("handlers with match and states survive the restart of the whole cluster", async () => {
  cluster = await TestCluster.open();
  const lab = cluster;
  lab.defineHandler(lab.at(1), "t", "critical", { match: 'level() == "CRITICAL"' });
  const path = "alerts/topics/t/handlers/critical";
  const before = await getJson(lab.at(0).process, path);
  expect(before).toMatchObject({ match: 'level() == "CRITICAL"' });
  await powerOff(lab.members);
  await powerOn(lab.members);
  for (const { process } of lab.members) expect(await getJson(process, path)).toEqual(before);
}, 20_000);

test("a power-off of all during WARNING: exactly one recovery is sent after it", async () => {
  cluster = await TestCluster.open();
  const lab = cluster;
  await lab.write(point("off", "WARNING", 0));
  const warning = expected("off", "WARNING", 0);
  expect(await lab.arrivals([warning], 5_000)).toEqual([warning]);
  await powerOff(lab.members);
  await powerOn(lab.members);
  await lab.settled();
  await lab.write(point("off", "OK", 60));
  const recovery = expected("off", "OK", 60);
  expect(await lab.arrivals([warning, recovery], 8_000, 3_000)).toEqual([warning, recovery].sort());
}, 30_000);

/** Event ID → level in a topic, as the member's API tells it. */
async function levels(member: ClusterMember, topic: string): Promise<unknown> {
  const { events } = (await getJson(member.process, `alerts/topics/${topic}/events`)) as {
    readonly events: readonly { readonly id: string; readonly state: { readonly level: string } }[];
  };
  return Object.fromEntries(events.map(({ id, state }) => [id, state.level]));
}

test("a member that was away gets the states before its tasks raise anything again", async () => {
  cluster = await TestCluster.open();
  const lab = cluster;
  const [first, second, third] = lab.ranking();
  if (first === undefined || second === undefined || third === undefined) throw new Error("three");
  const keys: string[] = [];
  let at = 0;
  for (const away of [third, second]) {
    const host = `away${at}`;
    await away.process.kill("SIGTERM");
    await lab.write(
      point(host, "CRITICAL", at),
      lab.members.filter((member) => member !== away),
    );
    keys.push(expected(host, "CRITICAL", at));
    await lab.arrivals(keys, 8_000, 100);
    await away.process.start();
    await lab.settled();
    await lab.write(point(host, "CRITICAL", at + 30));
    at += 60;
  }
  expect(await lab.arrivals(keys, 5_000, 3_000)).toEqual([...keys].sort());
  const all = { away0: "CRITICAL", away60: "CRITICAL" };
  for (const member of lab.members) expect(await levels(member, "t")).toEqual(all);
}, 40_000);

test("a member that does not own a topic reads it from an owner, also when it runs no task", async () => {
  cluster = await TestCluster.open();
  const lab = cluster;
  const [first, second, third] = lab.ranking("u");
  if (first === undefined || second === undefined || third === undefined) throw new Error("three");
  await lab.defineTask("u", [first, second]);
  await lab.write(point("read", "WARNING", 0));
  await until("the owner has it", 5_000, async () => {
    return (await levels(first, "u").catch(() => ({}))) !== undefined;
  });
  expect(await levels(third, "u")).toEqual({ read: "WARNING" });
  expect(await getJson(third.process, "alerts/topics/u")).toMatchObject({ level: "WARNING" });
  const answer = await fetch(`${third.process.url}/kapacitor/v1/alerts/topics/u`, {
    method: "DELETE",
  });
  expect(answer.status).toBe(204);
  for (const { process } of lab.members) {
    const { topics } = (await getJson(process, "alerts/topics")) as {
      readonly topics: readonly { readonly id: string }[];
    };
    expect(topics.map(({ id }) => id)).not.toContain("u");
  }
}, 20_000);

test("a member that is added with a handler of the same name holds the cluster's when the add returns", async () => {
  cluster = await TestCluster.open({ members: 2 });
  const lab = cluster;
  const added = await lab.startMember(2);
  lab.defineHandler(added, "t", "hook", { match: "changed() == TRUE" });
  lab.defineHandler(added, "t", "brought");
  lab.join(added);
  const path = "alerts/topics/t/handlers/hook";
  const [a, b] = [await getJson(lab.at(0).process, path), await getJson(added.process, path)];
  expect(b).toEqual(a);
  expect(a).not.toMatchObject({ match: "changed() == TRUE" });
  expect(await getJson(lab.at(0).process, "alerts/topics/t/handlers/brought")).toBeDefined();
  await added.process.logged("handler replaced by the cluster's");
}, 20_000);

test("a live member is removed from another one and from itself", async () => {
  cluster = await TestCluster.open();
  const lab = cluster;
  const [a, b, c] = [lab.at(0), lab.at(1), lab.at(2)];
  const { id: clusterId } = await lab.view(a);
  remove(a, c.id);
  await until("the removed member is on its own", 5_000, async () => {
    return (await lab.view(c)).state === "uninitialized";
  });
  const alone = await lab.view(c);
  expect(alone.id).not.toBe(clusterId);
  expect(alone.members.map(({ id }) => id)).toEqual([c.id]);
  remove(b, b.id);
  await until("the one that removed itself is on its own", 5_000, async () => {
    return (await lab.view(b)).state === "uninitialized";
  });
  const last = await lab.view(a);
  expect(last.id).toBe(clusterId);
  expect(last.state).toBe("initialized");
  expect(last.members.map(({ id }) => id)).toEqual([a.id]);
}, 20_000);

test("a dead member that was removed becomes uninitialized when it is started and stays out", async () => {
  cluster = await TestCluster.open();
  const lab = cluster;
  const [a, b, c] = [lab.at(0), lab.at(1), lab.at(2)];
  await c.process.kill("SIGKILL");
  await until("it is seen as failed", 10_000, async () => {
    const { members } = await lab.view(a);
    return members.find(({ id }) => id === c.id)?.status === "failed";
  });
  remove(a, c.id);
  await c.process.start();
  await until("it is told that it is out", 10_000, async () => {
    return (await lab.view(c)).state === "uninitialized";
  });
  for (const member of [a, b]) {
    const { members } = await lab.view(member);
    expect(members.map(({ id }) => id).sort()).toEqual([a.id, b.id].sort());
  }
}, 30_000);
