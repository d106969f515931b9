/**
 * `bench failover`: what a fault costs in duplicate and late notifications, on three real members with default settings.
 *
 * Alerts, each its own event ID of one topic, are written to every member while a fault is caused; a webhook that
 * answers in 5 ms counts what arrives. The first four cases are 1,000 alerts at 50/s (or all at once) with the limits
 * of gossip.md §15; the last two are a load of 500/s with redundancy 2, quiet and with members killed in turn.
 */

import { type ClusterMember, expected, keyOf, point, TestCluster, writeTo } from "./cluster-lab.ts";

const ALERTS = 1_000;
const PER_SECOND = 50;
const ANSWER_MS = 5;
/** After the last expected one, how long repeats are waited for, ms: longer than the delay of two owners. */
const QUIET_MS = 22_000;
const ARRIVAL_BOUND_MS = 60_000;

/** When the feed gives a write up, ms; unanswered ones would use up the connections of this process. */
const WRITE_TIMEOUT_MS = 2_000;

interface Case {
  readonly name: string;
  readonly atOnce?: true;
  /** Alerts and their rate, when not 1,000 at 50/s. */
  readonly alerts?: number;
  readonly perSecond?: number;
  /** `[alert]` settings; the defaults without it. */
  readonly settings?: string;
  readonly must: { readonly extra: number; readonly longestMs: number };
  /** Called when the given share of the alerts is written. */
  readonly fault?: {
    readonly atShare: number;
    run(first: ClusterMember, cluster: TestCluster): Promise<void>;
  };
}

const CASES: readonly Case[] = [
  { name: "no fault", must: { extra: 0, longestMs: 13 } },
  { name: "1,000 at once", atOnce: true, must: { extra: 0, longestMs: 1_000 } },
  {
    name: "first owner killed",
    must: { extra: 2, longestMs: 1_000 },
    fault: {
      atShare: 0.5,
      async run({ process }) {
        await process.kill("SIGKILL");
      },
    },
  },
  {
    name: "first owner paused 20 s",
    must: { extra: 3, longestMs: 10_100 },
    fault: {
      atShare: 0.25,
      async run({ process }) {
        await process.kill("SIGSTOP");
        await Bun.sleep(20_000);
        await process.kill("SIGCONT");
      },
    },
  },
  {
    name: "10,000 at 500/s",
    alerts: 10_000,
    perSecond: 500,
    settings: "redundancy = 2",
    must: { extra: 0, longestMs: 1_000 },
  },
  {
    name: "… a member killed each 5 s",
    alerts: 10_000,
    perSecond: 500,
    settings: "redundancy = 2",
    // A send in flight at each of the three kills may be repeated; each is at most what the handler has in flight.
    must: { extra: 48, longestMs: 10_100 },
    fault: {
      atShare: 0.1,
      async run(_first, { members }) {
        for (const { process } of members) {
          await process.kill("SIGKILL");
          await process.start();
          await Bun.sleep(5_000);
        }
      },
    },
  },
];

interface Result {
  readonly extra: number;
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Alerts later than 100 ms. */
  readonly late: number;
}

/** Runs all cases, or those whose name contains the text, and prints the table. */
export async function benchFailover(only = ""): Promise<void> {
  console.log(
    `${"case".padEnd(28)}${"extra".padStart(7)}${"lost".padStart(6)}${"p50 ms".padStart(9)}${"p99 ms".padStart(9)}` +
      `${"longest ms".padStart(12)}${"> 100 ms".padStart(10)}  must: extra, longest`,
  );
  for (const one of CASES) {
    if (!one.name.includes(only)) continue;
    const result = await runCase(one);
    const { extra, longestMs } = one.must;
    const holds =
      result.lost === 0 && result.extra <= extra && result.longestMs <= longestMs ? "ok" : "MISSED";
    console.log(
      one.name.padEnd(28) +
        String(result.extra).padStart(7) +
        String(result.lost).padStart(6) +
        result.p50Ms.toFixed(1).padStart(9) +
        result.p99Ms.toFixed(1).padStart(9) +
        result.longestMs.toFixed(0).padStart(12) +
        String(result.late).padStart(10) +
        `  ≤ ${extra}, ≤ ${longestMs} ms: ${holds}`,
    );
  }
}

async function runCase(one: Case): Promise<Result> {
  const cluster = await TestCluster.open({ alert: one.settings ?? "" });
  try {
    cluster.webhook.delayMs = ANSWER_MS;
    // Warm code and connections: the first alerts of a process are not what is measured.
    const warm = Array.from({ length: 200 }, (_, i) => `warm${i}`);
    for (const host of warm) {
      await cluster.write(point(host, "CRITICAL", 0));
      await Bun.sleep(5);
    }
    await cluster.arrivals(
      warm.map((host) => expected(host, "CRITICAL", 0)),
      ARRIVAL_BOUND_MS,
    );
    cluster.webhook.received.length = 0;
    const written = await feed(cluster, one);
    return await evaluate(cluster, written);
  } finally {
    await cluster.close();
  }
}

/** Writes all alerts; returns when each was handed over. A member that is down or stopped does not hold up the rest. */
async function feed(cluster: TestCluster, one: Case): Promise<ReadonlyMap<string, number>> {
  const written = new Map<string, number>();
  const [first] = cluster.ranking();
  if (first === undefined) throw new Error("no member");
  const send = (hosts: readonly string[]): void => {
    const body = hosts.map((host) => point(host, "CRITICAL", 0)).join("");
    for (const host of hosts) written.set(expected(host, "CRITICAL", 0), performance.now());
    for (const { process } of cluster.members) {
      // A killed member refuses; a stopped one finds it in its sockets when it goes on.
      void writeTo(process, body, WRITE_TIMEOUT_MS).catch(() => {});
    }
  };
  const { alerts = ALERTS, perSecond = PER_SECOND } = one;
  const hosts = Array.from({ length: alerts }, (_, i) => `alert${i}`);
  if (one.atOnce) {
    send(hosts);
    return written;
  }
  let fault: Promise<void> | undefined;
  const start = performance.now();
  for (const [i, host] of hosts.entries()) {
    const wait = start + (i * 1_000) / perSecond - performance.now();
    if (wait > 0) await Bun.sleep(wait);
    if (fault === undefined && one.fault !== undefined && i >= alerts * one.fault.atShare) {
      fault = one.fault.run(first, cluster);
    }
    send([host]);
  }
  await fault;
  return written;
}

async function evaluate(
  cluster: TestCluster,
  written: ReadonlyMap<string, number>,
): Promise<Result> {
  const { received } = cluster.webhook;
  const end = performance.now() + ARRIVAL_BOUND_MS;
  const arrived = (): ReadonlySet<string> => new Set(received.map(keyOf));
  while (performance.now() < end && arrived().size < written.size) await Bun.sleep(50);
  await Bun.sleep(QUIET_MS);
  const firstAt = new Map<string, number>();
  for (const notification of received) {
    const key = keyOf(notification);
    if (!firstAt.has(key)) firstAt.set(key, notification.at);
  }
  const delays: number[] = [];
  for (const [key, at] of written) {
    const arrivedAt = firstAt.get(key);
    if (arrivedAt !== undefined) delays.push(arrivedAt - at);
  }
  delays.sort((a, b) => a - b);
  return {
    extra: received.length - firstAt.size,
    lost: written.size - delays.length,
    p50Ms: delays[Math.floor(delays.length / 2)] ?? 0,
    p99Ms: delays[Math.floor(delays.length * 0.99)] ?? 0,
    longestMs: delays.at(-1) ?? 0,
    late: delays.filter((delay) => delay > 100).length,
  };
}
