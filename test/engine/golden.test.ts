/**
 * Every golden case of the engine, on the real engine. `GOLDEN_UPDATE=1` rewrites their outputs instead.
 */

import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { runCase, updateCase } from "#test/support/golden.ts";
import { formatCase, parseCase } from "#test/support/golden-case.ts";

const ROOT = join(import.meta.dir, "..", "golden");
/** Folders with cases of other formats. */
const OTHERS = new Set(["tick", "cluster"]);
const UPDATE = process.env["GOLDEN_UPDATE"] === "1";

const cases = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !OTHERS.has(entry.name))
  .flatMap(({ name }) => readdirSync(join(ROOT, name)).map((file) => `${name}/${file}`))
  .filter((file) => file.endsWith(".case"))
  .sort();

test.each(cases)("golden case %s", async (file) => {
  const path = join(ROOT, file);
  const text = readFileSync(path, "utf8");
  if (UPDATE) {
    writeFileSync(path, formatCase(await updateCase(text)));
    return;
  }
  const golden = parseCase(text);
  const actual = await runCase(golden);
  const expected = new Map([...golden.sections].filter(([name]) => actual.has(name)));
  expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(expected));
});

test("every node that scripts can use has a golden case", () => {
  const covered = new Set(
    cases.flatMap((file) => methodsIn(readFileSync(join(ROOT, file), "utf8"))),
  );
  const missing = [...NODE_SPECS.values()]
    .filter((spec) => spec.hidden !== true && !covered.has(spec.method))
    .map((spec) => spec.method);
  expect(missing).toEqual(["batch", "stream"]);
});

function methodsIn(text: string): readonly string[] {
  return [...text.matchAll(/\|(\w+)\(/g)].flatMap(([, method]) => method ?? []);
}
