/**
 * Start, idle memory, defining tasks, and restarts with much to remember.
 */

import { drive, post } from "./bench-client.ts";
import { BenchDaemon } from "./bench-daemon.ts";
import type { Figures, Measurement } from "./bench-figures.ts";
import { WRITE_PATH } from "./bench-load.ts";
import { until } from "./lab.ts";

/** Until what happens right after a start is over, ms. */
const SETTLE_MS = 2_000;
const RUNNING_BOUND_MS = 120_000;
const IDS_PER_TASK = 100;
const WRITERS = 8;

async function start(scale: number): Promise<Figures> {
  await using daemon = await BenchDaemon.start();
  await daemon.stop("SIGTERM");
  const ms = await daemon.restart();
  await Bun.sleep(SETTLE_MS * Math.min(1, scale));
  return { "ms to /ping": ms, "MiB idle": daemon.memoryMiB() };
}

async function define(scale: number): Promise<Figures> {
  await using daemon = await BenchDaemon.start();
  const tasks = Math.max(10, Math.round(1_000 * scale));
  const memory = daemon.memoryMiB();
  const cpu = daemon.cpuSeconds();
  for (let i = 0; i < tasks; i++) {
    await daemon.define(
      `t${i}`,
      `stream|from().measurement('m${i}').groupBy('host')|window().period(10s).every(10s)
        |mean('usage_user').as('m')|eval(lambda: "m" * 2.0).as('x').keep()
        |alert().crit(lambda: "x" > ${i}.0).stateChangesOnly()`,
    );
  }
  const perTask = {
    "ms CPU per task": ((daemon.cpuSeconds() - cpu) * 1000) / tasks,
    "KiB per task": ((daemon.memoryMiB() - memory) * 1024) / tasks,
  };
  await daemon.stop("SIGTERM");
  return { ...perTask, ...(await restarted(daemon, tasks)) };
}

/** Starts it again and waits until all tasks run. */
async function restarted(daemon: BenchDaemon, tasks: number): Promise<Figures> {
  const begin = performance.now();
  const ping = await daemon.restart();
  await until(`${tasks} tasks run`, RUNNING_BOUND_MS, async () => {
    const running = listIn(await daemon.ask("/tasks?fields=executing&limit=-1"), "tasks");
    return running.filter((task) => Reflect.get(Object(task), "executing")).length === tasks;
  });
  return { "ms to /ping": ping, "ms until all run": performance.now() - begin };
}

function listIn(body: unknown, key: string): readonly unknown[] {
  const list: unknown = Reflect.get(Object(body), key);
  return Array.isArray(list) ? list : [];
}

/** Every ID of every topic becomes critical once; all states must be there after the restart. */
async function states(count: number): Promise<Figures> {
  await using daemon = await BenchDaemon.start();
  const tasks = Math.ceil(count / IDS_PER_TASK);
  for (let i = 0; i < tasks; i++) {
    await daemon.define(
      `t${i}`,
      `stream|from().measurement('m${i}').groupBy('host')|alert().topic('topic${i}')
        .id('{{ index .Tags "host" }}').crit(lambda: "v" > 0.0).stateChangesOnly()`,
    );
  }
  const bodies = Array.from({ length: tasks }, (_, i) => {
    const lines = Array.from(
      { length: IDS_PER_TASK },
      (_, host) => `m${i},host=host-${host}.example.net v=1 1700000000000000000\n`,
    );
    return post(WRITE_PATH, new TextEncoder().encode(lines.join("")), IDS_PER_TASK);
  });
  const feeds = Array.from({ length: WRITERS }, (_, writer) =>
    bodies.filter((_, i) => i % WRITERS === writer),
  );
  const { seconds } = await drive(daemon.url, feeds);
  const peak = daemon.memoryMiB("peak");
  await daemon.stop("SIGTERM");
  const again = await restarted(daemon, tasks);
  for (const topic of ["topic0", `topic${tasks - 1}`]) {
    const kept = listIn(await daemon.ask(`/alerts/topics/${topic}/events`), "events").length;
    if (kept !== IDS_PER_TASK) throw new Error(`${topic} has ${kept} states after the restart`);
  }
  return { "ms until stored": seconds * 1000, "MiB peak": peak, ...again };
}

function stored(count: number, targets: Figures): Measurement {
  return {
    name: `stored-${count}`,
    what: `${count.toLocaleString("en")} alert states of ${count / IDS_PER_TASK} topics stored; restart with them`,
    targets,
    run: (scale) => states(Math.max(IDS_PER_TASK, count * scale)),
  };
}

export const LIFECYCLE_BENCHES: readonly Measurement[] = [
  {
    name: "start",
    what: "start of an empty daemon",
    targets: { "ms to /ping": 60, "MiB idle": 45 },
    run: start,
  },
  {
    name: "define-1000",
    what: "1,000 tasks defined over the API; restart with them",
    targets: { "ms CPU per task": 0.7, "KiB per task": 20, "ms until all run": 500 },
    run: define,
  },
  stored(50_000, { "ms until stored": 1_500, "ms until all run": 700 }),
  stored(100_000, {}),
];
