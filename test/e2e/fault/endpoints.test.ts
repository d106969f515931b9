/**
 * Endpoints and owners that fail in the middle of a send (cluster-behaviour §16: 3, 5; gossip §14.8).
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  expected,
  getJson,
  keyOf,
  point,
  statistics,
  TestCluster,
} from "../../../scripts/cluster-lab.ts";
import { until } from "../../../scripts/lab.ts";

const DELAY_MS = 500;
const ALERT = `redundancy = 2
  delay-per-member = "${DELAY_MS}ms"
  full-sync-interval = "2s"`;
/** An owner that sends puts the others off for so many delays at most (U13). */
const CAP_DELAYS = 6;

describe("a send that is cut short", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.open({ alert: ALERT });
  }, 20_000);
  afterAll(() => cluster?.close());
  afterEach(() => {
    const { webhook } = cluster;
    webhook.received.length = 0;
    webhook.requests = 0;
    webhook.delayMs = 0;
    webhook.statusOf = undefined;
  });

  test("the first owner killed when the endpoint has the event, before it is recorded: once or twice", async () => {
    const [first, ...others] = cluster.ranking();
    const { webhook } = cluster;
    webhook.statusOf = () => {
      if (first !== undefined && first.process.pid !== 0)
        process.kill(first.process.pid, "SIGKILL");
      webhook.statusOf = undefined;
      return 200;
    };
    const key = expected("three", "CRITICAL", 0);
    await cluster.write(point("three", "CRITICAL", 0), others);
    const told = await cluster.arrivals([key], 10_000, 3 * DELAY_MS);
    expect(new Set(told)).toEqual(new Set([key]));
    expect(told.length).toBeLessThanOrEqual(2);
    expect(await first?.process.kill("SIGKILL")).not.toBe(0);
    await first?.process.start();
    await cluster.settled();
    expect(await cluster.arrivals([key], 1_000, 3 * DELAY_MS)).toEqual(told);
  }, 30_000);

  test("an endpoint that never answers: the next owner tries after the cap", async () => {
    const { webhook } = cluster;
    const [, second] = cluster.ranking();
    const asked: number[] = [];
    // The first request hangs; the answer comes when the test is over.
    webhook.statusOf = (request) => {
      asked.push(performance.now());
      webhook.delayMs = request === 1 ? 30_000 : 0;
      return 200;
    };
    const key = expected("five", "CRITICAL", 0);
    const takenOver = async (): Promise<number> => {
      if (second === undefined) throw new Error("two members");
      return (await statistics(second.process, "alert"))["secondary-handle-count"] ?? 0;
    };
    const before = await takenOver();
    const start = performance.now();
    await cluster.write(point("five", "CRITICAL", 0));
    await until(
      "another owner tries",
      2 * CAP_DELAYS * DELAY_MS,
      () => webhook.received.length > 0,
    );
    expect(webhook.received.map(keyOf)).toEqual([key]);
    expect(asked).toHaveLength(2);
    expect((asked[1] ?? 0) - start).toBeGreaterThan((CAP_DELAYS - 1) * DELAY_MS);
    expect((await takenOver()) - before).toBe(1);
  }, 30_000);

  test("an endpoint that does not answer within the handler's time limit: reported, and told by a later try", async () => {
    const { webhook } = cluster;
    const [first] = cluster.ranking();
    const options = { url: webhook.url, timeout: "1s" };
    cluster.defineHandler(cluster.at(0), "t", "hook", { options });
    webhook.statusOf = (request) => {
      webhook.delayMs = request === 1 ? 30_000 : 0;
      return 200;
    };
    const key = expected("limit", "CRITICAL", 0);
    await cluster.write(point("limit", "CRITICAL", 0));
    await until("a later try succeeds", 10_000, () => webhook.received.length > 0);
    if (first === undefined) throw new Error("no member");
    const queue = await getJson(first.process, "alerts/topics/t/handlers/hook/queue");
    const log = first.process.logTail(50);
    expect(`${JSON.stringify(queue)}${log}`).toMatch(/timed out|time-?out|in time|within 1s/i);
    expect(await cluster.arrivals([key], 1_000, 3 * DELAY_MS)).toEqual([key]);
  }, 30_000);
});
