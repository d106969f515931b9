/**
 * Runs seeds by hand; see `--help`.
 *
 * One seed prints its plan, its failures and, with `--trace`, one line per change, send and fault. A range runs on two
 * processes and prints what failed; with `--coverage` it fails too when something that should occur did not.
 */

import { runBatch, type WorkerResult } from "./batch.ts";
import { missingCoverage } from "./coverage.ts";
import type { Plan, Theme } from "./plan.ts";
import { playScenario, SCENARIOS } from "./scenarios.ts";
import { invariantOf, shrink } from "./shrink.ts";
import { type AnyBug, type RunOptions, type RunResult, run } from "./simulation.ts";
import { storeStory } from "./story.ts";

const HELP = `usage: bun test/sim/run.ts SEED|FIRST-LAST|scenarios [options]
  SEED             one run: plan, failures
  FIRST-LAST       a batch: only what fails
  scenarios        the acceptance scenarios, 200 seeds each (--seeds FIRST-LAST, --only NUMBER)
  --alerts         members with alerts (else membership alone)
  --trace          one line per change, send and fault
  --coverage       fail when something that should occur in a batch of 1,000 did not
  --counters       sums of all counters
  --jobs N         processes, default 2
  --planted BUG    one run with a deliberate fault
  --shrink         make a failing seed's plan small and print it
  --story NAME SENTENCE   with --shrink: keep it in test/sim/stories
`;

const words = process.argv.slice(2);
const has = (flag: string): boolean => words.includes(flag);
const after = (flag: string, by = 1): string | undefined =>
  has(flag) ? words[words.indexOf(flag) + by] : undefined;
const rangeOf = (text: string): readonly [number, number] => {
  const [first = 1, last = first] = text.split("-").map(Number);
  return [first, last];
};

function show(result: RunResult): void {
  const { plan, steps, traceHash, virtualMs } = result;
  showPlan(plan);
  console.log(`  ${steps} steps, ${virtualMs / 1000} s virtual, trace ${traceHash}`);
  for (const failure of result.failures) console.log(`  FAILED ${failure}`);
}

function showPlan(plan: Plan): void {
  const { faults, alerts, ...rest } = plan;
  for (const [name, value] of Object.entries(rest)) {
    console.log(`  ${name.padEnd(10)} ${JSON.stringify(value)}`);
  }
  for (const fault of faults) console.log(`  fault      ${JSON.stringify(fault)}`);
  if (alerts === undefined) return;
  const { events, ...options } = alerts;
  console.log(`  alerts     ${JSON.stringify(options)}`);
  if (events.length > 12) console.log(`  events     ${events.length}`);
  else for (const event of events) console.log(`  event      ${JSON.stringify(event)}`);
}

function one(seed: number, theme: Theme): number {
  const bug = after("--planted");
  const options: RunOptions = {
    theme,
    planted: new Set(bug === undefined ? [] : [bug as AnyBug]),
  };
  const tracing: RunOptions = has("--trace") ? { ...options, trace: console.log } : options;
  const result = run(seed, tracing);
  console.log(`seed ${seed}`);
  show(result);
  if (has("--counters")) showCounters(result.counters);
  const [failure] = result.failures;
  if (failure === undefined) return 0;
  if (has("--shrink")) shrinkAndTell(result.plan, failure, { options, bug });
  return 1;
}

function shrinkAndTell(
  plan: Plan,
  failure: string,
  { options, bug }: { readonly options: RunOptions; readonly bug: string | undefined },
): void {
  const invariant = invariantOf(failure);
  const shrunk = shrink(plan, invariant, options);
  console.log(`shrunk in ${shrunk.runs} runs, ${invariant} still fails:`);
  show(shrunk.result);
  const [name, sentence] = [after("--story"), after("--story", 2)];
  if (name === undefined || sentence === undefined) return;
  const planted = bug === undefined ? {} : { planted: bug as AnyBug };
  console.log(storeStory(name, { sentence, invariant, ...planted, plan: shrunk.plan }));
}

function showCounters(counters: Readonly<Record<string, number>>): void {
  for (const name of Object.keys(counters).sort()) console.log(`  ${name}  ${counters[name]}`);
}

const PROGRESS_EVERY = 1_000;
let done = 0;

function tell({ failed, runs }: WorkerResult): void {
  done += runs;
  if (done % PROGRESS_EVERY === 0) console.log(`${done} done`);
  for (const { seed, failure } of failed) console.log(`FAILED ${seed}: ${failure}`);
}

async function batch(theme: Theme, first: number, last: number): Promise<number> {
  const jobs = Number(after("--jobs") ?? 2);
  const result = await runBatch([{ theme, first, last }], { jobs, report: tell });
  if (has("--counters")) showCounters(result.counters);
  const { failed, runs, counters, healthPeak } = result;
  console.log(`${runs - failed.length} passed, ${failed.length} failed`);
  const missing = has("--coverage") ? missingCoverage(theme, counters, healthPeak) : [];
  for (const name of missing) console.log(`NEVER HAPPENED ${name}`);
  return failed.length + missing.length;
}

async function scenarios(): Promise<number> {
  const [first, last] = rangeOf(after("--seeds") ?? "1-200");
  const only = after("--only");
  if (only === undefined) {
    const jobs = Number(after("--jobs") ?? 2);
    const ranges = [{ theme: "scenarios", first, last }] as const;
    const { failed, runs } = await runBatch(ranges, { jobs, report: tell });
    console.log(`${runs - failed.length} passed, ${failed.length} failed`);
    return failed.length;
  }
  let failures = 0;
  for (const scenario of SCENARIOS.filter(({ number }) => number === Number(only))) {
    console.log(`${scenario.number} ${scenario.name}: ${scenario.expected}`);
    for (let seed = first; seed <= last; seed++) {
      for (const wrong of playScenario(scenario, seed)) {
        failures++;
        console.log(`  seed ${seed}: ${wrong}`);
      }
    }
  }
  console.log(`${failures} wrong`);
  return failures;
}

async function main(): Promise<number> {
  const [what = "--help"] = words;
  if (has("--help") || what.startsWith("--")) {
    console.log(HELP);
    return has("--help") ? 0 : 2;
  }
  if (what === "scenarios") return scenarios();
  const theme: Theme = has("--alerts") ? "alerts" : "membership";
  const [first, last] = rangeOf(what);
  return first === last ? one(first, theme) : batch(theme, first, last);
}

process.exitCode = (await main()) > 0 ? 1 : 0;
