/**
 * One round of a load scenario: tasks are defined, a tenth of the data goes in unmeasured, the rest is measured from the
 * first request until every point was processed and every alert arrived.
 *
 * Hosts are dealt out over the connections, so that each series arrives in order and the counters of the nodes are the
 * same in every run: a round with other counters fails.
 */

import { type BodyOptions, bodies } from "#test/bench/scenario-data.ts";
import { drive, type Feed, type Prepared, post } from "./bench-client.ts";
import { BenchDaemon, DATABASE } from "./bench-daemon.ts";
import { type Figures, type Measurement, quantile } from "./bench-figures.ts";
import { Receiver } from "./bench-receiver.ts";
import { counter, type Data, SCENARIOS, type Scenario, type Written } from "./bench-scenarios.ts";

export const CONNECTIONS = 4;
export const WRITE_PATH = `/kapacitor/v1/write?db=${DATABASE}&rp=autogen&precision=ns`;
const LINES_PER_BODY = 1_000;
const WARM_SHARE = 0.1;
/** Points that are not processed by then never will be, ms. */
const BOUND_MS = 120_000;

export interface FeedOptions {
  readonly connections?: number;
  readonly path?: string;
  readonly firstRound?: number;
}

/** How many hosts and rounds a scaled scenario has. */
export function sizeOf(data: Data, scale: number, growsHosts = false): Written {
  const shrunk = growsHosts && scale < 1;
  const hosts = shrunk ? Math.max(10, Math.round(data.hosts * scale)) : data.hosts;
  const perRound = hosts * data.measurements.length;
  const rounds = Math.max(2, Math.round((data.points * scale) / perRound));
  return { hosts, rounds, each: hosts * rounds };
}

/** The requests of every connection, made now. */
export function feedsOf(
  { measurements, linesPerBody = LINES_PER_BODY }: Data,
  { hosts, rounds }: Written,
  { connections = CONNECTIONS, path = WRITE_PATH, firstRound = 0 }: FeedOptions = {},
): readonly (readonly Prepared[])[] {
  return Array.from({ length: Math.min(connections, hosts) }, (_, firstHost, hostStep = connections) => {
    const options: BodyOptions = {
      ...{ measurements, linesPerBody, hosts, rounds },
      ...{ firstRound, firstHost, hostStep },
    };
    return Array.from(bodies(options), ({ bytes, lines }) => post(path, bytes, lines));
  });
}

/** Defines a scenario's tasks; returns their IDs. */
export async function defineTasks(
  daemon: BenchDaemon,
  scenario: Scenario,
  receiver: Receiver,
): Promise<readonly string[]> {
  const scripts = scenario.scripts(receiver.url);
  for (const [i, script] of scripts.entries()) await daemon.define(`t${i}`, script);
  return scripts.map((_, i) => `t${i}`);
}

async function measure(scenario: Scenario, scale: number): Promise<Figures> {
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start();
  const size = sizeOf(scenario.data, scale, scenario.growsHosts);
  const feeds = feedsOf(scenario.data, size);
  const tasks = await defineTasks(daemon, scenario, receiver);
  const memoryBefore = daemon.memoryMiB();
  const cut = (feed: readonly Prepared[]): number => Math.floor(feed.length * WARM_SHARE);
  const warm = await drive(daemon.url, feeds.map((feed) => feed.slice(0, cut(feed))));
  const alertsBefore = await settled(daemon, tasks, receiver);
  daemon.resetPeak();
  const answers: number[] = [];
  const cpuBefore = daemon.cpuSeconds();
  const start = performance.now();
  const measured: readonly Feed[] = feeds.map((feed) => feed.slice(cut(feed)));
  const { points } = await drive(daemon.url, measured, { onAnswer: (ms) => answers.push(ms) });
  const alerts = await settled(daemon, tasks, receiver);
  const seconds = (performance.now() - start) / 1000;
  const cpu = daemon.cpuSeconds() - cpuBefore;
  const [peak, now] = [daemon.memoryMiB("peak"), daemon.memoryMiB()];
  await check(daemon, scenario, tasks, { size, total: points + warm.points, alerts });
  answers.sort((a, b) => a - b);
  const perTask = scenario.perTask && { "ns CPU per point and task": (cpu * 1e9) / points / tasks.length };
  const perSeries = scenario.growsHosts && {
    "KiB per series": ((now - memoryBefore) * 1024) / size.hosts,
  };
  const storm = scenario.targets?.["events/CPU-s"] && { "events/CPU-s": (alerts - alertsBefore) / cpu };
  return {
    ...{ "points/CPU-s": points / cpu, "points/s": points / seconds, cores: cpu / seconds },
    ...{ ...perTask, ...perSeries, ...storm },
    ...{ "write p99 ms": quantile(answers, 0.99), "MiB peak": peak },
  };
}

/** Waits until every alert that was raised has arrived; returns how many were. */
async function settled(
  daemon: BenchDaemon,
  tasks: readonly string[],
  receiver: Receiver,
): Promise<number> {
  let raised = 0;
  for (const task of tasks) {
    const counters = await daemon.counters(task);
    for (const node of Object.keys(counters)) raised += counter(counters, node, "alerts_triggered");
  }
  await receiver.arrived(raised);
  return raised;
}

interface Outcome {
  readonly size: Written;
  readonly total: number;
  readonly alerts: number;
}

/** Throws when a node collected more or less than it must, or alerts are missing. */
async function check(
  daemon: BenchDaemon,
  { name, data, collected, alerts }: Scenario,
  tasks: readonly string[],
  outcome: Outcome,
): Promise<void> {
  const { size } = outcome;
  const expect = (what: string, is: number, must: number): void => {
    if (is !== must) throw new Error(`${name}: ${what} is ${is}, must be ${must}`);
  };
  expect("points", outcome.total, size.each * data.measurements.length);
  if (alerts !== undefined) expect("alerts", outcome.alerts, alerts(size));
  for (const task of new Set([tasks[0], tasks.at(-1)])) {
    if (task === undefined || collected === undefined) continue;
    const musts = Object.entries(collected(size));
    const counters = await daemon.untilCounters(task, BOUND_MS, (seen) =>
      musts.every(([node, must]) => counter(seen, node, "collected") >= must),
    );
    for (const [node, must] of musts)
      expect(`${task} ${node} collected`, counter(counters, node, "collected"), must);
  }
}

export const LOAD_BENCHES: readonly Measurement[] = SCENARIOS.map((scenario) => ({
  name: scenario.name,
  what: scenario.what,
  targets: scenario.targets ?? {},
  run: (scale) => measure(scenario, scale),
}));
