/**
 * Where the time and the memory go: the daemon from source under one of the benches.
 *
 * A load scenario runs for some seconds of compiled code. Every other bench runs once as `./scripts/bench` has it, and each
 * process that it starts is profiled from its first line until the bench stops it. Writes `bench/profile-<name>.cpuprofile`,
 * with `-2`, `-3` … for further processes (Chrome's developer tools and speedscope read it); prints the functions that take
 * most by themselves and what is on the heap after a collection.
 */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { scriptArguments } from "./arguments.ts";
import { drive } from "./bench-client.ts";
import type { BenchDaemon as Daemon } from "./bench-daemon.ts";
import {
  type CpuProfile,
  folderLines,
  type Heap,
  heapLines,
  profileLines,
} from "./profile-summary.ts";

const SECONDS = 10;
/** Load before the profile begins, so that it shows compiled code, s. */
const WARM_SECONDS = 3;
const WRITTEN_BOUND_MS = 60_000;

// lab.ts takes the program from the environment when it is loaded, hence the imports further down.
process.env["KAPACITOR_BINARY"] = "src/main.ts";
const { BenchDaemon, watchDaemons } = await import("./bench-daemon.ts");
const { defineTasks, endlessFeeds } = await import("./bench-load.ts");
const { Receiver } = await import("./bench-receiver.ts");
const { restartRounds } = await import("./bench-restart.ts");
const { MEASUREMENTS } = await import("./bench-run.ts");
const { SCENARIOS } = await import("./bench-scenarios.ts");
const { until } = await import("./lab.ts");
const { installServers } = await import("./servers.ts");
const { influxdMissing } = await import("#test/support/influxd.ts");

/** One process that was profiled. */
interface Profiled {
  readonly path: string;
  /** While it was profiled. */
  readonly cpuSeconds: number;
  readonly seconds: number;
}

const OTHERS = MEASUREMENTS.filter(({ name }) => SCENARIOS.every((load) => load.name !== name));
const SCENARIO_NAMES = SCENARIOS.map(({ name }) => name).join(", ");
const OTHER_NAMES = [...OTHERS.map(({ name }) => name), "restart"].join(", ");

const { flags, rest } = scriptArguments({
  name: "profile",
  does: "Profiles the daemon from source under a bench: CPU profiles in bench/, summary here.",
  arguments: {
    BENCH: `a load: ${SCENARIO_NAMES}; or another: ${OTHER_NAMES}`,
    "--seconds": `how many of a load (${SECONDS}); the others last as long as their bench`,
  },
});
const [name = "", seconds = String(SECONDS), ...more] = rest;
const scenario = SCENARIOS.find((load) => load.name === name);
const bench = OTHERS.find((other) => other.name === name);
if (name === "") refuse("say which: ./scripts/profile BENCH [--seconds N]");
if (scenario === undefined && bench === undefined && name !== "restart")
  refuse(`there is no bench ${name} to profile`);
if (more.length > 0 || (rest.length > 1 && !flags.has("--seconds")))
  refuse(`one bench at a time, not also ${rest[1]}`);
if (flags.has("--seconds") && scenario === undefined) refuse(`${name} lasts as long as its bench`);
if (!(Number(seconds) > 0)) refuse(`--seconds must be a number above 0, not ${seconds}`);
if (bench?.needsInfluxd === true) {
  installServers();
  const missing = influxdMissing();
  if (missing !== undefined) refuse(`${name} needs InfluxDB: ${missing}`);
}
mkdirSync("bench", { recursive: true });
const profiled = scenario === undefined ? await benchProfiled() : [await loadProfiled(scenario)];
for (const each of profiled) print(each);
process.exit();

function refuse(why: string): never {
  console.error(`${why}\nloads: ${SCENARIO_NAMES}\nothers: ${OTHER_NAMES}`);
  process.exit(2);
}

/** Words that launch the daemon under the probe, which writes to this path. */
function launched(path: string, ...more: readonly string[]): readonly string[] {
  for (const end of ["", ".started", ".heap"]) rmSync(`${path}${end}`, { force: true });
  const probe = join(import.meta.dir, "profile-probe.ts");
  return ["env", `KAPACITOR_PROFILE=${path}`, ...more, process.execPath, "--preload", probe];
}

function pathOf(process: number): string {
  return resolve(`bench/profile-${name}${process > 1 ? `-${process}` : ""}.cpuprofile`);
}

/** A load for as long as was asked for, after it has run for a while. */
async function loadProfiled(load: (typeof SCENARIOS)[number]): Promise<Profiled> {
  const path = pathOf(1);
  watchDaemons({ launch: () => launched(path), ending: async () => {} });
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start();
  await defineTasks(daemon, load, receiver);
  let isOver = false;
  const driven = drive(daemon.url, endlessFeeds(load.data), { stop: () => isOver });
  driven.catch(() => {}); // It is awaited below; until then nobody listens.
  await Bun.sleep(WARM_SECONDS * 1000);
  process.kill(daemon.pid, "SIGUSR2");
  await written(`${path}.started`);
  const [cpu, start] = [daemon.cpuSeconds(), performance.now()];
  await Bun.sleep(Number(seconds) * 1000);
  const result = await finished(daemon, path, { cpu, start });
  isOver = true;
  const { points } = await driven;
  console.log(`${name}: ${load.what}; ${points} points in all`);
  return result;
}

/** A bench as it is, with every process that it starts. */
async function benchProfiled(): Promise<readonly Profiled[]> {
  const found: Profiled[] = [];
  let [processes, start] = [0, 0];
  watchDaemons({
    launch() {
      start = performance.now();
      return launched(pathOf(++processes), "KAPACITOR_PROFILE_START=1");
    },
    async ending(daemon) {
      found.push(await finished(daemon, pathOf(processes), { cpu: 0, start }));
    },
  });
  if (bench === undefined) await restartRounds(1);
  else {
    const figures = await bench.run(1);
    console.log(`${name}: ${bench.what}; under the profiler ${JSON.stringify(figures)}`);
  }
  return found;
}

async function finished(
  daemon: Daemon,
  path: string,
  since: { readonly cpu: number; readonly start: number },
): Promise<Profiled> {
  const cpuSeconds = daemon.cpuSeconds() - since.cpu;
  const seconds = (performance.now() - since.start) / 1000;
  process.kill(daemon.pid, "SIGUSR2");
  await written(`${path}.heap`);
  rmSync(`${path}.started`, { force: true });
  return { path, cpuSeconds, seconds };
}

function written(file: string): Promise<void> {
  return until(`${file} is written`, WRITTEN_BOUND_MS, () => Bun.file(file).exists());
}

function print({ path, cpuSeconds, seconds }: Profiled): void {
  const cores = (cpuSeconds / seconds).toFixed(2);
  console.log(`\n${path}`);
  console.log(`${cpuSeconds.toFixed(2)} s of CPU in ${seconds.toFixed(2)} s, ${cores} cores\n`);
  const profile = read<CpuProfile>(path);
  console.log(profileLines(profile, cpuSeconds, process.cwd()).join("\n"));
  console.log(`\nby folder\n${folderLines(profile, cpuSeconds, process.cwd()).join("\n")}`);
  console.log(`\n${heapLines(read<Heap>(`${path}.heap`)).join("\n")}`);
  rmSync(`${path}.heap`);
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(file, "utf8")) as T;
}
