/**
 * One round of a load scenario: tasks are defined, a tenth of the data goes in unmeasured, the rest is measured from the
 * first request until every point was processed and every alert arrived.
 *
 * Hosts are dealt out over the connections, so that each series arrives in order and the counters of the nodes are the
 * same in every run: a round with other counters fails.
 */

import { type BodyOptions, bodies } from "#test/bench/scenario-data.ts";
import { type Drive, drive, type Feed, type Prepared, post } from "./bench-client.ts";
import { BenchDaemon, DATABASE } from "./bench-daemon.ts";
import { type Figures, type Measurement, quantile } from "./bench-figures.ts";
import { Receiver } from "./bench-receiver.ts";
import { counter, type Data, SCENARIOS, type Scenario, type Written } from "./bench-scenarios.ts";

const CONNECTIONS = 4;
export const WRITE_PATH = `/kapacitor/v1/write?db=${DATABASE}&rp=autogen&precision=ns`;
export const LINES_PER_BODY = 1_000;
const WARM_SHARE = 0.1;
const HOSTS_MIN = 10;
const ENDLESS_POINTS = 100_000;
const ENDLESS_ROUNDS_MAX = 1_000;
const LINE_FEED = 10;
const ZERO = 48;
/** Digits below the second in a time stamp. */
const NANO_DIGITS = 9;
/** With more tasks only the first and the last are asked while the clock runs: answering is work too. */
const SAMPLED_TASKS = 4;
const GOING_HOSTS = 1_000;
const GOING_ROUNDS = 50;
/** After the last answer, points that are not processed by then never will be, ms. */
const BOUND_MS = 10_000;

interface FeedOptions {
  readonly connections?: number;
  readonly path?: string;
  readonly firstRound?: number;
}

/** How many hosts and rounds there are; trial runs have fewer hosts, so that windows still close. */
export function sizeOf(data: Data, scale: number): Written {
  const hosts = Math.max(
    Math.min(data.hosts, HOSTS_MIN),
    Math.round(data.hosts * Math.min(1, scale)),
  );
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
  return Array.from(
    { length: Math.min(connections, hosts) },
    (_, firstHost, hostStep = connections) => {
      const options: BodyOptions = {
        ...{ measurements, linesPerBody, hosts, rounds },
        ...{ firstRound, firstHost, hostStep },
      };
      return Array.from(bodies(options), ({ bytes, lines }) => post(path, bytes, lines));
    },
  );
}

/**
 * The same data again and again with the times going on, for runs of any length: one feed for each connection. Bodies are
 * changed in place, which is right because a connection sends one at a time.
 */
export function endlessFeeds(data: Data, options: FeedOptions = {}): readonly Feed[] {
  const { hosts, measurements } = data;
  const perRound = hosts * measurements.length;
  const rounds = Math.min(ENDLESS_ROUNDS_MAX, Math.max(2, Math.ceil(ENDLESS_POINTS / perRound)));
  const feeds = feedsOf(data, { hosts, rounds, each: hosts * rounds }, options);
  return feeds.map(function* (feed): Generator<Prepared> {
    for (let turn = 0; ; turn++) {
      for (const prepared of feed) {
        if (turn > 0) postpone(prepared.bytes, rounds);
        yield prepared;
      }
    }
  });
}

/** Adds seconds to the time at the end of every line of a request. */
function postpone(request: Uint8Array, seconds: number): void {
  const body = Buffer.from(request.buffer, request.byteOffset, request.length);
  let end = body.indexOf("\r\n\r\n") + 3;
  for (;;) {
    end = body.indexOf(LINE_FEED, end + 1);
    if (end < 0) return;
    let rest = seconds;
    for (let at = end - NANO_DIGITS - 1; rest > 0; at--) {
      rest += (body[at] ?? ZERO) - ZERO;
      body[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

/** Defines a scenario's tasks; returns their IDs. */
export async function defineTasks(
  daemon: BenchDaemon,
  scenario: Scenario,
  receiver: Receiver,
  scale = 1,
): Promise<readonly string[]> {
  const scripts = scenario.scripts(receiver.url, scale);
  for (const [i, script] of scripts.entries()) await daemon.define(`t${i}`, script);
  return scripts.map((_, i) => `t${i}`);
}

/** One round; throws when points are missing or nodes counted wrongly. */
export async function measureLoad(scenario: Scenario, scale: number): Promise<Figures> {
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start();
  const size = sizeOf(scenario.data, scale);
  const feeds = feedsOf(scenario.data, size);
  const tasks = await defineTasks(daemon, scenario, receiver, scale);
  const earlier = scenario.growsHosts ? await getGoing(daemon, scenario.data, size) : 0;
  const memoryBefore = daemon.memoryMiB();
  const answers: number[] = [];
  const part = (from: number, to: number): Promise<Drive> => {
    const at = (feed: readonly Prepared[], share: number) => Math.floor(feed.length * share);
    const parts = feeds.map((feed) => feed.slice(at(feed, from), at(feed, to)));
    return drive(daemon.url, parts, { onAnswer: (ms) => answers.push(ms) });
  };
  const warm = await part(0, WARM_SHARE);
  const some = tasks.length > SAMPLED_TASKS ? [...sample(tasks)] : tasks;
  const alertsBefore = await settled(daemon, some, receiver);
  answers.length = 0;
  daemon.resetPeak();
  const [cpuBefore, start] = [daemon.cpuSeconds(), performance.now()];
  const allSeen = Math.max(WARM_SHARE, 1 / size.rounds);
  const first = await part(WARM_SHARE, allSeen);
  const cpuSeen = daemon.cpuSeconds();
  const later = await part(allSeen, 1);
  const alerts = await settled(daemon, some, receiver);
  const seconds = (performance.now() - start) / 1000;
  const cpu = daemon.cpuSecondsSince(cpuBefore);
  const points = first.points + later.points;
  const figures = figuresOf(scenario, {
    ...{ points, seconds, cpu, tasks: tasks.length, alerts: alerts - alertsBefore },
    ...{ hosts: size.hosts, answers, peakMiB: daemon.memoryMiB("peak") },
    grownMiB: daemon.memoryMiB() - memoryBefore,
    cpuPerKnown: (cpuBefore + cpu - cpuSeen) / later.points,
  });
  const written = { ...size, each: size.each + earlier };
  const raised = await settled(daemon, tasks, receiver);
  await check(daemon, scenario, tasks, { written, total: earlier + warm.points + points, raised });
  return figures;
}

/** One round of a load; times in seconds. */
interface Measured {
  readonly points: number;
  readonly seconds: number;
  readonly cpu: number;
  readonly tasks: number;
  readonly alerts: number;
  readonly hosts: number;
  /** Milliseconds of every write. */
  readonly answers: readonly number[];
  readonly peakMiB: number;
  /** Resident memory more than before the hosts were known. */
  readonly grownMiB: number;
  /** CPU time of a point after every host has sent one. */
  readonly cpuPerKnown: number;
}

function figuresOf({ perTask, growsHosts, targets }: Scenario, measured: Measured): Figures {
  const { points, seconds, cpu, answers } = measured;
  const ofTask = { "ns CPU per point and task": (cpu * 1e9) / points / measured.tasks };
  const ofSeries = {
    "KiB per series": (measured.grownMiB * 1024) / measured.hosts,
    "ns CPU per point of a known series": measured.cpuPerKnown * 1e9,
  };
  const isStorm = targets?.["events/CPU-s"] !== undefined;
  const sorted = answers.toSorted((a, b) => a - b);
  return {
    ...{ "points/CPU-s": points / cpu, "points/s": points / seconds, cores: cpu / seconds },
    ...(perTask ? ofTask : {}),
    ...(growsHosts ? ofSeries : {}),
    ...(isStorm ? { "events/CPU-s": measured.alerts / cpu } : {}),
    ...{ "write p99 ms": quantile(sorted, 0.99), "MiB peak": measured.peakMiB },
  };
}

/** A few hosts send long before the others, so that what any load costs is not counted as the series' memory. */
async function getGoing(daemon: BenchDaemon, data: Data, size: Written): Promise<number> {
  const hosts = Math.min(size.hosts, GOING_HOSTS);
  const few = { hosts, rounds: GOING_ROUNDS, each: hosts * GOING_ROUNDS };
  const { points } = await drive(daemon.url, feedsOf(data, few, { firstRound: -GOING_ROUNDS }));
  return points;
}

function sample(tasks: readonly string[]): ReadonlySet<string> {
  return new Set([...tasks.slice(0, 1), ...tasks.slice(-1)]);
}

/** Waits until every alert that these tasks raised has arrived; returns how many they were. */
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
  readonly written: Written;
  readonly total: number;
  /** Alerts. */
  readonly raised: number;
}

/** Throws when a node collected more or less than it must, or alerts are missing. */
async function check(
  daemon: BenchDaemon,
  { name, data, collected, alerts }: Scenario,
  tasks: readonly string[],
  { written, total, raised }: Outcome,
): Promise<void> {
  const expect = (what: string, is: number, must: number): void => {
    if (is !== must) throw new Error(`${name}: ${what} is ${is}, must be ${must}`);
  };
  expect("points", total, written.each * data.measurements.length);
  if (alerts !== undefined) expect("alerts", raised, alerts(written));
  if (collected === undefined) return;
  const musts = Object.entries(collected(written));
  for (const task of sample(tasks)) {
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
  run: (scale) => measureLoad(scenario, scale),
}));
