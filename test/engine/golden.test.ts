/**
 * Every golden case of the engine, by the runner of `kapacitor test`. To rewrite their outputs:
 * `kapacitor test -update test/golden`.
 */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { runCases } from "#daemon/offline-cases.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";

const ROOT = join(import.meta.dir, "..", "golden");

const outcomes = await Array.fromAsync(runCases([ROOT]));
const rows = outcomes.map((outcome) => [relative(ROOT, outcome.file), outcome] as const);

test.each(rows)("golden case %s", (_file, { problem, differences }) => {
  expect({ problem, differences }).toEqual({ problem: "", differences: [] });
});

test("every node that scripts can use has a golden case", () => {
  const covered = new Set(outcomes.flatMap(({ file }) => methodsIn(readFileSync(file, "utf8"))));
  const missing = [...NODE_SPECS.values()]
    .filter((spec) => spec.hidden !== true && !covered.has(spec.method))
    .map((spec) => spec.method);
  expect(missing).toEqual(["batch", "stream"]);
});

test("every property of every node has a golden case", () => {
  const texts = outcomes.map(({ file }) => readFileSync(file, "utf8"));
  const missing = [...NODE_SPECS.values()]
    .filter((spec) => spec.hidden !== true)
    .flatMap((spec) => {
      const called = texts.flatMap((text) => callsOf(text, spec.method)).join("\n");
      const names = (spec.properties ?? []).map(({ name }) => name);
      return names
        .filter((name) => !called.includes(`.${name}(`))
        .map((name) => `${spec.method}.${name}`);
    });
  expect(missing).toEqual([]);
});

/** The node's calls with the properties behind them. */
function callsOf(text: string, method: string): readonly string[] {
  return text.split(/\n\s*\|/).flatMap((call) => (call.startsWith(`${method}(`) ? [call] : []));
}

function methodsIn(text: string): readonly string[] {
  return [...text.matchAll(/\|(\w+)\(/g)].flatMap(([, method]) => method ?? []);
}
