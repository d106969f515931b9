/** Two and three real members on loopback addresses: add, list, kill, restart, leave, remove, refusals. */

import { afterEach, describe, expect, test } from "bun:test";
import { shownStatus } from "#cluster/shown-status.ts";
import { eventually, FakeRpcNet, LiveMember } from "./live-cluster.ts";

let members: LiveMember[] = [];

async function startMembers(
  count: number,
  options: ConstructorParameters<typeof LiveMember>[2] = {},
): Promise<LiveMember[]> {
  const net = new FakeRpcNet();
  members = Array.from({ length: count }, (_, i) => new LiveMember(net, i, options));
  for (const member of members) await member.start();
  return members;
}

/** All added through the first one. */
async function startCluster(
  count: number,
  options: ConstructorParameters<typeof LiveMember>[2] = {},
): Promise<LiveMember[]> {
  const [first, ...others] = await startMembers(count, options);
  for (const other of others) await first?.cluster.add(other.rpcAddress);
  await eventually(members, () => allAlive(members), 3_000, "all see all");
  return members;
}

function allAlive(of: readonly LiveMember[]): boolean {
  return of.every((a) => of.every((b) => a.sees(b) === "alive"));
}

afterEach(async () => {
  for (const member of members) await member.kill();
  members = [];
});

function two(of: readonly LiveMember[]): [LiveMember, LiveMember] {
  const [a, b] = of;
  if (a === undefined || b === undefined) throw new Error("two members expected");
  return [a, b];
}

describe("alone", () => {
  test("a new member is uninitialized, lists itself, and sends nothing", async () => {
    const [a] = await startMembers(1);
    const view = a?.cluster.view();
    expect(view?.initialized).toBe(false);
    expect(view?.members.map(({ id, status }) => [id, status])).toEqual([
      [a?.id ?? ("" as never), "alive"],
    ]);
    expect(a?.cluster.counters()["datagrams-sent"]).toBeUndefined();
  });

  test("removing the only member gives it a new cluster ID and its old member ID", async () => {
    const [a] = await startMembers(1);
    const before = a?.cluster.view().clusterId;
    await a?.cluster.remove(a.id);
    expect(a?.cluster.view().clusterId).not.toBe(before ?? "");
    expect(a?.clusterId).toBe(a?.cluster.view().clusterId ?? "");
    expect(a?.cluster.view().localId).toBe(a?.id ?? ("" as never));
  });
});

describe("add", () => {
  test("both are initialized under the adder's cluster ID and list each other in join order", async () => {
    const [a, b] = two(await startCluster(2));
    for (const member of [a, b]) {
      const view = member.cluster.view();
      expect(view.initialized).toBe(true);
      expect(view.clusterId).toBe(a.clusterId);
      expect(view.members.map(({ id }) => id)).toEqual([a.id, b.id]);
      expect(view.members.map(({ rpcAddress }) => rpcAddress)).toEqual([
        a.rpcAddress,
        b.rpcAddress,
      ]);
      expect(view.members.map(({ roles }) => roles)).toEqual([["worker"], ["worker"]]);
    }
    expect(b.clusterId).toBe(a.clusterId);
  });

  test("adding again changes nothing and succeeds", async () => {
    const [a, b] = two(await startCluster(2));
    await a.cluster.add(b.rpcAddress);
    expect(a.cluster.view().members).toHaveLength(2);
  });

  test("a member of another cluster is refused by name", async () => {
    const [a, b, c] = await startMembers(3);
    await a?.cluster.add(b?.rpcAddress ?? "");
    await expect(c?.cluster.add(b?.rpcAddress ?? "")).rejects.toThrow(
      `member ${b?.id} already belongs to cluster ${a?.clusterId}`,
    );
  });

  test("an unreachable address is an error with the address", async () => {
    const [a] = await startMembers(1);
    await expect(a?.cluster.add("127.0.0.99:9091")).rejects.toThrow(
      "could not reach member at 127.0.0.99:9091: connection refused",
    );
    expect(a?.cluster.view().initialized).toBe(false);
  });

  test("a member cannot be added to itself", async () => {
    const [a] = await startMembers(1);
    await expect(a?.cluster.add(a.rpcAddress)).rejects.toThrow("cannot be added to itself");
  });

  test("two that add each other at once agree on the smaller cluster ID", async () => {
    const [a, b] = two(await startMembers(2));
    const smaller = [a.clusterId, b.clusterId].sort()[0] ?? "";
    await Promise.all([a.cluster.add(b.rpcAddress), b.cluster.add(a.rpcAddress)]);
    expect([a.clusterId, b.clusterId]).toEqual([smaller, smaller]);
    expect(allAlive([a, b])).toBe(true);
  });

  test("sealed members cluster when they hold a common key", async () => {
    const key = new Uint8Array(32).fill(7);
    const [a] = two(await startCluster(2, { encryptionKeys: [key] }));
    expect(a.cluster.counters()["dropped-bad-seal"]).toBeUndefined();
  });
});

describe("life and death", () => {
  test("a killed member is failed within 4 s with crash evidence, and alive after its restart", async () => {
    const [a, b] = two(await startCluster(3));
    const c = members[2] as LiveMember;
    await c.kill();
    const isDead = (): boolean => [a, b].every((m) => m.sees(c) === "dead");
    await eventually([a, b], isDead, 4_000, "the killed member is dead in both views");
    const seen = a.cluster.view().members.find(({ id }) => id === c.id);
    expect(seen?.crashEvidence).toBe(true);
    expect(shownStatus(seen?.status ?? "alive")).toBe("failed");
    await c.start();
    expect(c.cluster.view().initialized).toBe(true);
    await eventually(members, () => allAlive(members), 4_000, "all alive again");
  }, 12_000);

  test("a member that stops gracefully hands over, is left, and comes back by itself", async () => {
    const [a, b] = two(await startCluster(2));
    await b.close();
    expect(b.handedOver).toEqual(["leaving"]);
    await eventually([a], () => a.sees(b) === "left", 1_000, "left is seen");
    await b.start();
    await eventually(members, () => allAlive(members), 4_000, "back again");
  }, 8_000);

  test("everybody restarts and finds each other without any seed", async () => {
    await startCluster(3);
    // Addresses change with every start, so one of them must stay until the others were heard.
    const [a, b] = two(members);
    const c = members[2] as LiveMember;
    await b.kill();
    await c.kill();
    await b.start();
    await c.start();
    await eventually(members, () => allAlive(members), 5_000, "found each other");
    await a.kill();
    await a.start();
    await eventually(members, () => allAlive(members), 5_000, "found each other again");
  }, 15_000);
});

describe("remove", () => {
  test("a removed live member is uninitialized with a new cluster ID; the others stay", async () => {
    const [a, b] = two(await startCluster(3));
    const c = members[2] as LiveMember;
    const cluster = a.clusterId;
    await a.cluster.remove(b.id);
    expect(b.handedOver).toEqual(["removed"]);
    const gone = (): boolean => b.clusterId !== cluster && c.sees(b) === undefined;
    await eventually(members, gone, 3_000, "the removal is known");
    expect(b.cluster.view().initialized).toBe(false);
    expect(b.cluster.view().members.map(({ id }) => id)).toEqual([b.id]);
    expect(a.cluster.view().initialized).toBe(true);
    expect(c.clusterId).toBe(cluster);
    await c.cluster.add(b.rpcAddress);
    await eventually(members, () => allAlive(members), 3_000, "added again");
  }, 10_000);

  test.each([
    ["and hears the answer", []],
    ["though gossip is faster than the answer", ["remove-member"]],
  ])("a member can remove itself %s", async (_name, lost) => {
    const [a, b] = two(await startCluster(2));
    for (const type of lost) b.net.answersLost.add(type);
    const cluster = a.clusterId;
    await b.cluster.remove(b.id);
    expect(b.clusterId).not.toBe(cluster);
    expect(a.sees(b)).toBeUndefined();
    expect(a.cluster.view().initialized).toBe(true);
  });

  test("a dead member that was removed learns it when it starts", async () => {
    const [a, b] = two(await startCluster(2));
    const cluster = a.clusterId;
    await b.kill();
    await eventually([a], () => a.sees(b) === "dead", 4_000, "dead");
    await a.cluster.remove(b.id);
    await b.start();
    await eventually([b], () => b.clusterId !== cluster, 4_000, "learned its removal");
    expect(b.cluster.view().initialized).toBe(false);
  }, 10_000);

  test("an unknown ID is an error", async () => {
    const [a] = await startMembers(1);
    await expect(a?.cluster.remove("nobody")).rejects.toThrow("unknown member nobody");
  });
});

describe("disk", () => {
  test("a damaged membership file stops the start and is left as it is", async () => {
    const [a] = await startMembers(1);
    await a?.kill();
    const damaged = new TextEncoder().encode('{"format":7}');
    a?.store.files.set("cluster.members", damaged);
    await expect(a?.start()).rejects.toThrow("cannot read cluster.members");
    expect(a?.store.files.get("cluster.members")).toBe(damaged);
  });

  test("a cluster.id older than the membership file is repaired", async () => {
    const [a, b] = two(await startCluster(2));
    await b.kill();
    b.clusterId = crypto.randomUUID();
    await b.start();
    expect(b.clusterId).toBe(a.clusterId);
  });
});
