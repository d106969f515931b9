/**
 * The membership figures of the specification, from the simulator, each against its bound:
 * `bun test/sim/figures.ts [N …] [--seeds S] [--hour]` (simulation.md §12, gossip.md §7, §15).
 *
 * Sealed packets, 0.1 ms links, virtual time, medians over seeds (fewer in large clusters). `--hour` adds the virtual hour with slow
 * members at n = 100, which takes a minute.
 */

import { type Figure, figuresOf, hourOf } from "./figure-table.ts";

const words = process.argv.slice(2);
const seedsAt = words.indexOf("--seeds");
const seeds = seedsAt < 0 ? undefined : Number(words[seedsAt + 1]);
const sizes = words.filter((word, i) => /^\d+$/.test(word) && i !== seedsAt + 1).map(Number);

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

console.log(row(["n", "quantity", "measured", "bound", "verdict"]));
for (const n of sizes.length > 0 ? sizes : [3, 10, 30, 60]) {
  const began = performance.now();
  print(n, figuresOf(n, seeds));
  console.log(`      (${((performance.now() - began) / 1_000).toFixed(1)} s of real time)`);
}
if (words.includes("--hour")) print(100, hourOf(1));
console.log(missed === 0 ? "all bounds hold" : `${missed} bounds missed`);
process.exitCode = missed === 0 ? 0 : 1;
