/**
 * The membership figures of the specification, from the simulator, each against its bound:
 * `bun test/sim/figures.ts [N …] [--seeds S] [--hour]` (simulation.md §12, gossip.md §7, §15).
 *
 * Sealed packets, 0.1 ms links, virtual time, medians over seeds (fewer in large clusters). `--hour` adds the virtual hour with slow
 * members at n = 100, which takes a minute; without sizes it is all that runs. Large sizes run in processes of their own with a small heap.
 */

import { type Figure, figuresOf, hourOf } from "./figure-table.ts";
import { LARGE, SMALL_HEAP } from "./small-heap.ts";

const words = process.argv.slice(2);
const seedsAt = words.indexOf("--seeds");
const seeds = seedsAt < 0 ? undefined : Number(words[seedsAt + 1]);
const sizes = words.filter((word, i) => /^\d+$/.test(word) && i !== seedsAt + 1).map(Number);
/** Said by the parent to the process of one large size. */
const alone = words.includes("--alone");

const COLUMNS = [5, 46, 22, 22];
const row = (cells: readonly string[]): string =>
  cells.map((cell, i) => cell.padEnd(COLUMNS[i] ?? 0)).join("  ");

let missed = 0;
const print = (n: number, figures: readonly Figure[]): void => {
  for (const { name, measured, bound, holds } of figures) {
    if (!holds) missed++;
    console.log(row([String(n), name, measured, bound, holds ? "pass" : "MISS"]));
  }
};

const measureAlone = async (n: number): Promise<void> => {
  const more = seeds === undefined ? [] : ["--seeds", String(seeds)];
  const child = Bun.spawn([process.execPath, import.meta.path, String(n), ...more, "--alone"], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    env: { ...process.env, ...SMALL_HEAP },
  });
  missed += await child.exited;
};

if (!alone) console.log(row(["n", "quantity", "measured", "bound", "verdict"]));
for (const n of sizes.length > 0 ? sizes : words.includes("--hour") ? [] : [3, 10, 30, 60]) {
  if (n >= LARGE && !alone) {
    await measureAlone(n);
    continue;
  }
  const began = performance.now();
  print(n, figuresOf(n, seeds));
  const { maxRSS } = process.resourceUsage();
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(`      (${seconds} s of real time, ${Math.round(maxRSS / 1_000)} MB at most)`);
}
if (words.includes("--hour")) print(100, hourOf(1));
if (alone) process.exit(Math.min(missed, 100));
console.log(missed === 0 ? "all bounds hold" : `${missed} bounds missed`);
process.exitCode = missed === 0 ? 0 : 1;
