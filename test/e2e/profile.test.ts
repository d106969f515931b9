/**
 * `./scripts/profile`: it profiles every process that a bench starts, refuses what it cannot profile with the names that it
 * can, and its summary counts what no function shows.
 */

import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { MEASUREMENTS } from "../../scripts/bench-run.ts";
import {
  type CpuProfile,
  folderLines,
  heapLines,
  profileLines,
} from "../../scripts/profile-summary.ts";

const BOUND_MS = 60_000;

function profile(...words: readonly string[]) {
  const run = Bun.spawnSync([process.execPath, "scripts/profile.ts", ...words]);
  return { code: run.exitCode, out: run.stdout.toString(), err: run.stderr.toString() };
}

test("--help names every bench", () => {
  const { code, out } = profile("--help");
  expect(code).toBe(0);
  const named = new Set(out.split(/[\s,;]+/));
  for (const name of [...MEASUREMENTS.map((bench) => bench.name), "restart"])
    expect([name, named.has(name)]).toEqual([name, true]);
});

for (const [words, why] of [
  [[], "say which: ./scripts/profile BENCH"],
  [["gossip"], "there is no bench gossip to profile"],
  [["ingest", "filter"], "one bench at a time, not also filter"],
  [["start", "--seconds", "3"], "start lasts as long as its bench"],
  [["ingest", "--seconds", "no"], "--seconds must be a number above 0, not no"],
] as const) {
  test(`refused with the names that there are: profile ${words.join(" ")}`, () => {
    const { code, out, err } = profile(...words);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toStartWith(why);
    expect(err).toContain("loads: ingest, ");
    expect(err).toContain("latency-50000, ");
  });
}

/** Our modules are loaded before anything is served and not again, for tens of samples; one function may be missed by all. */
function isLoading({ functionName, url }: CpuProfile["nodes"][number]["callFrame"]): boolean {
  return functionName === "(module)" && url.includes("/src/");
}

test(
  "every process of a bench gets its own profile, from its first line on",
  () => {
    const paths = ["bench/profile-start.cpuprofile", "bench/profile-start-2.cpuprofile"];
    for (const path of paths) rmSync(path, { force: true });
    const { code, out, err } = profile("start");
    expect([code, err]).toEqual([0, ""]);
    expect(out.match(/s of CPU in/g)).toHaveLength(2);
    expect(out.match(/heap after a collection/g)).toHaveLength(2);
    for (const path of paths) {
      const { nodes } = JSON.parse(readFileSync(path, "utf8")) as CpuProfile;
      expect(nodes.some(({ callFrame }) => isLoading(callFrame))).toBe(true);
      expect(existsSync(`${path}.heap`) || existsSync(`${path}.started`)).toBe(false);
    }
  },
  BOUND_MS,
);

const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 9 });
const SAMPLED: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame("", "") },
    { id: 2, callFrame: frame("parse", "file:///repo/src/a.ts") },
    { id: 3, callFrame: frame("", "/repo/src/b.ts") },
  ],
  samples: [1, 2, 2, 3, 3],
  // Before the third it slept.
  timeDeltas: [900_000, 1_000, 500_000, 600, 400],
};

test("functions have their share of the processor's time; what none shows is one line", () => {
  expect(profileLines(SAMPLED, 0.008, "/repo").map((line) => line.trim())).toEqual([
    "50.0 %       4 ms  (outside functions: runtime, collector, compiler, kernel)",
    "37.5 %       3 ms  parse  src/a.ts:10",
    "12.5 %       1 ms  (anonymous)  src/b.ts:10",
  ]);
});

test("functions that waited longer than the process worked share what they took, and it is said", () => {
  expect(profileLines(SAMPLED, 0.003, "/repo").map((line) => line.trim())).toEqual([
    "25.0 %       1 ms  (in functions more than the processor worked: they waited)",
    "75.0 %       3 ms  parse  src/a.ts:10",
    "25.0 %       1 ms  (anonymous)  src/b.ts:10",
  ]);
});

test("by folder, what the runtime does counts for the function that it does it for", () => {
  const profile: CpuProfile = {
    nodes: [
      { id: 1, callFrame: frame("(root)", ""), children: [2, 5] },
      { id: 2, callFrame: frame("a", "/repo/src/engine/nodes/a.ts"), children: [3, 4] },
      { id: 3, callFrame: frame("stringify", "") },
      { id: 4, callFrame: frame("b", "/repo/src/lib/b.ts") },
      { id: 5, callFrame: frame("gc", "") },
    ],
    samples: [2, 3, 4, 5],
    timeDeltas: [1_000, 2_000, 1_000, 1_000],
  };
  expect(folderLines(profile, 0.005, "/repo").map((line) => line.trim())).toEqual([
    "0.0 %       0 ms  (outside functions: runtime, collector, compiler, kernel)",
    "60.0 %       3 ms  src/engine/nodes",
    "20.0 %       1 ms  src/lib",
    "20.0 %       1 ms  (runtime)",
  ]);
});

test("the heap's types come with the most frequent first", () => {
  const sizes = { heapSize: 2 ** 20, heapCapacity: 2 ** 21, extraMemorySize: 0, rss: 2 ** 22 };
  const lines = heapLines({ ...sizes, objectCount: 5, objectTypeCounts: { Array: 2, string: 3 } });
  expect(lines).toEqual([
    "heap after a collection: 1.0 MiB of 2.0 MiB, 0.0 MiB outside it, resident 4.0 MiB, 5 objects",
    "        3  string",
    "        2  Array",
  ]);
});
