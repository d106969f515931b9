/**
 * Everything that must hold, in the order in which it is cheapest to find out.
 *
 * Structure, types, format and lint; the build; then the tests. Real servers come from Debian's packages:
 * they are installed when that is allowed (root), otherwise the tests that need them are skipped and say
 * why. With KAPACITOR_TEST_REQUIRE=1 a skipped test is a failure. The last line is `N passed, N failed`.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { scriptArguments } from "./arguments.ts";
import { build } from "./build.ts";
import { installServers } from "./servers.ts";
import { tidy } from "./tidy.ts";

const { flags, rest } = scriptArguments({
  name: "test",
  does: "Runs all checks and tests. Names of files or folders below test/ run only these tests.",
  arguments: {
    "--full": "the full sizes of fuzz, simulation and crash tests instead of CI's share",
    "[path…]": "only the tests whose path contains one of these",
  },
});

/** In which the runner writes its report. */
const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&amp;": "&",
  "&quot;": '"',
  "&apos;": "'",
  "&#10;": "\n",
};

let passed = 0;
let failed = 0;
let skipped = 0;

async function step(name: string, run: () => string | Promise<string>): Promise<boolean> {
  const start = performance.now();
  try {
    const note = await run();
    passed++;
    console.log(`ok    ${name} ${note} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}\n${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

function command(...words: string[]): string {
  const run = Bun.spawnSync(words, { stdout: "pipe", stderr: "pipe" });
  if (!run.success) throw new Error(`${run.stdout}${run.stderr}`.trim());
  return "";
}

function finish(): never {
  const skippedText = skipped > 0 ? `, ${skipped} skipped` : "";
  const { exitCode } = { exitCode: failed > 0 ? 1 : 0 };
  console.log(`${passed} passed, ${failed} failed${skippedText}`);
  process.exit(exitCode);
}

if (rest.length === 0) {
  await step("structure", () => {
    const { findings } = tidy(false);
    if (findings.length > 0) throw new Error(findings.join("\n"));
    return "";
  });
  await step("types", () => command("node_modules/.bin/tsc", "--noEmit"));
  await step("format and lint", () =>
    command("node_modules/.bin/biome", "check", "--error-on-warnings"),
  );
}
const servers = installServers();
for (const line of servers) console.log(line);
const built = await step("build", async () => {
  const { path, bytes } = await build();
  return `${path} ${(bytes / 1e6).toFixed(0)} MB`;
});
if (!built) finish();

const cache = ".cache/test";
rmSync(cache, { recursive: true, force: true });
mkdirSync(cache, { recursive: true });
const required = process.env["KAPACITOR_TEST_REQUIRE"] === "1";
const runs = await Promise.all(
  groups().map((paths, i) => runTests(paths, `${cache}/junit${i}.xml`)),
);
for (const { report } of runs) count(report);
if (runs.some(({ success }) => !success) && failed === 0) failed++;
if (required && skipped > 0) {
  console.log(`KAPACITOR_TEST_REQUIRE=1: ${skipped} skipped tests count as failed`);
  failed += skipped;
  skipped = 0;
}
finish();

/**
 * What runs side by side: tests of the binary wait most of the time, the others compute. Named tests run together.
 */
function groups(): readonly (readonly string[])[] {
  if (rest.length > 0) return [rest];
  const folders = readdirSync("test", { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "e2e")
    .map(({ name }) => `./test/${name}/`);
  return [["./test/e2e/"], folders];
}

async function runTests(
  paths: readonly string[],
  report: string,
): Promise<{ readonly report: string; readonly success: boolean }> {
  const how = ["--timeout=120000", "--reporter=junit", `--reporter-outfile=${report}`];
  const run = Bun.spawn([process.execPath, "test", ...how, ...paths], {
    stdout: "inherit",
    stderr: "inherit",
    env: { ...process.env, ...(flags.has("--full") ? { KAPACITOR_TEST_FULL: "1" } : {}) },
  });
  return { report, success: (await run.exited) === 0 };
}

function count(path: string): void {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch {
    failed++;
    console.log("the test runner wrote no report");
    return;
  }
  const head = /<testsuites[^>]*\btests="(\d+)"[^>]*\bfailures="(\d+)"[^>]*\bskipped="(\d+)"/.exec(
    text,
  );
  if (head === null) {
    failed++;
    console.log("the test runner's report was not understood");
    return;
  }
  const [tests, failures, skips] = [Number(head[1]), Number(head[2]), Number(head[3])];
  passed += tests - failures - skips;
  failed += failures;
  skipped += skips;
  if (tests === 0) failed++;
  printFailures(text);
}

/** Once more at the end: two runs write their thousands of lines at the same time, and a failure lies between them. */
function printFailures(report: string): void {
  const failures = report.matchAll(
    /<testcase name="([^"]*)"[^>]* file="([^"]*)"[^>]*>\s*<failure[^>]* message="([^"]*)"[^>/]*(?:>([^<]*)<)?/g,
  );
  for (const [, name = "", file = "", message = "", text = message] of failures)
    console.log(`FAIL  ${file}: ${unescaped(name)}\n${unescaped(text)}`);
}

function unescaped(xml: string): string {
  return xml.replace(/&[^;]+;/g, (entity) => ENTITIES[entity] ?? entity);
}
