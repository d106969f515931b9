/**
 * More than the daemon can do: writers that do not wait for each other, and a receiver that takes its time.
 *
 * Nothing may be lost in either: writers are slowed down or refused and try again, alerts wait.
 */

import { drive } from "./bench-client.ts";
import { BenchDaemon } from "./bench-daemon.ts";
import type { Figures, Measurement } from "./bench-figures.ts";
import { defineTasks, endlessFeeds, feedsOf, sizeOf } from "./bench-load.ts";
import { Receiver } from "./bench-receiver.ts";
import { counter, scenarioOf } from "./bench-scenarios.ts";

const WRITERS = 64;
/** What they write, and the heaviest tasks for it. */
const HEAVY = "lambdas";
const SECONDS = 20;
const SECONDS_MIN = 0.5;
const SAMPLE_MS = 100;
const EVENTS = 10_000;
const ANSWER_MS = 5;

async function overload(scale: number): Promise<Figures> {
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start();
  const heavy = scenarioOf(HEAVY);
  const [task = ""] = await defineTasks(daemon, heavy, receiver);
  const feeds = endlessFeeds(heavy.data, { connections: WRITERS });
  const memory: number[] = [];
  const sampler = setInterval(() => memory.push(daemon.memoryMiB()), SAMPLE_MS);
  let slowest = 0;
  const onAnswer = (ms: number): void => {
    slowest = Math.max(slowest, ms);
  };
  const end = performance.now() + Math.max(SECONDS_MIN, SECONDS * scale) * 1000;
  const stop = (): boolean => performance.now() > end;
  const { points, seconds, refused } = await drive(daemon.url, feeds, { onAnswer, stop });
  clearInterval(sampler);
  memory.push(daemon.memoryMiB());
  const collected = counter(await daemon.counters(task), "http_out3", "collected");
  const half = Math.floor(memory.length / 2);
  const growth =
    Math.max(...memory.slice(half)) - Math.max(...memory.slice(0, half), memory[0] ?? 0);
  return {
    ...{ "points/s": points / seconds, "write max ms": slowest, "bodies refused": refused },
    ...{ "points lost": points - collected, "MiB peak": daemon.memoryMiB("peak") },
    "MiB growth in the last half": Math.max(0, growth),
  };
}

async function slowReceiver(scale: number): Promise<Figures> {
  await using receiver = await Receiver.start(ANSWER_MS);
  await using daemon = await BenchDaemon.start();
  await daemon.define(
    "t0",
    `stream|from().measurement('event')|alert().id('event').message('{{ index .Fields "seq" }}')
      .crit(lambda: TRUE).post('${receiver.url}')`,
  );
  const data = { measurements: ["event"], hosts: 1, points: EVENTS, linesPerBody: 100 };
  const size = sizeOf(data, scale);
  const { seconds } = await drive(daemon.url, feedsOf(data, size));
  const accepted = { "points/s": size.each / seconds };
  await receiver.arrived(size.each).catch(() => {});
  const { received, disordered, repeated } = await receiver.report();
  return {
    ...{ ...accepted, "alerts lost": size.each - received + repeated, "alerts twice": repeated },
    ...{ "alerts out of order": disordered, "MiB peak": daemon.memoryMiB("peak") },
  };
}

export const OVERLOAD_BENCHES: readonly Measurement[] = [
  {
    name: "overload",
    what: `${WRITERS} writers without a pause, ten lambdas on every point`,
    targets: { "write max ms": 4_000, "points lost": 0, "MiB growth in the last half": 50 },
    run: overload,
  },
  {
    name: "slow-receiver",
    what: `${EVENTS.toLocaleString("en")} alerts of one ID to a receiver that takes ${ANSWER_MS} ms for each`,
    targets: { "alerts lost": 0, "alerts out of order": 0, "alerts twice": 0 },
    run: slowReceiver,
  },
];
