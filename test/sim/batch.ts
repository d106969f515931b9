/**
 * Many seeds on several processes: ranges of seeds go to workers (`batch-worker.ts`), results are summed up.
 *
 * A simulation uses one core and shares nothing, so one process per core is all there is to it.
 */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Theme } from "./plan.ts";

export interface SeedRange {
  readonly theme: Theme | "scenarios";
  readonly first: number;
  readonly last: number;
}

export interface BatchResult {
  readonly runs: number;
  /** Seeds that failed, with the first failure. */
  readonly failed: readonly { readonly seed: string; readonly failure: string }[];
  readonly counters: Readonly<Record<string, number>>;
  readonly healthPeak: number;
}

/** What a worker prints, one line of JSON per range. */
export type WorkerResult = BatchResult;

const RANGE = 25;

/** Runs all ranges; `report` sees each range's failures as they come. */
export async function runBatch(
  ranges: readonly SeedRange[],
  options: { readonly jobs?: number; readonly report?: (result: WorkerResult) => void } = {},
): Promise<BatchResult> {
  const queue = ranges.flatMap(split);
  const jobs = Math.min(options.jobs ?? Math.min(2, availableParallelism()), queue.length);
  const counters: Record<string, number> = {};
  const failed: { readonly seed: string; readonly failure: string }[] = [];
  let [runs, healthPeak] = [0, 0];
  const take = (result: WorkerResult): void => {
    runs += result.runs;
    healthPeak = Math.max(healthPeak, result.healthPeak);
    failed.push(...result.failed);
    for (const [name, value] of Object.entries(result.counters)) {
      counters[name] = (counters[name] ?? 0) + value;
    }
    options.report?.(result);
  };
  await Promise.all(Array.from({ length: jobs }, () => work(queue, take)));
  return { runs, failed, counters, healthPeak };
}

function split({ theme, first, last }: SeedRange): SeedRange[] {
  const size = theme === "scenarios" ? 1 : RANGE;
  const parts: SeedRange[] = [];
  for (let from = first; from <= last; from += size) {
    parts.push({ theme, first: from, last: Math.min(last, from + size - 1) });
  }
  return parts;
}

/** One worker process: gets a range, answers a line, gets the next one. */
async function work(queue: SeedRange[], take: (result: WorkerResult) => void): Promise<void> {
  const worker = Bun.spawn([process.execPath, join(import.meta.dir, "batch-worker.ts")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const give = (): boolean => {
    const range = queue.shift();
    if (range === undefined) return false;
    worker.stdin.write(`${JSON.stringify(range)}\n`);
    void worker.stdin.flush();
    return true;
  };
  let busy = give();
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of worker.stdout) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      take(JSON.parse(rest.slice(0, end)));
      rest = rest.slice(end + 1);
      busy = give();
      if (!busy) worker.stdin.end();
    }
  }
  await worker.exited;
  if (busy) throw new Error(`a worker ended with code ${worker.exitCode}`);
}
