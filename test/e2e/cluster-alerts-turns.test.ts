/**
 * Owners whose endpoint fails, and who owns a topic, on three real members (cluster-behaviour §16, scenario 6).
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { DELAY_MS, expected, point, TestCluster } from "../../scripts/cluster-lab.ts";
import { cli, mustRun } from "../../scripts/lab.ts";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
}, 30_000);
afterAll(() => cluster?.close());
afterEach(() => {
  cluster.webhook.received.length = 0;
  cluster.webhook.requests = 0;
  cluster.webhook.status = 200;
  cluster.webhook.statusOf = undefined;
});

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);

describe("an endpoint that fails", () => {
  test("the first owner's turn ends after three refusals, and the next one tells it at once", async () => {
    cluster.webhook.statusOf = (request) => (request <= 3 ? 500 : 200);
    const before = performance.now();
    await cluster.write(point("six", "CRITICAL", 0));
    const keys = [expected("six", "CRITICAL", 0)];
    expect(await cluster.arrivals(keys, 5_000, 2 * DELAY_MS)).toEqual(keys);
    expect(cluster.webhook.requests).toBe(4);
    const [arrival] = cluster.webhook.received;
    expect((arrival?.at ?? Number.POSITIVE_INFINITY) - before).toBeLessThan(2_500);
    expect(sum(await cluster.counters("turn_over"))).toBe(1);
    expect(sum(await cluster.counters("secondary-handle-count"))).toBe(1);
  }, 30_000);

  test("for everybody, for eight seconds: the turn goes round, and each event arrives once", async () => {
    cluster.webhook.status = 503;
    const hosts = Array.from({ length: 20 }, (_, i) => `round${i}`);
    await cluster.write(hosts.map((host) => point(host, "CRITICAL", 0)).join(""));
    await Bun.sleep(8_000);
    expect(sum(await cluster.counters("round_over"))).toBeGreaterThan(0);
    cluster.webhook.status = 200;
    const keys = hosts.map((host) => expected(host, "CRITICAL", 0));
    expect(await cluster.arrivals(keys, 40_000, 2 * DELAY_MS)).toEqual([...keys].sort());
  }, 90_000);
});

describe("kapacitorctl topic owners", () => {
  const owners = (place: number, ...more: readonly string[]) =>
    cli("kapacitorctl", "topic", "owners", "t", "-url", cluster.at(place).process.url, ...more);

  test("shows the owners in the order in which they act, whoever is asked", async () => {
    const ranking = cluster.ranking();
    for (const place of [0, 1, 2]) {
      const { code, stdout } = owners(place);
      expect(code).toBe(0);
      const [head, ...rows] = stdout.trimEnd().split("\n");
      expect(head?.split(/\s{2,}|\s(?=Owner|Status)/)[0]).toBe("Member ID");
      expect(rows.map((row) => row.split(/\s+/))).toEqual(
        ranking
          .slice(0, 2)
          .map(({ id, process }) => [
            ...[id, `127.0.0.${cluster.members.findIndex((one) => one.id === id) + 1}`],
            ...[process.apiPort, "alive", "acting", "1", "0", "0"],
          ])
          .map(([id, host, port, ...rest]) => [`${id}`, `${host}:${port}`, ...rest.map(String)]),
      );
    }
  }, 30_000);

  test("tells who stands in for an owner that is gone, as JSON with all members", async () => {
    const [first, second, third] = cluster.ranking();
    if (first === undefined || second === undefined || third === undefined) throw new Error("3");
    await first.process.kill("SIGKILL");
    const place = cluster.members.indexOf(second);
    try {
      let shown: { readonly members: readonly Record<string, unknown>[] } = { members: [] };
      for (let tries = 0; tries < 100; tries++) {
        shown = JSON.parse(owners(place, "-output", "json").stdout);
        if (shown.members[0]?.["id"] === second.id) break;
        await Bun.sleep(100);
      }
      expect(shown.members.map(({ id, home, acting }) => [id, home, acting])).toEqual([
        [second.id, true, true],
        [third.id, false, true],
        [first.id, true, false],
      ]);
      expect(shown.members[2]).toMatchObject({ answered: false, handlers: null, pending: null });
    } finally {
      await first.process.start();
      await cluster.settled();
    }
  }, 60_000);

  test("takes one topic and nothing else", () => {
    const { url } = cluster.at(0).process;
    const none = cli("kapacitorctl", "topic", "owners", "-url", url);
    expect([none.code, none.stderr.split("\n")[0]]).toEqual([1, "Error: Must provide a topic."]);
    expect(mustRun("kapacitorctl", "help", "topic")).toBeDefined();
  });
});
