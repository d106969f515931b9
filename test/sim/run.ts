/**
 * Runs seeds by hand: `bun test/sim/run.ts SEED [--trace]`, or `bun test/sim/run.ts FIRST-LAST` for a batch.
 *
 * Prints the plan drawn from the seed, the failures if any, and with `--trace` one line per change and fault.
 */

import { run } from "./simulation.ts";

const words = process.argv.slice(2);
const [range = "1"] = words.filter((word) => !word.startsWith("--"));
const [first = 1, last = first] = range.split("-").map(Number);
const trace = words.includes("--trace") ? (line: string) => console.log(line) : undefined;

const counters: Record<string, number> = {};
let failed = 0;
for (let seed = first; seed <= last; seed++) {
  const result = run(seed, trace === undefined ? {} : { trace });
  for (const [name, value] of Object.entries(result.counters)) {
    counters[name] = (counters[name] ?? 0) + value;
  }
  if (first === last || result.failures.length > 0) {
    const { plan, steps, traceHash, virtualMs } = result;
    console.log(`seed ${seed}: ${plan.style}, ${plan.members} members, sealed ${plan.sealed}`);
    for (const fault of plan.faults) console.log(`  ${JSON.stringify(fault)}`);
    console.log(`  ${steps} steps, ${virtualMs / 1000} s virtual, trace ${traceHash}`);
    for (const failure of result.failures) console.log(`  FAILED ${failure}`);
  }
  if (result.failures.length > 0) failed++;
}
if (words.includes("--counters")) {
  for (const name of Object.keys(counters).sort()) console.log(`${name}  ${counters[name]}`);
}
console.log(`${last - first + 1 - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
