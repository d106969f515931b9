/** A process that runs ranges of seeds: a range per line in, a result per line out. Started by `batch.ts`. */

import type { SeedRange, WorkerResult } from "./batch.ts";
import { playScenario, SCENARIOS } from "./scenarios.ts";
import { run } from "./simulation.ts";

function runRange({ theme, first, last }: SeedRange): WorkerResult {
  const counters: Record<string, number> = {};
  const failed: { readonly seed: string; readonly failure: string }[] = [];
  let [runs, healthPeak] = [0, 0];
  for (let seed = first; seed <= last; seed++) {
    if (theme === "scenarios") {
      for (const scenario of SCENARIOS) {
        runs++;
        const [wrong] = playScenario(scenario, seed);
        if (wrong === undefined) continue;
        failed.push({ seed: `${scenario.number} (${scenario.name}) ${seed}`, failure: wrong });
      }
      continue;
    }
    runs++;
    const result = run(seed, { theme });
    healthPeak = Math.max(healthPeak, result.healthPeak);
    for (const [name, value] of Object.entries(result.counters)) {
      counters[name] = (counters[name] ?? 0) + value;
    }
    const [failure] = result.failures;
    if (failure !== undefined) failed.push({ seed: `${theme} ${seed}`, failure });
  }
  return { runs, failed, counters, healthPeak };
}

for await (const line of console) {
  if (line.trim() !== "") console.log(JSON.stringify(runRange(JSON.parse(line))));
}
