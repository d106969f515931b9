/**
 * Members that come and go under load, on real processes: nothing is lost, nothing told twice (cluster-behaviour
 * U27).
 */

import { afterEach, expect, test } from "bun:test";
import { expected, getJson, point, TestCluster } from "../../scripts/cluster-lab.ts";
import { mustRun, until } from "../../scripts/lab.ts";

let cluster: TestCluster;
afterEach(() => cluster?.close());

test("a member is added and another one removed while alerts come", async () => {
  cluster = await TestCluster.open();
  const keys: string[] = [];
  let inside = [...cluster.members];
  let second = 0;
  let feeding = true;
  const feed = (async () => {
    while (feeding) {
      const level = second % 2 === 0 ? "CRITICAL" : "OK";
      const hosts = Array.from({ length: 4 }, (_, i) => `load${i}`);
      const members = inside;
      await cluster.write(hosts.map((host) => point(host, level, second)).join(""), members);
      keys.push(...hosts.map((host) => expected(host, level, second)));
      second++;
      await Bun.sleep(20);
    }
  })();
  await Bun.sleep(500);
  const fourth = await cluster.startMember(3);
  cluster.join(fourth);
  await Bun.sleep(1_500);
  const [first] = cluster.ranking();
  if (first === undefined) throw new Error("four members");
  // Who feeds a member that is leaving gets its alerts from it alone, as a member alone tells by itself.
  inside = inside.filter((member) => member !== first);
  const round = second;
  await until("no write to it is under way", 10_000, () => second > round + 1);
  const { url } = cluster.members.find((member) => member !== first)?.process ?? fourth.process;
  mustRun("kapacitorctl", "member", "remove", first.id, "-url", url);
  await Bun.sleep(1_500);
  feeding = false;
  await feed;
  const arrived = await cluster.arrivals(keys, 15_000, 2_500);
  expect(new Set(keys).difference(new Set(arrived))).toEqual(new Set());
  expect(arrived.length - keys.length).toBe(0);
}, 90_000);

test("what debug/vars tells of the cluster has the names that are documented", async () => {
  cluster = await TestCluster.open();
  await cluster.write(point("vars", "CRITICAL", 0));
  await cluster.arrivals([expected("vars", "CRITICAL", 0)], 5_000);
  type Vars = { readonly kapacitor: Record<string, { name: string; values: object }> };
  const of = async (name: string): Promise<Record<string, unknown>[]> => {
    const { kapacitor } = (await getJson(cluster.at(0).process, "debug/vars")) as Vars;
    return Object.values(kapacitor)
      .filter((one) => one.name === name)
      .map(({ values }) => ({ ...values }));
  };
  const names = [
    ...["notification-dropped", "primary-handle-count", "secondary-handle-count"],
    ...["outbox_size", "events_deduplicated", "superseded", "heartbeats_sent"],
    ...["takeovers_rank_1", "takeovers_rank_2", "takeovers_rank_3_up"],
  ];
  const [alert = {}] = await of("alert");
  expect(names.filter((name) => typeof alert[name] !== "number")).toEqual([]);
  const [original] = await of("cluster");
  expect(Object.keys(original ?? {}).sort()).toEqual([
    ...["dropped_member_events", "dropped_user_events", "hlc_clamps", "hlc_reserve_failures"],
    "query_handler_errors",
  ]);
  expect(await of("cluster_members")).toEqual([
    { alive: 3, suspect: 0, leaving: 0, left: 0, failed: 0 },
  ]);
  await until("both other members were heard", 10_000, async () => {
    return (await of("cluster_member")).length === 2;
  });
}, 60_000);
