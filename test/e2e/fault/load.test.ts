/**
 * What operators and faults do to a cluster under a steady load (gossip §14.8): nothing lost, nothing twice without a
 * reason.
 *
 * CI adds and removes a member under a small load. KAPACITOR_TEST_FULL=1 takes 10,000 alerts at 500 a second and default
 * delays, stops an owner for 8 s, and kills a member every 5 s.
 */

import { afterEach, expect, test } from "bun:test";
import { TestCluster } from "../../../scripts/cluster-lab.ts";
import {
  addMember,
  isExplained,
  LoadFeed,
  outcomeOf,
  removeFirstOwner,
  warmUp,
} from "../../../scripts/load-feed.ts";

const FULL = process.env["KAPACITOR_TEST_FULL"] === "1";
const ALERTS = FULL ? 10_000 : 1_500;
const PER_SECOND = FULL ? 500 : 300;
const SETTINGS = "redundancy = 2";

let cluster: TestCluster;
afterEach(() => cluster?.close());

test("a member added and another one removed under load: nothing lost, nothing sent twice", async () => {
  cluster = await TestCluster.open({ alert: SETTINGS });
  await warmUp(cluster);
  const feed = new LoadFeed(cluster, { alerts: ALERTS, perSecond: PER_SECOND, name: "elastic" });
  await feed.reached(ALERTS / 4);
  await addMember(cluster);
  await feed.reached(ALERTS / 2);
  await removeFirstOwner(cluster, feed);
  const outcome = await outcomeOf(cluster, feed, {
    boundMs: 30_000,
    quietMs: FULL ? 22_000 : 1_500,
  });
  expect(outcome).toMatchObject({ alerts: ALERTS, lost: 0, extra: 0 });
}, 120_000);

if (FULL) {
  test("an owner stopped for 8 s under load: nothing lost, nothing sent twice", async () => {
    cluster = await TestCluster.open({ alert: SETTINGS });
    await warmUp(cluster);
    const feed = new LoadFeed(cluster, { alerts: 1_500, perSecond: 100, name: "stopped" });
    await feed.reached(200);
    const [first] = cluster.ranking();
    await first?.process.kill("SIGSTOP");
    await Bun.sleep(8_000);
    await first?.process.kill("SIGCONT");
    const outcome = await outcomeOf(cluster, feed, { boundMs: 30_000, quietMs: 22_000 });
    expect(outcome).toMatchObject({ lost: 0, extra: 0 });
  }, 120_000);

  test("a member killed every 5 s and started again: nothing lost, what came twice was in flight", async () => {
    cluster = await TestCluster.open({ alert: SETTINGS });
    await warmUp(cluster);
    const feed = new LoadFeed(cluster, { alerts: ALERTS, perSecond: PER_SECOND, name: "killed" });
    const killedAt: number[] = [];
    let feeding = true;
    void feed.done.then(() => {
      feeding = false;
    });
    await feed.reached(PER_SECOND);
    while (feeding) {
      const members = cluster.members;
      const victim = members[Math.floor(Math.random() * members.length)];
      killedAt.push(performance.now());
      await victim?.process.kill("SIGKILL");
      await victim?.process.start();
      await Bun.sleep(5_000);
    }
    const outcome = await outcomeOf(cluster, feed, { boundMs: 40_000, quietMs: 22_000 });
    expect(outcome.lost).toBe(0);
    expect(outcome.repeats.filter((times) => !isExplained(times, killedAt))).toEqual([]);
  }, 180_000);
}
