/**
 * Where the time and the memory go: the daemon from source under one of the bench's scenarios.
 *
 * Writes `bench/profile-<scenario>.cpuprofile` (Chrome's developer tools and speedscope read it); prints the functions that
 * take most by themselves and what is on the heap after a collection.
 */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { scriptArguments } from "./arguments.ts";
import { drive } from "./bench-client.ts";

const SECONDS = 10;
/** Load before the profile begins, so that it shows compiled code, s. */
const WARM_SECONDS = 3;
const TOP = 25;
const WRITTEN_BOUND_MS = 60_000;

// lab.ts takes the program from the environment when it is loaded, hence the imports further down.
process.env["KAPACITOR_BINARY"] = "src/main.ts";
const { BenchDaemon, launchDaemonsWith } = await import("./bench-daemon.ts");
const { defineTasks, endlessFeeds } = await import("./bench-load.ts");
const { Receiver } = await import("./bench-receiver.ts");
const { SCENARIOS, scenarioOf } = await import("./bench-scenarios.ts");
const { until } = await import("./lab.ts");

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface Heap {
  readonly heapSize: number;
  readonly heapCapacity: number;
  readonly extraMemorySize: number;
  readonly objectCount: number;
  readonly rss: number;
  readonly objectTypeCounts: Readonly<Record<string, number>>;
}

const { flags, rest } = scriptArguments({
  name: "profile",
  does: "Profiles the daemon from source under a scenario: CPU profile in bench/, summary here.",
  arguments: {
    SCENARIO: `one of ${SCENARIOS.map(({ name }) => name).join(", ")}`,
    "--seconds": `how many of them (${SECONDS})`,
  },
});
const [name = "", seconds = String(SECONDS)] = rest;
if (!SCENARIOS.some((scenario) => scenario.name === name) || !(Number(seconds) > 0)) {
  console.error("say which: ./scripts/profile SCENARIO [--seconds N]; --help lists the scenarios");
  process.exit(2);
}
if (rest.length > 1 && !flags.has("--seconds")) {
  console.error(`one scenario at a time, not also ${seconds}`);
  process.exit(2);
}
const path = resolve(`bench/profile-${name}.cpuprofile`);
await profile();
printFunctions(read<CpuProfile>(path));
printHeap(read<Heap>(`${path}.heap`));
rmSync(`${path}.heap`);
console.log(`\n${path}`);
process.exit();

function read<T>(file: string): T {
  return JSON.parse(readFileSync(file, "utf8")) as T;
}

async function profile(): Promise<void> {
  mkdirSync("bench", { recursive: true });
  for (const end of ["", ".started", ".heap"]) rmSync(`${path}${end}`, { force: true });
  const probe = join(import.meta.dir, "profile-probe.ts");
  launchDaemonsWith(["env", `KAPACITOR_PROFILE=${path}`, process.execPath, "--preload", probe]);
  const scenario = scenarioOf(name);
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start();
  await defineTasks(daemon, scenario, receiver);
  let isOver = false;
  const load = drive(daemon.url, endlessFeeds(scenario.data), { stop: () => isOver });
  load.catch(() => {}); // It is awaited below; until then nobody listens.
  await Bun.sleep(WARM_SECONDS * 1000);
  process.kill(daemon.pid, "SIGUSR2");
  await written(`${path}.started`);
  const cpu = daemon.cpuSeconds();
  const start = performance.now();
  await Bun.sleep(Number(seconds) * 1000);
  const cores = ((daemon.cpuSeconds() - cpu) * 1000) / (performance.now() - start);
  process.kill(daemon.pid, "SIGUSR2");
  await written(path);
  isOver = true;
  const { points } = await load;
  await written(`${path}.heap`);
  rmSync(`${path}.started`);
  console.log(`${name}: ${scenario.what}; ${points} points in all, ${cores.toFixed(2)} cores\n`);
}

function written(file: string): Promise<void> {
  return until(`${file} is written`, WRITTEN_BOUND_MS, () => Bun.file(file).exists());
}

/** Functions by the time that they took by themselves. */
function printFunctions({ nodes, samples, timeDeltas }: CpuProfile): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, label(callFrame)]));
  const selfMs = new Map<string, number>();
  let totalMs = 0;
  for (const [i, id] of samples.entries()) {
    const ms = Math.max(0, timeDeltas[i] ?? 0) / 1000;
    const function_ = names.get(id) ?? "(unknown)";
    selfMs.set(function_, (selfMs.get(function_) ?? 0) + ms);
    totalMs += ms;
  }
  const most = [...selfMs].toSorted(([, a], [, b]) => b - a).slice(0, TOP);
  for (const [function_, ms] of most) {
    const share = `${((ms / totalMs) * 100).toFixed(1)} %`;
    console.log(`${share.padStart(7)}  ${ms.toFixed(0).padStart(6)} ms  ${function_}`);
  }
}

function label(frame: CpuProfile["nodes"][number]["callFrame"]): string {
  const file = frame.url.replace(`file://${process.cwd()}/`, "").replace(`${process.cwd()}/`, "");
  const place = file === "" ? "" : `  ${file}:${frame.lineNumber + 1}`;
  return `${frame.functionName === "" ? "(anonymous)" : frame.functionName}${place}`;
}

function printHeap({ objectTypeCounts, ...sizes }: Heap): void {
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(
    `\nheap after a collection: ${mib(sizes.heapSize)} of ${mib(sizes.heapCapacity)}, ` +
      `${mib(sizes.extraMemorySize)} outside it, resident ${mib(sizes.rss)}, ${sizes.objectCount} objects`,
  );
  const most = Object.entries(objectTypeCounts).toSorted(([, a], [, b]) => b - a);
  for (const [type, count] of most.slice(0, TOP))
    console.log(`${String(count).padStart(9)}  ${type}`);
}
