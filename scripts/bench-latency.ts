/**
 * How long an alert takes, from sending its point to its arrival, and how long a write of 1,000 lines, beside a stream of
 * points at a fixed rate.
 */

import { drive } from "./bench-client.ts";
import { BenchDaemon } from "./bench-daemon.ts";
import { type Figures, type Measurement, quantile } from "./bench-figures.ts";
import { defineTasks, feedsOf, WRITE_PATH } from "./bench-load.ts";
import { probeTask, Receiver } from "./bench-receiver.ts";
import { scenarioOf } from "./bench-scenarios.ts";

const SECONDS = 10;
const SECONDS_MIN = 0.4;
/** Before anything is counted. */
const WARM_SECONDS = 2;
const PROBES_PER_SECOND = 50;
/** The stream of points and its tasks. */
const BACKGROUND = "windows";

async function latency(pointsPerSecond: number, scale: number): Promise<Figures> {
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start();
  const scenario = scenarioOf(BACKGROUND);
  await defineTasks(daemon, scenario, receiver);
  await daemon.define("probe", probeTask(receiver));
  const seconds = (wanted: number): number => Math.max(SECONDS_MIN, wanted * scale);
  const [warm, measured] = [seconds(WARM_SECONDS), seconds(SECONDS)];
  const rounds = Math.ceil((pointsPerSecond * (warm + measured + 1)) / scenario.data.hosts);
  const { hosts } = scenario.data;
  const feeds = rounds === 0 ? [] : feedsOf(scenario.data, { hosts, rounds, each: hosts * rounds });
  const answers: number[] = [];
  let isMeasured = false;
  let isOver = false;
  const background = drive(daemon.url, feeds, {
    pointsPerSecond,
    stop: () => isOver,
    onAnswer: (ms) => isMeasured && answers.push(ms),
  });
  background.catch(() => {}); // It is awaited below; until then nobody listens.
  const probe = { base: daemon.url, path: WRITE_PATH, perSecond: PROBES_PER_SECOND };
  await receiver.probe({ ...probe, seconds: warm });
  isMeasured = true;
  const cpu = daemon.cpuSeconds();
  const start = performance.now();
  const { p50, p99, sent, lost } = await receiver.probe({ ...probe, seconds: measured });
  const cores = ((daemon.cpuSeconds() - cpu) * 1000) / (performance.now() - start);
  isOver = true;
  await background;
  if (sent === 0) throw new Error("no probe was sent");
  answers.sort((a, b) => a - b);
  const alerts = { "alert p50 ms": p50, "alert p99 ms": p99, "alerts lost": lost, cores };
  if (answers.length === 0) return alerts;
  const writes = {
    "write p50 ms": quantile(answers, 0.5),
    "write p99 ms": quantile(answers, 0.99),
  };
  return { ...alerts, ...writes };
}

function bench(pointsPerSecond: number, targets: Figures): Measurement {
  return {
    name: `latency-${pointsPerSecond}`,
    what: `alerts beside ${pointsPerSecond.toLocaleString("en")} points/s in bodies of 1,000 lines`,
    targets: { ...targets, "alerts lost": 0 },
    run: (scale) => latency(pointsPerSecond, scale),
  };
}

export const LATENCY_BENCHES: readonly Measurement[] = [
  bench(0, { "alert p50 ms": 0.7, "alert p99 ms": 2 }),
  bench(20_000, { "alert p50 ms": 1, "alert p99 ms": 10 }),
  bench(50_000, {
    ...{ "alert p50 ms": 2, "alert p99 ms": 15 },
    ...{ "write p50 ms": 2, "write p99 ms": 15 },
  }),
];
