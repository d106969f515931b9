/**
 * Membership side by side with Serf: `./scripts/bench gossip [--members 3,10,30] [--simulated 60,300,1000] [--no-busy]`.
 *
 * Small clusters are real members of the compiled binary, sealed, on addresses of the loopback network; what happened
 * when is read in their logs and counters. Large ones, and hosts that fall silent, are simulated, each size in a
 * process of its own. Every part has a time limit: what is not measured by then is said, and the rest goes on.
 */

import { resolve } from "node:path";
import { errorMessage } from "#lib/errors.ts";
import { SMALL_HEAP } from "../test/sim/small-heap.ts";
import { type CaseName, mean, middle, notMeasured, printHeader, report } from "./gossip-table.ts";
import { LiveGossip } from "./live-gossip.ts";
import { simulatedSilence } from "./simulated-gossip.ts";

/** Of a cluster of real members, milliseconds; together below six minutes. */
const LIMITS = {
  start: 75_000,
  joins: 30_000,
  quiet: 40_000,
  replace: 80_000,
  leave: 35_000,
  pause: 50_000,
  busy: 40_000,
};
/** What real members show. */
const LIVE_ROWS: readonly CaseName[] = [
  ...(["joins", "bytes", "datagrams", "resident", "killedMean", "killedWorst", "event"] as const),
  ...(["eventMost", "join", "leave", "pauses"] as const),
];
/** For all simulated sizes together, milliseconds. */
const SIMULATED_LIMIT_MS = 600_000;
/** Exit codes of simulated sizes are counts of missed musts up to this; a crash has a higher one. */
const MISSED_MAX = 100;

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
  printHeader();
  let missed = 0;
  for (const n of bench.members) {
    missed += await live(n, bench.busy);
    missed += simulatedSilence(n);
  }
  const end = performance.now() + SIMULATED_LIMIT_MS;
  for (const n of bench.simulated) missed += await simulated(n, end - performance.now());
  console.log(missed === 0 ? "every must holds" : `${missed} musts missed`);
  return missed;
}

async function live(n: number, busy: boolean): Promise<number> {
  const began = performance.now();
  let cluster: LiveGossip;
  try {
    cluster = await LiveGossip.start(n, LIMITS.start);
  } catch (error) {
    return notMeasured(LIVE_ROWS, n, errorMessage(error).split("\n")[0] ?? "");
  }
  try {
    return await liveParts(cluster, n, busy);
  } finally {
    await cluster.stop();
    console.log(`      (${((performance.now() - began) / 1_000).toFixed(0)} s)`);
  }
}

async function liveParts(cluster: LiveGossip, n: number, busy: boolean): Promise<number> {
  let missed = await part(["joins"], n, async () => {
    const { seenMs, cpuMs } = await cluster.within(LIMITS.joins, () => cluster.joinAll());
    return report("joins", n, seenMs / 1_000, undefined, `${cpuMs.toFixed(0)} ms of CPU each`);
  });
  // Of members that do not see each other nothing further can be told.
  if (!cluster.formed) {
    return missed + notMeasured(LIVE_ROWS.slice(1), n, "the members do not see each other");
  }
  missed += await part(["bytes", "datagrams", "resident"], n, async () => {
    const quiet = await cluster.within(LIMITS.quiet, () => cluster.quiet(20_000));
    const bytes = `${quiet.bytes.toFixed(0)} + ${quiet.syncBytes.toFixed(0)} sync`;
    const memory = `${quiet.residentMb.toFixed(0)} (${quiet.proportionalMb.toFixed(0)} proportional)`;
    return (
      report("bytes", n, quiet.bytes, bytes) +
      report("datagrams", n, quiet.datagrams) +
      report("resident", n, quiet.residentMb, memory)
    );
  });
  missed += await replacements(cluster, n);
  missed += await part(["leave"], n, async () => {
    const leaves = await rounds(cluster, 3, LIMITS.leave, () => cluster.leaveAndReturn());
    return report("leave", n, most(leaves) / 1_000, undefined, leaves.note);
  });
  missed += await part(["pauses"], n, async () => {
    const wanted = n === 3 ? 12 : n <= 10 ? 8 : 6;
    const marks = await rounds(cluster, wanted, LIMITS.pause * (n <= 10 ? 2 : 1), () =>
      cluster.pause(2_000),
    );
    const marked = marks.values.filter(({ dead }) => dead > 0).length;
    return report("pauses", n, marked, `${marked} of ${marks.values.length}`, marks.note);
  });
  if (!busy) return missed;
  return missed + (await busyCores(cluster, n));
}

async function replacements(cluster: LiveGossip, n: number): Promise<number> {
  return part(["killedMean", "killedWorst", "event", "eventMost", "join"], n, async () => {
    const wanted = n <= 10 ? 8 : 5;
    const limit = LIMITS.replace * (n <= 10 ? 2 : 1);
    const replaced = await rounds(cluster, wanted, limit, () => cluster.replaceOne());
    const seconds = (of: (one: (typeof replaced.values)[number]) => number): number[] =>
      replaced.values.map((one) => of(one) / 1_000);
    const killed = seconds(({ deadMs }) => deadMs);
    const facts = seconds(({ removedMs }) => removedMs);
    const { note } = replaced;
    return (
      report("killedMean", n, mean(killed), undefined, note) +
      report("killedWorst", n, Math.max(...killed)) +
      report("event", n, middle(facts)) +
      report("eventMost", n, Math.max(...facts)) +
      report("join", n, Math.max(...seconds(({ joinedMs }) => joinedMs)))
    );
  });
}

async function busyCores(cluster: LiveGossip, n: number): Promise<number> {
  return part(["busyMarks", "busySuspicions"], n, async () => {
    const loops = n <= 10 ? 8 : 16;
    const marks = await cluster.within(LIMITS.busy, () => cluster.busy(loops, 20_000));
    return (
      report("busyMarks", n, marks.dead, `${marks.dead} with ${loops} loops`) +
      report("busySuspicions", n, marks.suspect)
    );
  });
}

/** Measures and reports, or says why not. */
async function part(
  names: readonly CaseName[],
  n: number,
  measure: () => Promise<number>,
): Promise<number> {
  try {
    return await measure();
  } catch (error) {
    return notMeasured(names, n, errorMessage(error).split("\n")[0] ?? "");
  }
}

interface Rounds<T> {
  readonly values: readonly T[];
  /** Why there are fewer than wanted. */
  readonly note: string | undefined;
}

/** Up to `wanted` rounds within a time; throws when not even one is complete. */
async function rounds<T>(
  cluster: LiveGossip,
  wanted: number,
  limitMs: number,
  one: () => Promise<T>,
): Promise<Rounds<T>> {
  const end = performance.now() + limitMs;
  const values: T[] = [];
  while (values.length < wanted) {
    try {
      values.push(await cluster.within(end - performance.now(), one));
    } catch (error) {
      if (values.length === 0) throw error;
      const why = errorMessage(error).split("\n")[0];
      return { values, note: `${values.length} of ${wanted} rounds: ${why}` };
    }
  }
  return { values, note: undefined };
}

function most(rounds: Rounds<number>): number {
  return Math.max(...rounds.values);
}

/** One size in a process of its own, which is killed at the limit; its rows are on the way out by then. */
async function simulated(n: number, limitMs: number): Promise<number> {
  const began = performance.now();
  const script = resolve(import.meta.dir, "simulated-gossip.ts");
  const child = Bun.spawn([process.execPath, script, String(n)], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    env: { ...process.env, ...SMALL_HEAP },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), Math.max(0, limitMs));
  const code = await child.exited;
  clearTimeout(timer);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  if (child.signalCode !== null || code > MISSED_MAX) {
    const why = child.signalCode === null ? `exit ${code}` : `stopped at its time limit`;
    console.log(
      `      (${seconds} s; ${why}: rows of n = ${n} that are missing were not measured)`,
    );
    return 1;
  }
  console.log(`      (${seconds} s)`);
  return code;
}
