/**
 * Acceptance scenarios of alert ownership on three real processes, redundancy 2, one webhook (cluster-behaviour §16).
 *
 * Those that leave the cluster as they found it share one, each with its own topic; the others start their own.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { DELAY_MS, expected, getJson, point, TestCluster } from "../../scripts/cluster-lab.ts";

describe("a cluster whose members stay", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.open();
  }, 20_000);
  afterAll(() => cluster?.close());
  afterEach(() => {
    const { webhook } = cluster;
    webhook.received.length = 0;
    webhook.delayMs = 0;
    webhook.status = 200;
    webhook.statusOf = undefined;
  });

  test("1000 changes arrive 1000 times, all sent by first owners", async () => {
    const keys: string[] = [];
    for (let round = 0; round < 10; round++) {
      const level = round % 2 === 0 ? "CRITICAL" : "OK";
      const hosts = Array.from({ length: 100 }, (_, i) => `one${i}`);
      keys.push(...hosts.map((host) => expected(host, level, round)));
      await cluster.write(hosts.map((host) => point(host, level, round)).join(""));
    }
    expect(await cluster.arrivals(keys, 15_000)).toEqual([...keys].sort());
    expect(await cluster.counters("secondary-handle-count")).toEqual([0, 0, 0]);
  }, 30_000);

  test("a webhook that takes three times the delay is told once", async () => {
    cluster.webhook.delayMs = 3 * DELAY_MS;
    await cluster.write(point("four", "CRITICAL", 0));
    const keys = [expected("four", "CRITICAL", 0)];
    expect(await cluster.arrivals(keys, 5 * DELAY_MS, DELAY_MS)).toEqual(keys);
  }, 30_000);

  test("a webhook that answers 500 at first is told once in the end", async () => {
    cluster.webhook.requests = 0;
    cluster.webhook.statusOf = (request) => (request <= 1 ? 500 : 200);
    await cluster.write(point("six", "CRITICAL", 0));
    const keys = [expected("six", "CRITICAL", 0)];
    expect(await cluster.arrivals(keys, 10_000, DELAY_MS)).toEqual(keys);
    expect(cluster.webhook.requests).toBe(2);
  }, 30_000);

  test("the same event in two topics is sent for both", async () => {
    await cluster.defineTask("t2");
    cluster.defineHandler(cluster.at(1), "t2", "hook2");
    await cluster.write(point("twenty", "CRITICAL", 0));
    const key = expected("twenty", "CRITICAL", 0);
    expect(await cluster.arrivals([key], 5_000)).toEqual([key, key]);
    for (const { process } of cluster.members) {
      await fetch(`${process.url}/kapacitor/v1/tasks/task-t2`, { method: "DELETE" });
    }
  }, 30_000);

  test("points that reach the members four fifths of the delay apart raise one notification each", async () => {
    const keys: string[] = [];
    for (const { process } of cluster.ranking().toReversed()) {
      for (let i = 0; i < 5; i++) {
        if (keys.length < 5) keys.push(expected(`apart${i}`, "WARNING", 0));
      }
      const body = keys.map((_, i) => point(`apart${i}`, "WARNING", 0)).join("");
      await cluster.write(body, [{ process, id: cluster.at(0).id }]);
      await Bun.sleep(0.8 * DELAY_MS);
    }
    expect(await cluster.arrivals(keys, 10_000)).toEqual(keys);
  }, 30_000);

  test("a task that is restarted on every member knows the level and raises nothing anew", async () => {
    await cluster.write(point("again", "CRITICAL", 0));
    const keys = [expected("again", "CRITICAL", 0)];
    expect(await cluster.arrivals(keys, 5_000)).toEqual(keys);
    for (const status of ["disabled", "enabled"]) {
      for (const { process } of cluster.members) {
        const url = `${process.url}/kapacitor/v1/tasks/task-t`;
        const answer = await fetch(url, { method: "PATCH", body: JSON.stringify({ status }) });
        expect(answer.status).toBe(200);
      }
    }
    await cluster.write(point("again", "CRITICAL", 30));
    expect(await cluster.arrivals(keys, 5_000, DELAY_MS + 500)).toEqual(keys);
  }, 30_000);

  test("every member tells the same of a handler, with its match", async () => {
    cluster.defineHandler(cluster.at(2), "matched", "m", { match: 'level() == "CRITICAL"' });
    const answers = await Promise.all(
      cluster.members.map(({ process }) =>
        getJson(process, "alerts/topics/matched/handlers/m").catch(String),
      ),
    );
    expect(answers[0]).toMatchObject({ match: 'level() == "CRITICAL"' });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });
});

describe("a cluster that loses members", () => {
  let cluster: TestCluster;
  afterEach(() => cluster?.close());

  test("the first owner killed before it sends: one arrival, no later than the delay", async () => {
    cluster = await TestCluster.open();
    const [first, ...others] = cluster.ranking();
    await first?.process.kill("SIGSTOP");
    await cluster.write(point("two", "CRITICAL", 0), others);
    await first?.process.kill("SIGKILL");
    const killedAt = performance.now();
    const keys = [expected("two", "CRITICAL", 0)];
    expect(await cluster.arrivals(keys, DELAY_MS + 1_000, DELAY_MS)).toEqual(keys);
    const [arrival] = cluster.webhook.received;
    expect((arrival?.at ?? Number.POSITIVE_INFINITY) - killedAt).toBeLessThan(DELAY_MS + 1_000);
  }, 30_000);

  test("the first owner paused for less than the delay: each event arrives once", async () => {
    cluster = await TestCluster.open();
    const [first, ...others] = cluster.ranking();
    const hosts = Array.from({ length: 40 }, (_, i) => `paused${i}`);
    const keys = hosts.map((host) => expected(host, "CRITICAL", 0));
    await first?.process.kill("SIGSTOP");
    const late: Promise<void>[] = [];
    for (const host of hosts) {
      if (first !== undefined) late.push(cluster.write(point(host, "CRITICAL", 0), [first]));
      await cluster.write(point(host, "CRITICAL", 0), others);
    }
    await Bun.sleep(0.4 * DELAY_MS);
    await first?.process.kill("SIGCONT");
    await Promise.all(late);
    expect(await cluster.arrivals(keys, 10_000, DELAY_MS)).toEqual([...keys].sort());
  }, 30_000);

  test("both owners killed: the member that runs the task sends, after both delays at most", async () => {
    cluster = await TestCluster.open();
    const [first, second, third] = cluster.ranking();
    if (third === undefined) throw new Error("three members");
    await Promise.all([first?.process.kill("SIGKILL"), second?.process.kill("SIGKILL")]);
    await cluster.write(point("eight", "CRITICAL", 0), [third]);
    const keys = [expected("eight", "CRITICAL", 0)];
    expect(await cluster.arrivals(keys, 2 * DELAY_MS + 1_000)).toEqual(keys);
  }, 30_000);

  test("a handler cannot be made while an owner is down, but while another member is", async () => {
    cluster = await TestCluster.open();
    const [first, second, third] = cluster.ranking();
    if (first === undefined || second === undefined || third === undefined) throw new Error("3");
    await third.process.kill("SIGKILL");
    expect(cluster.tryDefineHandler(first, "t", "whileNoOwner").code).toBe(0);
    await third.process.start();
    await cluster.settled();
    await second.process.kill("SIGTERM");
    const refused = cluster.tryDefineHandler(first, "t", "whileOwner");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr.trim()).toEndWith(
      `failed to create handler: could not verify liveness of topic owners: status of ${second.id} is left`,
    );
  }, 30_000);

  test("a rolling restart under load loses nothing", async () => {
    cluster = await TestCluster.open();
    const keys: string[] = [];
    let second = 0;
    let feeding = true;
    let up = [...cluster.members];
    const feed = (async () => {
      while (feeding) {
        const level = second % 2 === 0 ? "CRITICAL" : "OK";
        const hosts = Array.from({ length: 4 }, (_, i) => `roll${i}`);
        const body = hosts.map((host) => point(host, level, second)).join("");
        const taken = await Promise.allSettled(up.map((member) => cluster.write(body, [member])));
        if (taken.some(({ status }) => status === "fulfilled")) {
          keys.push(...hosts.map((host) => expected(host, level, second)));
        }
        second++;
        await Bun.sleep(20);
      }
    })();
    for (const member of cluster.members) {
      await Bun.sleep(300);
      up = cluster.members.filter((other) => other !== member);
      await member.process.kill("SIGTERM");
      await member.process.start();
      up = [...cluster.members];
      await Bun.sleep(700);
    }
    feeding = false;
    await feed;
    const arrived = await cluster.arrivals(keys, 15_000);
    const extra = arrived.length - new Set(arrived).size;
    expect(new Set(keys).difference(new Set(arrived))).toEqual(new Set());
    expect(extra).toBeLessThanOrEqual(16 * cluster.members.length);
  }, 60_000);
});
