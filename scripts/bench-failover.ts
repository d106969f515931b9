/**
 * `bench failover`: what faults cost in duplicate and late notifications, and what a member costs, on real members.
 *
 * One row per case of a table of peers measured on such a machine: three members with default settings, a webhook that
 * answers in 5 ms, everything between members sealed, 1,000 alerts at 50/s unless the row says otherwise. `must` is the limit that has to hold, `should`
 * the aim. Rows whose name contains the given text are run; cuts need network namespaces.
 */

import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { type ClusterMember, type ClusterOptions, point, TestCluster } from "./cluster-lab.ts";
import { runWhileServing, until } from "./lab.ts";
import {
  addMember,
  isExplained,
  LoadFeed,
  type Outcome,
  outcomeOf,
  removeFirstOwner,
  warmUp,
} from "./load-feed.ts";
import { NetLab, netLabProblem } from "./net-lab.ts";

/** `[cluster]` of all members: with keys, as in the table of the peers. */
const SEALED = `encryption-keys = ["${Buffer.alloc(32, 7).toString("base64")}"]`;

const ALERTS = 1_000;
const PER_SECOND = 50;
const ANSWER_MS = 5;
/** After the last expected one, how long repeats are waited for, ms: longer than the delay of two owners. */
const QUIET_MS = 22_000;
const ARRIVAL_BOUND_MS = 60_000;
/** What may still be on its way when a cut ends, ms. */
const HEALING_MS = 1_000;

interface Figure {
  readonly ours: string;
  readonly must: boolean;
  readonly should: boolean;
}

interface Row {
  readonly name: string;
  readonly must: string;
  readonly should: string;
  run(): Promise<Figure>;
}

const ROWS: readonly Row[] = [
  {
    name: "no fault",
    must: "0 extra, ≤ 13 ms",
    should: "0, p50 ≤ 3 ms",
    run: () =>
      loaded({}, (o) => [o.extra === 0 && o.longestMs <= 13, o.extra === 0 && o.p50Ms <= 3]),
  },
  {
    name: "1,000 at once",
    must: "0 extra, ≤ 1 s",
    should: "0, ≤ 0.5 s",
    run: () =>
      loaded({ perSecond: Number.POSITIVE_INFINITY }, (o) => [
        o.extra === 0 && o.longestMs <= 1_000,
        o.extra === 0 && o.longestMs <= 500,
      ]),
  },
  {
    name: "first owner killed",
    must: "≤ 2 extra, ≤ 1 s",
    should: "≤ 1, ≤ 0.3 s",
    run: () =>
      loaded({ fault: async ({ first }) => void (await first.process.kill("SIGKILL")) }, (o) => [
        o.extra <= 2 && o.longestMs <= 1_000,
        o.extra <= 1 && o.longestMs <= 300,
      ]),
  },
  {
    name: "first owner paused 20 s",
    must: "≤ 3 extra, ≤ 10.1 s",
    should: "≤ 1",
    run: () =>
      loaded({ alerts: 1_500, atShare: 0.2, fault: paused(20_000) }, (o) => [
        o.extra <= 3 && o.longestMs <= 10_100,
        o.extra <= 1 && o.longestMs <= 10_100,
      ]),
  },
  {
    name: "first owner cut off 20 s",
    must: "≤ 1 per alert and side, 0 after it",
    should: "≤ 0.9 per alert",
    run: () => cutOff(20_000, (extra, inCut) => [true, extra <= 0.9 * inCut]),
  },
  {
    name: "first owner cut off 5 s",
    must: "0 extra",
    should: "0",
    run: () => cutOff(5_000, (extra) => [extra === 0, extra === 0]),
  },
  {
    name: "slow endpoint (5 s, wait 2 s)",
    must: "0 extra",
    should: "0",
    run: () =>
      loaded({ alerts: 96, answerMs: 5_000, settings: 'delay-per-member = "2s"' }, (o) => [
        o.extra === 0,
        o.extra === 0,
      ]),
  },
  { name: "views equal after healing", must: "≤ 5 s", should: "≤ 1 s", run: healing },
  {
    name: "first start: all seen / ready",
    must: "≤ 1 s / ≤ 3 s",
    should: "≤ 0.5 s / ≤ 1 s",
    run: firstStart,
  },
  {
    name: "one more member: seen / ready",
    must: "≤ 0.5 s / ≤ 3 s",
    should: "≤ 0.1 s / ≤ 1 s",
    run: oneMore,
  },
  {
    name: "resident: quiet / after 1,000",
    must: "≤ 70 / 102 MB",
    should: "≤ 80 MB",
    run: resident,
  },
  {
    name: "CPU: quiet / per 1,000 alerts",
    must: "≤ 0.6 % / ≤ 1.2 s",
    should: "≤ 0.3 % / ≤ 0.5 s",
    run: processorTime,
  },
  {
    name: "10,000 at 500/s",
    must: "0 extra, ≤ 1 s",
    should: "p99 ≤ 50 ms",
    run: () =>
      loaded(HEAVY, (o) => [o.extra === 0 && o.longestMs <= 1_000, o.extra === 0 && o.p99Ms <= 50]),
  },
  {
    name: "… a member killed each 5 s",
    must: "0 lost, extra in flight at a kill",
    should: "≤ 10 extra",
    run: killing,
  },
  {
    name: "… one added, one removed",
    must: "0 lost, 0 extra",
    should: "≤ 1 s",
    run: () =>
      loaded(
        {
          ...HEAVY,
          atShare: 0.3,
          async fault({ cluster, feed }) {
            await addMember(cluster);
            await feed.reached(6_000);
            await removeFirstOwner(cluster, feed);
          },
        },
        (o) => [o.extra === 0, o.extra === 0 && o.longestMs <= 1_000],
      ),
  },
  {
    name: "… an owner stopped 8 s",
    must: "0 lost, 0 extra",
    should: "≤ 8.5 s",
    run: () =>
      loaded({ ...HEAVY, atShare: 0.2, fault: paused(8_000) }, (o) => [
        o.extra === 0,
        o.extra === 0 && o.longestMs <= 8_500,
      ]),
  },
];

const HEAVY = { alerts: 10_000, perSecond: 500, settings: "redundancy = 2" } as const;

interface Scene {
  readonly cluster: TestCluster;
  readonly feed: LoadFeed;
  readonly first: ClusterMember;
}

interface Load {
  readonly alerts?: number;
  readonly perSecond?: number;
  readonly answerMs?: number;
  /** `[alert]` settings; the defaults without it. */
  readonly settings?: string;
  /** Called when this share of the alerts is written; half without it. */
  readonly atShare?: number;
  readonly fault?: (scene: Scene) => Promise<void>;
}

/** Limits of an outcome: must and should. Nothing may ever be lost. */
type Judge = (outcome: Outcome) => readonly [must: boolean, should: boolean];

/** Runs all rows, or those whose name contains the text, and prints the table. */
export async function benchFailover(only = ""): Promise<void> {
  const widths = [32, 74, 36, 22, 10];
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("");
  // Times mean something only while nothing else runs; the load of the last minute tells.
  console.log(line(["case", "ours", "must", "should", "verdict", "load"]));
  for (const { name, must, should, run } of ROWS) {
    if (!name.includes(only)) continue;
    try {
      const figure = await run();
      const verdict = figure.must ? (figure.should ? "ok" : "must only") : "MISSED";
      console.log(line([name, figure.ours, must, should, verdict, load()]));
    } catch (error) {
      console.log(
        line([name, error instanceof Error ? error.message : String(error), must, should]),
      );
    }
  }
}

/** A cluster for as long as the work takes. */
async function withCluster<T>(
  options: ClusterOptions,
  work: (cluster: TestCluster) => Promise<T>,
): Promise<T> {
  const cluster = await TestCluster.open({ ...options, cluster: SEALED });
  try {
    cluster.webhook.delayMs = ANSWER_MS;
    await warmUp(cluster);
    return await work(cluster);
  } finally {
    await cluster.close();
  }
}

async function withHosts<T>(work: (lab: NetLab, cluster: TestCluster) => Promise<T>): Promise<T> {
  const problem = netLabProblem();
  if (problem !== undefined) throw new Error(`skipped: ${problem}`);
  const lab = await NetLab.open(3);
  try {
    return await withCluster({ lab, alert: "" }, (cluster) => work(lab, cluster));
  } finally {
    await lab.close();
  }
}

function firstOf(cluster: TestCluster): ClusterMember {
  const [first] = cluster.ranking();
  if (first === undefined) throw new Error("no member");
  return first;
}

/** Feeds a cluster, does something to it meanwhile, and judges what arrived. */
function loaded(load: Load, judge: Judge): Promise<Figure> {
  const { alerts = ALERTS, perSecond = PER_SECOND, settings = "", atShare = 0.5, fault } = load;
  return withCluster({ alert: settings }, async (cluster) => {
    const first = firstOf(cluster);
    cluster.webhook.delayMs = load.answerMs ?? ANSWER_MS;
    const feed = new LoadFeed(cluster, { alerts, perSecond, name: "alert" });
    if (fault !== undefined) {
      await feed.reached(alerts * atShare);
      await fault({ cluster, feed, first });
    }
    const bounds = { boundMs: ARRIVAL_BOUND_MS, quietMs: QUIET_MS };
    const outcome = await outcomeOf(cluster, feed, bounds);
    const [must, should] = judge(outcome);
    const none = outcome.lost === 0;
    return { ours: text(outcome), must: none && must, should: none && should };
  });
}

function text({ extra, lost, p50Ms, p99Ms, longestMs }: Outcome): string {
  const times = [p50Ms, p99Ms].map((ms) => ms.toFixed(1)).join(" / ");
  return `${extra} extra, ${lost} lost, p50 / p99 ${times} ms, longest ${longestMs.toFixed(0)} ms`;
}

function paused(ms: number): NonNullable<Load["fault"]> {
  return async ({ first: { process } }) => {
    await process.kill("SIGSTOP");
    await Bun.sleep(ms);
    await process.kill("SIGCONT");
  };
}

/** Cuts the first owner off from the other members; clients and the endpoint reach all. */
function cutOff(
  ms: number,
  judge: (extra: number, inCut: number) => readonly [boolean, boolean],
): Promise<Figure> {
  return withHosts(async (lab, cluster) => {
    const place = cluster.members.indexOf(firstOf(cluster));
    const others = [0, 1, 2].filter((other) => other !== place);
    const alerts = ((ms + 10_000) / 1_000) * PER_SECOND;
    const feed = new LoadFeed(cluster, { alerts, perSecond: PER_SECOND, name: "alert" });
    await feed.reached(5 * PER_SECOND);
    const before = feed.written.size;
    lab.cut([place], others);
    await Bun.sleep(ms);
    lab.heal();
    const healedAt = performance.now();
    const inCut = feed.written.size - before;
    const bounds = { boundMs: ARRIVAL_BOUND_MS, quietMs: QUIET_MS };
    const outcome = await outcomeOf(cluster, feed, bounds);
    const after = outcome.repeats.filter((times) => (times.at(-1) ?? 0) > healedAt + HEALING_MS);
    const [must, should] = judge(outcome.extra, inCut);
    const none = outcome.lost === 0 && after.length === 0 && outcome.most <= 2;
    return {
      ours: `${outcome.extra} extra of ${inCut} in the cut, ${after.length} after it, ${outcome.lost} lost, longest ${outcome.longestMs.toFixed(0)} ms`,
      must: none && must,
      should: none && should,
    };
  });
}

async function allAlive(cluster: TestCluster, members = cluster.members): Promise<boolean> {
  const views = await Promise.all(members.map((member) => cluster.view(member).catch(() => null)));
  return views.every(
    (view) =>
      (view?.members.filter(({ status }) => status === "alive").length ?? 0) >= members.length,
  );
}

/** Milliseconds until the condition holds. */
async function timeUntil(what: string, holds: () => Promise<boolean>): Promise<number> {
  const start = performance.now();
  await until(what, ARRIVAL_BOUND_MS, holds);
  return performance.now() - start;
}

function healing(): Promise<Figure> {
  return withHosts(async (lab, cluster) => {
    lab.cut([0], [1, 2]);
    await timeUntil("both sides call the other failed", async () => {
      const views = await Promise.all(cluster.members.map((member) => cluster.view(member)));
      return views.every(({ members }) => members.some(({ status }) => status === "failed"));
    });
    await Bun.sleep(15_000);
    lab.heal();
    const ms = await timeUntil("all views are equal", () => allAlive(cluster));
    return { ours: seconds(ms), must: ms <= 5_000, should: ms <= 1_000 };
  });
}

/** All members of a formed cluster are started at once. */
function firstStart(): Promise<Figure> {
  return withCluster({ alert: "" }, async (cluster) => {
    await Promise.all(cluster.members.map(({ process }) => process.kill("SIGTERM")));
    cluster.webhook.received.length = 0;
    const start = performance.now();
    const starting = Promise.all(cluster.members.map(({ process }) => process.start()));
    const seenMs = await timeUntil("all see all", () => allAlive(cluster));
    await starting;
    await cluster.write(point("start", "CRITICAL", 0));
    await until(
      "the first notification",
      ARRIVAL_BOUND_MS,
      () => cluster.webhook.received.length > 0,
    );
    const readyMs = performance.now() - start;
    return {
      ours: `${seconds(seenMs)} / ${seconds(readyMs)}`,
      must: seenMs <= 1_000 && readyMs <= 3_000,
      should: seenMs <= 500 && readyMs <= 1_000,
    };
  });
}

/** A member that runs already is added; it is ready when it has sent a notification of its own. */
function oneMore(): Promise<Figure> {
  return withCluster({ alert: "" }, async (cluster) => {
    const added = await cluster.startMember(3);
    await cluster.defineTask("t", [added]);
    const topic = Array.from({ length: 100 }, (_, i) => `more${i}`).find(
      (name) => cluster.ranking(name)[0]?.id === added.id,
    );
    if (topic === undefined) throw new Error("no topic is the new member's");
    await cluster.defineTask(topic);
    cluster.defineHandler(cluster.at(0), topic, "hook");
    cluster.webhook.received.length = 0;
    const start = performance.now();
    const words = ["member", "add", "-url", cluster.at(0).process.url, added.process.rpcAddress];
    const adding = runWhileServing("kapacitorctl", ...words);
    const seenMs = await timeUntil("seen by all", () => allAlive(cluster));
    await adding;
    const sent = async (): Promise<number> =>
      (await cluster.counters("primary-handle-count"))[3] ?? 0;
    const before = await sent();
    for (let i = 0; (await sent()) === before; i++) {
      await cluster.write(point(`more${i}`, "CRITICAL", 0));
      await Bun.sleep(20);
    }
    const readyMs = performance.now() - start;
    return {
      ours: `${seconds(seenMs)} / ${seconds(readyMs)}`,
      must: seenMs <= 500 && readyMs <= 3_000,
      should: seenMs <= 100 && readyMs <= 1_000,
    };
  });
}

const KIB = 1024;

/** Resident size, MB. */
function residentMb({ process }: ClusterMember): number {
  const status = readFileSync(`/proc/${process.pid}/status`, "utf8");
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * KIB) / 1e6;
}

/** Processor time so far, seconds. */
function processorSeconds({ process }: ClusterMember): number {
  const fields = readFileSync(`/proc/${process.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  // utime and stime, in hundredths.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const worst = (values: readonly number[]): number => Math.max(...values);

async function thousand(cluster: TestCluster, name = "cost"): Promise<void> {
  const feed = new LoadFeed(cluster, { alerts: ALERTS, perSecond: PER_SECOND, name });
  await outcomeOf(cluster, feed, { boundMs: ARRIVAL_BOUND_MS, quietMs: 1_000 });
}

async function resident(): Promise<Figure> {
  const cluster = await TestCluster.open({ alert: "", cluster: SEALED });
  try {
    cluster.webhook.delayMs = ANSWER_MS;
    await Bun.sleep(5_000);
    const quiet = worst(cluster.members.map(residentMb));
    await thousand(cluster);
    const after = worst(cluster.members.map(residentMb));
    return {
      ours: `${quiet.toFixed(0)} / ${after.toFixed(0)} MB (largest of three)`,
      must: quiet <= 70 && after <= 102,
      should: quiet <= 80 && after <= 80,
    };
  } finally {
    await cluster.close();
  }
}

/** Until the collector of the runtime has come to rest, ms. */
const SETTLED_MS = 40_000;
const QUIET_LOOK_MS = 20_000;

/**
 * What a member costs in the long run: at rest, and per 1,000 alerts as a mean of the members once its code is compiled.
 * What the first 20 seconds and the first thousand cost is printed beside it.
 */
function processorTime(): Promise<Figure> {
  return withCluster({ alert: "" }, async (cluster) => {
    const spent = async (work: () => Promise<unknown>): Promise<readonly [number[], number]> => {
      const before = cluster.members.map(processorSeconds);
      const start = performance.now();
      await work();
      const used = cluster.members.map((member, i) => processorSeconds(member) - (before[i] ?? 0));
      return [used, (performance.now() - start) / 1_000];
    };
    const look = async (): Promise<number> => {
      const [used, time] = await spent(() => Bun.sleep(QUIET_LOOK_MS));
      return worst(used) / time;
    };
    await Bun.sleep(2_000);
    const early = await look();
    await Bun.sleep(SETTLED_MS);
    const quiet = await look();
    const alerts = async (name: string): Promise<readonly [mean: number, largest: number]> => {
      const [used, time] = await spent(() => thousand(cluster, name));
      const own = used.map((seconds) => seconds - quiet * time);
      return [own.reduce((sum, one) => sum + one, 0) / own.length, worst(own)];
    };
    const [coldMean, coldLargest] = await alerts("cold");
    const [mean, largest] = await alerts("warm");
    const texts = [mean, largest, coldMean, coldLargest].map((seconds) => seconds.toFixed(2));
    return {
      ours:
        `${percent(quiet)} (first 20 s: ${percent(early)}) / mean ${texts[0]}, largest ${texts[1]} s ` +
        `(first thousand: ${texts[2]}, ${texts[3]} s)`,
      must: quiet <= 0.006 && mean <= 1.2,
      should: quiet <= 0.003 && mean <= 0.5,
    };
  });
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

function killing(): Promise<Figure> {
  return withCluster({ alert: HEAVY.settings }, async (cluster) => {
    const feed = new LoadFeed(cluster, { ...HEAVY, name: "alert" });
    const killedAt: number[] = [];
    await feed.reached(HEAVY.perSecond);
    while (feed.written.size < HEAVY.alerts) {
      const victim = cluster.at(Math.floor(Math.random() * cluster.members.length));
      killedAt.push(performance.now());
      await victim.process.kill("SIGKILL");
      await victim.process.start();
      await Bun.sleep(5_000);
    }
    const outcome = await outcomeOf(cluster, feed, {
      boundMs: ARRIVAL_BOUND_MS,
      quietMs: QUIET_MS,
    });
    const explained = outcome.repeats.filter((times) => isExplained(times, killedAt)).length;
    const unexplained = outcome.repeats.length - explained;
    return {
      ours: `${text(outcome)}; ${killedAt.length} kills, ${unexplained} unexplained`,
      must: outcome.lost === 0 && unexplained === 0,
      should: outcome.lost === 0 && outcome.extra <= 10,
    };
  });
}

const load = (): string => (loadavg()[0] ?? 0).toFixed(1);

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
