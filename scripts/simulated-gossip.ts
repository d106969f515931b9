/**
 * The rows of `bench gossip` that are simulated. As a program, `bun scripts/simulated-gossip.ts N`: all rows of one
 * size, and the number of missed musts as exit code; in a process of its own, so that its memory is known and bounded.
 */

import { readFileSync } from "node:fs";
import {
  calm,
  detection,
  formed,
  joined,
  left,
  memoryOf,
  pauseMarks,
  quietTraffic,
  spread,
} from "../test/sim/measures.ts";
import type { Village } from "../test/sim/village.ts";
import { mean, middle, report, worst } from "./gossip-table.ts";

/** Up to this size as many silences are taken as a 99th of a hundred needs: 100 of each of three seeds. */
const MANY_UP_TO = 100;
const SEEDS = [1, 2, 3];

/** Detection of hosts that fall silent, which no real process can do alone. */
export function simulatedSilence(n: number): number {
  const took = SEEDS.flatMap((seed) => silences(formed(n, seed).village, 100));
  return report("silentMean", n, mean(took)) + report("silent", n, worst(took));
}

function silences(village: Village, samples: number): number[] {
  return Array.from({ length: samples }, () => detection(village, "silent").allMs / 1_000);
}

function simulated(n: number): number {
  const { village, formMs } = formed(n, 1);
  let missed = report("joins", n, formMs / 1_000);
  const quiet = quietTraffic(village, 60_000);
  const bytes = `${quiet.bytes.toFixed(0)} + ${quiet.syncBytes.toFixed(0)} sync`;
  missed += report("bytes", n, quiet.bytes, bytes);
  missed += report("datagrams", n, quiet.datagrams);
  const { megabytesPerMember, bytesPerEntry } = memoryOf(village);
  const perEntry = `${bytesPerEntry.toFixed(0)} B per entry of a table`;
  missed += report("simulatedMemory", n, megabytesPerMember, undefined, perEntry);
  const samples = n <= 100 ? 40 : n <= 300 ? 16 : 8;
  const each = (take: () => number): number[] =>
    Array.from({ length: samples }, () => take() / 1_000);
  const facts = each(() => spread(village).allMs);
  missed += report("event", n, middle(facts)) + report("eventMost", n, worst(facts));
  calm(village);
  const died = each(() => detection(village, "died").allMs);
  missed += report("killedMean", n, mean(died)) + report("killedWorst", n, Math.max(...died));
  if (n <= MANY_UP_TO) missed += simulatedSilence(n);
  else {
    const silent = silences(village, samples);
    missed += report("silentMean", n, mean(silent)) + report("silent", n, worst(silent));
  }
  const leaves = Array.from({ length: 3 }, () => left(village) / 1_000);
  missed += report("leave", n, Math.max(...leaves));
  const marks = Array.from({ length: 6 }, () => pauseMarks(village, 2_000).dead);
  const marked = marks.filter((dead) => dead > 0).length;
  missed += report("pauses", n, marked, `${marked} of 6`);
  const joins = Array.from({ length: 3 }, () => joined(village) / 1_000);
  missed += report("join", n, Math.max(...joins));
  return missed + report("simulatedPeak", n, peakMegabytes());
}

/** Most memory this process ever had in use. */
function peakMegabytes(): number {
  const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Math.round((Number(kilobytes) * 1_024) / 1e6);
}

if (import.meta.main) process.exit(simulated(Number(process.argv[2])));
