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

function methodsIn(text: string): readonly string[] {
  return [...text.matchAll(/\|(\w+)\(/g)].flatMap(([, method]) => method ?? []);
}
