/**
 * Members that are not who they seem: a copied data directory, another cluster's member at a known address
 * (cluster-behaviour §16: 18, 23).
 */

import { afterEach, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expected, getJson, point, TestCluster } from "../../../scripts/cluster-lab.ts";
import { Member, until } from "../../../scripts/lab.ts";

let cluster: TestCluster | undefined;
let stranger: Member | undefined;
const directory = mkdtempSync(join(tmpdir(), "kapacitor-identity-"));
afterEach(async () => {
  await stranger?.kill("SIGKILL");
  await cluster?.close();
  [stranger, cluster] = [undefined, undefined];
  rmSync(directory, { recursive: true, force: true });
});

test("a copy of a member's data, started beside it, does not take part; the member stays", async () => {
  cluster = await TestCluster.open();
  const lab = cluster;
  const original = lab.at(2);
  await original.process.kill("SIGTERM");
  const copy = join(directory, "copy");
  cpSync(original.process.directory, copy, { recursive: true });
  await original.process.start();
  await lab.settled();
  stranger = await Member.create({ name: "copy", host: "127.0.0.6", directory: copy });
  const copied = stranger;
  await copied.logged("another live process has this member's identity");
  expect(await getJson(copied, "tasks/task-t")).toMatchObject({ executing: true });
  for (const { process } of lab.members) {
    expect(process.logTail(200)).not.toContain("another live process has this member's identity");
  }
  await lab.settled();
  for (const member of lab.members) {
    const { members } = await lab.view(member);
    expect(members.map(({ id, status }) => `${id} ${status}`).sort()).toEqual(
      lab.members.map(({ id }) => `${id} alive`).sort(),
    );
  }
  await lab.write(point("copied", "CRITICAL", 0));
  const key = expected("copied", "CRITICAL", 0);
  expect(await lab.arrivals([key], 8_000, 1_000)).toEqual([key]);
}, 40_000);

/** Counters of packets and connections that were dropped for coming from another cluster. */
async function foreign(member: Member): Promise<number> {
  const { kapacitor } = (await getJson(member, "debug/vars")) as {
    readonly kapacitor: Readonly<Record<string, { readonly values: Record<string, number> }>>;
  };
  const counters = Object.values(kapacitor).flatMap(({ values }) => Object.entries(values));
  return counters
    .filter(([name]) => /foreign.cluster/.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
}

test("another cluster's member at a known address is ignored and counted", async () => {
  cluster = await TestCluster.open({ members: 2 });
  const lab = cluster;
  const [a, gone] = [lab.at(0), lab.at(1)];
  await gone.process.kill("SIGKILL");
  const { host, gossipPort, rpcPort, apiPort } = gone.process;
  stranger = await Member.create({
    name: "stranger",
    host,
    ports: [gossipPort, rpcPort, apiPort],
    directory: join(directory, "stranger"),
  });
  const other = stranger;
  await until("packets for the other cluster are counted", 15_000, async () => {
    return (await foreign(other)) > 0;
  });
  const seen = (await getJson(other, "cluster")) as { state: string; members: unknown[] };
  expect([seen.state, seen.members.length]).toEqual(["uninitialized", 1]);
  const view = await lab.view(a);
  expect(view.members.map(({ id }) => id).sort()).toEqual([a.id, gone.id].sort());
  await until("the one that is gone is known to be", 10_000, async () => {
    const { members } = await lab.view(a);
    return members.find(({ id }) => id === gone.id)?.status === "failed";
  });
}, 40_000);
