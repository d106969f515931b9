/**
 * `bench soak`: half of the maximum load for an hour. Does memory stay flat, does latency drift?
 *
 * The maximum is measured first, unless a rate is given. Alerts are probed all the time; a line is printed for each minute.
 * The halves are compared at the end, without their extremes: a single slow minute on a shared machine is not a drift.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { drive } from "./bench-client.ts";
import { BenchDaemon } from "./bench-daemon.ts";
import { median, shortNumber } from "./bench-figures.ts";
import { defineTasks, endlessFeeds, LINES_PER_BODY, WRITE_PATH } from "./bench-load.ts";
import { probeTask, Receiver } from "./bench-receiver.ts";
import { scenarioOf } from "./bench-scenarios.ts";

const SCENARIO = "windows";
const MINUTES = 60;
const MINUTE_SECONDS = 60;
const MAXIMUM_SECONDS = 15;
/** Load while the daemon warms up, before the first minute counts, seconds. */
const WARM_SECONDS = 10;
const PROBES_PER_SECOND = 20;
/** Between two collections memory is a saw: a minute's figure is the median of many looks. */
const MEMORY_SAMPLE_MS = 250;
/** A quarter's memory over the quarter's before it, and a half's latency over the first half's. */
const MEMORY_GROWTH_MAX = 1.05;
const LATENCY_DRIFT_MAX = 1.25;

interface Minute {
  readonly memoryMiB: number;
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
  readonly pointsPerSecond: number;
  readonly cores: number;
}

/** Resolves to the number of what did not hold. */
export async function benchSoak(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: { minutes: { type: "string" }, rate: { type: "string" } },
  });
  const seconds = Number(values.minutes ?? MINUTES) * 60;
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start();
  const scenario = scenarioOf(SCENARIO);
  await defineTasks(daemon, scenario, receiver);
  await daemon.define("probe", probeTask(receiver));
  const feeds = endlessFeeds(scenario.data).map((feed) => feed[Symbol.iterator]());
  /** The feeds go on where an earlier drive stopped. */
  const load = (
    stop: () => boolean,
    pace: { readonly pointsPerSecond?: number },
    count: () => void,
  ) => drive(daemon.url, feeds.map(unended), { ...pace, stop, onAnswer: count });
  const end = performance.now() + Math.min(MAXIMUM_SECONDS, seconds) * 1000;
  const maximum = await load(
    () => performance.now() > end,
    {},
    () => {},
  );
  const rate = Number(values.rate ?? maximum.points / maximum.seconds / 2);
  console.log(
    `${SCENARIO}: maximum ${shortNumber(maximum.points / maximum.seconds)} points/s; ` +
      `${shortNumber(rate)} points/s for ${seconds / 60} minutes`,
  );
  let isOver = false;
  let bodies = 0;
  const background = load(
    () => isOver,
    { pointsPerSecond: rate },
    () => bodies++,
  );
  const window = Math.min(MINUTE_SECONDS, seconds / 4);
  background.catch(() => {}); // It is awaited below; until then nobody listens.
  await minute(Math.min(window, WARM_SECONDS));
  const minutes: Minute[] = [];
  for (let at = 0; at < Math.round(seconds / window); at++) {
    const measured = await minute(window);
    minutes.push(measured);
    const { memoryMiB, p50, p99, lost, pointsPerSecond, cores } = measured;
    console.log(
      `${String(at + 1).padStart(3)}  ${shortNumber(pointsPerSecond)} points/s  ${cores.toFixed(2)} cores  ` +
        `${memoryMiB.toFixed(0)} MiB  alerts p50 ${p50.toFixed(2)} p99 ${p99.toFixed(1)} ms  lost ${lost}`,
    );
  }
  isOver = true;
  await background;
  mkdirSync("bench", { recursive: true });
  writeFileSync("bench/soak.json", `${JSON.stringify({ rate, window, minutes }, undefined, 1)}\n`);
  return compare(minutes);

  async function minute(length: number): Promise<Minute> {
    const [before, cpu, start] = [bodies, daemon.cpuSeconds(), performance.now()];
    const target = { base: daemon.url, path: WRITE_PATH };
    const probes = { ...target, perSecond: PROBES_PER_SECOND, seconds: length };
    const memory: number[] = [];
    const sampler = setInterval(() => memory.push(daemon.memoryMiB()), MEMORY_SAMPLE_MS);
    const { p50, p99, lost } = await receiver.probe(probes).finally(() => clearInterval(sampler));
    const took = (performance.now() - start) / 1000;
    return {
      ...{ memoryMiB: median(memory), p50, p99, lost },
      pointsPerSecond: ((bodies - before) * LINES_PER_BODY) / took,
      cores: (daemon.cpuSeconds() - cpu) / took,
    };
  }
}

/** An iterator as an iterable that is not closed when a loop over it is left. */
function unended<T>(iterator: Iterator<T>): Iterable<T> {
  return { [Symbol.iterator]: () => ({ next: () => iterator.next() }) };
}

/** Prints the halves side by side; how many of memory, latency and alerts are not as they must be. */
function compare(minutes: readonly Minute[]): number {
  const part = (from: number, to: number, of: (minute: Minute) => number): number =>
    median(
      minutes.slice(Math.floor(minutes.length * from), Math.ceil(minutes.length * to)).map(of),
    );
  const p99 = ({ p99 }: Minute): number => p99;
  const p50 = ({ p50 }: Minute): number => p50;
  const memory = ({ memoryMiB }: Minute): number => memoryMiB;
  const show = (name: string, of: (minute: Minute) => number): void =>
    console.log(`${name}  ${part(0, 0.5, of).toFixed(2)} → ${part(0.5, 1, of).toFixed(2)}`);
  console.log("medians of the first half → of the second half");
  show("memory MiB     ", memory);
  show("alerts p50 ms  ", p50);
  show("alerts p99 ms  ", p99);
  const growth = part(0.75, 1, memory) / part(0.5, 0.75, memory);
  const drift = Math.max(
    part(0.5, 1, p50) / part(0, 0.5, p50),
    part(0.5, 1, p99) / part(0, 0.5, p99),
  );
  const lost = minutes.reduce((sum, minute) => sum + minute.lost, 0);
  const verdicts = [
    [
      `memory of the last quarter is ${growth.toFixed(3)} times the third's`,
      growth,
      MEMORY_GROWTH_MAX,
    ],
    [
      `latency of the second half is ${drift.toFixed(2)} times the first's`,
      drift,
      LATENCY_DRIFT_MAX,
    ],
    [`${lost} alerts lost`, lost, 0],
  ] as const;
  for (const [text, value, most] of verdicts) {
    console.log(`${value <= most ? "holds " : "MISSED"}  ${text} (at most ${most})`);
  }
  return verdicts.filter(([, value, most]) => !(value <= most)).length;
}
