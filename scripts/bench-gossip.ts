/**
 * Membership side by side with Serf: `./scripts/bench gossip [--members 3,10,30] [--simulated 60,300,1000] [--no-busy]`.
 *
 * Small clusters are real members of the compiled binary, sealed, on addresses of the loopback network; what happened
 * when is read in their logs and counters. Large ones, and hosts that fall silent, are simulated. Serf's figures are
 * those published in the specification (LAN profile, gossip.md §15), as are the bounds.
 */

import {
  calm,
  detection,
  formed,
  joined,
  pauseMarks,
  quietTraffic,
  spread,
} from "../test/sim/measures.ts";
import { LiveGossip } from "./live-gossip.ts";

/** What Serf did and what we must and should do, by cluster size where it depends on it. */
interface Case {
  readonly name: string;
  readonly unit: string;
  readonly serf: Readonly<Record<number, string>>;
  readonly must: (n: number) => number;
  readonly should: (n: number) => number;
}

const JOIN_MUST: Readonly<Record<number, number>> = { 3: 0.17, 10: 0.39, 30: 0.66, 60: 1.26 };
const JOIN_SHOULD: Readonly<Record<number, number>> = { 3: 0.1, 10: 0.1, 30: 0.3, 60: 0.6 };
const SILENT_MUST: Readonly<Record<number, number>> = { 3: 3.6, 10: 4.4, 30: 5.7, 60: 6.5 };
const SILENT_SHOULD: Readonly<Record<number, number>> = { 3: 2.8, 10: 3, 30: 3.9, 60: 4.6 };
const EVENT_MUST: Readonly<Record<number, number>> = { 3: 0.2, 10: 0.35, 30: 0.45, 60: 0.58 };
const EVENT_SHOULD: Readonly<Record<number, number>> = { 3: 0.05, 10: 0.05, 30: 0.08, 60: 0.1 };

const KILLED: Readonly<Record<number, string>> = {
  3: "5.6–6.8",
  10: "5.2–6.9",
  30: "7.6–8.1",
  60: "8.5–9.2",
};

const CASES = {
  joins: {
    name: "n−1 joins at once, all see all",
    unit: "s",
    serf: { 3: "0.13–0.17", 10: "0.10–0.39", 30: "0.51–0.66", 60: "1.26" },
    must: (n) => JOIN_MUST[n] ?? 10,
    should: (n) => JOIN_SHOULD[n] ?? 10,
  },
  join: {
    name: "one more member, seen by all (worst)",
    unit: "s",
    serf: {},
    must: () => 0.5,
    should: () => 0.1,
  },
  killedWorst: {
    name: "killed → dead in every view, worst",
    unit: "s",
    serf: KILLED,
    must: () => 3.6,
    should: () => 3.6,
  },
  killedMean: {
    name: "killed → dead in every view, mean",
    unit: "s",
    serf: KILLED,
    must: () => 3.6,
    should: () => 1.9,
  },
  silent: {
    name: "host silent → dead in every view, p99 (simulated)",
    unit: "s",
    serf: KILLED,
    must: (n) => SILENT_MUST[n] ?? 9,
    should: (n) => SILENT_MUST[n] ?? 9,
  },
  silentMean: {
    name: "host silent → dead in every view, mean (simulated)",
    unit: "s",
    serf: KILLED,
    must: (n) => SILENT_MUST[n] ?? 9,
    should: (n) => (SILENT_SHOULD[n] ?? (n <= 300 ? 6 : 7)) * 1.1,
  },
  leave: {
    name: "leave seen by all (worst)",
    unit: "s",
    serf: { 10: "0.20–0.30" },
    must: () => 0.3,
    should: () => 0.1,
  },
  event: {
    name: "a fact reaches everyone, p50",
    unit: "s",
    serf: { 3: "0.20", 10: "0.35", 30: "0.45", 60: "0.58" },
    must: (n) => EVENT_MUST[n] ?? 1,
    should: (n) => EVENT_SHOULD[n] ?? 0.1,
  },
  bytes: {
    name: "quiet: bytes per member and second (IP)",
    unit: "B",
    serf: { 3: "283", 10: "283", 30: "346", 60: "280" },
    must: () => 550,
    should: () => 480,
  },
  datagrams: {
    name: "quiet: packets per member and second",
    unit: "",
    serf: { 3: "2.2", 10: "2.2", 30: "2.4", 60: "2.1" },
    must: () => 4.5,
    should: () => 4.2,
  },
  pauses: {
    name: "paused 2 s: pauses that led to a mark",
    unit: "",
    serf: { 3: "0 of 12", 10: "0 of 8", 30: "0 of 6" },
    must: () => 0,
    should: () => 0,
  },
  busyMarks: {
    name: "all cores busy, 20 s: marks",
    unit: "",
    serf: { 10: "0", 30: "0" },
    must: () => 0,
    should: () => 0,
  },
  busySuspicions: {
    name: "all cores busy, 20 s: suspicions",
    unit: "",
    serf: { 10: "0", 30: "0" },
    must: () => Number.POSITIVE_INFINITY,
    should: () => 0,
  },
  resident: {
    name: "resident per member, quiet (whole daemon)",
    unit: "MB",
    serf: { 3: "14.5–15.0", 10: "14.5–15.0", 30: "14.5–15.0" },
    must: () => Number.POSITIVE_INFINITY,
    should: () => 80,
  },
} satisfies Record<string, Case>;

type CaseName = keyof typeof CASES;

const WIDTHS = [50, 6, 12, 10, 12, 26, 12];

export interface GossipBench {
  readonly members: readonly number[];
  readonly simulated: readonly number[];
  readonly busy: boolean;
}

/** Reads the words after `bench gossip`. Throws `Error` naming a word it does not know. */
export function gossipBench(words: readonly string[]): GossipBench {
  let members = [3, 10, 30];
  let simulated = [60, 300, 1_000];
  let busy = true;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === "--no-busy") busy = false;
    else if (word === "--members") members = sizes(words[++i]);
    else if (word === "--simulated") simulated = sizes(words[++i]);
    else throw new Error(`unknown word ${word}: --members, --simulated or --no-busy`);
  }
  return { members, simulated, busy };
}

function sizes(text = ""): number[] {
  if (text === "none") return [];
  const list = text.split(",").map(Number);
  if (list.some((n) => !Number.isInteger(n) || n < 2)) {
    throw new Error(`${JSON.stringify(text)} is not a list of cluster sizes, or none`);
  }
  return list;
}

/** Runs everything and prints the table; resolves to the number of "must" bounds that were missed. */
export async function benchGossip(bench: GossipBench): Promise<number> {
  row(["case", "n", "Serf", "ours must", "ours should", "ours", "verdict"]);
  let missed = 0;
  for (const n of bench.members) {
    missed += await live(n, bench.busy);
    missed += simulatedSilence(n);
  }
  for (const n of bench.simulated) missed += simulated(n);
  console.log(missed === 0 ? "every must holds" : `${missed} musts missed`);
  return missed;
}

async function live(n: number, busy: boolean): Promise<number> {
  const rounds = n <= 10 ? 8 : 5;
  const cluster = await LiveGossip.start(n);
  try {
    let missed = report("joins", n, (await cluster.joinAll()) / 1_000);
    const quiet = await cluster.quiet(20_000);
    missed += report(
      "bytes",
      n,
      quiet.bytes,
      `${quiet.bytes.toFixed(0)} + ${quiet.syncBytes.toFixed(0)} sync`,
    );
    missed += report("datagrams", n, quiet.datagrams);
    missed += report(
      "resident",
      n,
      quiet.residentMb,
      `${quiet.residentMb.toFixed(0)} (${quiet.proportionalMb.toFixed(0)} proportional)`,
    );
    const killed: number[] = [];
    const facts: number[] = [];
    const joins: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const round = await cluster.replaceOne();
      killed.push(round.deadMs / 1_000);
      facts.push(round.removedMs / 1_000);
      joins.push(round.joinedMs / 1_000);
    }
    missed += report("killedMean", n, mean(killed));
    missed += report("killedWorst", n, Math.max(...killed));
    missed += report("event", n, middle(facts));
    missed += report("join", n, Math.max(...joins));
    const leaves: number[] = [];
    for (let i = 0; i < 3; i++) leaves.push((await cluster.leaveAndReturn()) / 1_000);
    missed += report("leave", n, Math.max(...leaves));
    const pauses = n === 3 ? 12 : n <= 10 ? 8 : 6;
    let marked = 0;
    for (let i = 0; i < pauses; i++) if ((await cluster.pause(2_000)).dead > 0) marked++;
    missed += report("pauses", n, marked, `${marked} of ${pauses}`);
    if (!busy) return missed;
    const loops = n <= 10 ? 8 : 16;
    const marks = await cluster.busy(loops, 20_000);
    missed += report("busyMarks", n, marks.dead, `${marks.dead} with ${loops} loops`);
    missed += report("busySuspicions", n, marks.suspect);
    return missed;
  } finally {
    await cluster.stop();
  }
}

function simulatedSilence(n: number): number {
  const { village } = formed(n, 1);
  const took = Array.from(
    { length: n <= 100 ? 40 : 10 },
    () => detection(village, "silent").allMs / 1_000,
  );
  const missed = report("silentMean", n, mean(took));
  return missed + report("silent", n, worst(took));
}

function simulated(n: number): number {
  const { village, formMs } = formed(n, 1);
  let missed = report("joins", n, formMs / 1_000);
  const quiet = quietTraffic(village, 60_000);
  missed += report(
    "bytes",
    n,
    quiet.bytes,
    `${quiet.bytes.toFixed(0)} + ${quiet.syncBytes.toFixed(0)} sync`,
  );
  missed += report("datagrams", n, quiet.datagrams);
  const samples = n <= 100 ? 40 : n <= 300 ? 16 : 8;
  const each = <T>(take: () => T): T[] => Array.from({ length: samples }, take);
  missed += report("event", n, middle(each(() => spread(village).allMs / 1_000)));
  calm(village);
  const died = each(() => detection(village, "died").allMs / 1_000);
  missed += report("killedMean", n, mean(died));
  missed += report("killedWorst", n, worst(died));
  const silent = each(() => detection(village, "silent").allMs / 1_000);
  missed += report("silentMean", n, mean(silent));
  missed += report("silent", n, worst(silent));
  const marks = Array.from({ length: 6 }, () => pauseMarks(village, 2_000).dead);
  const marked = marks.filter((dead) => dead > 0).length;
  missed += report("pauses", n, marked, `${marked} of 6`);
  return (
    missed +
    report("join", n, Math.max(...Array.from({ length: 3 }, () => joined(village) / 1_000)))
  );
}

/** Prints a row; 1 when the must is missed. */
function report(name: CaseName, n: number, value: number, shown = show(value)): number {
  const one: Case = CASES[name];
  const must = one.must(n);
  const should = one.should(n);
  const verdict = value > must ? "MISSED" : value > should ? "must" : "should";
  const unit = one.unit === "" ? "" : ` ${one.unit}`;
  row([
    one.name,
    String(n),
    one.serf[n] ?? "–",
    Number.isFinite(must) ? `≤ ${show(must)}` : "any",
    `≤ ${show(should)}`,
    `${shown}${unit}`,
    verdict,
  ]);
  return value > must ? 1 : 0;
}

function row(cells: readonly string[]): void {
  console.log(
    cells
      .map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function show(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** The 99th of a hundred; of fewer, the largest. */
function worst(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}
