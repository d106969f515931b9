/**
 * The table of `bench gossip`: every case with Serf's figure, what we must and should reach, and how a row is printed.
 *
 * Serf's figures are those published in the specification (LAN profile, gossip.md §15), as are the bounds.
 */

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

const EVENT_MOST_MUST: Readonly<Record<number, number>> = { 3: 0.2, 10: 0.39, 30: 0.73, 60: 0.76 };

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
  eventMost: {
    name: "a fact reaches everyone, slowest",
    unit: "s",
    serf: { 3: "0.20", 10: "0.39", 30: "0.73", 60: "0.76" },
    must: (n) => EVENT_MOST_MUST[n] ?? 1,
    should: (n) => 2 * (EVENT_SHOULD[n] ?? 0.1),
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
  simulatedMemory: {
    name: "memory per simulated member",
    unit: "MB",
    serf: {},
    must: () => Number.POSITIVE_INFINITY,
    should: () => 2,
  },
  simulatedPeak: {
    name: "memory of the whole simulation, most",
    unit: "MB",
    serf: {},
    must: () => 2_000,
    should: () => 2_000,
  },
} satisfies Record<string, Case>;

export type CaseName = keyof typeof CASES;

const WIDTHS = [50, 6, 12, 10, 12, 26, 12];

/** Prints a row, with a note behind the verdict; 1 when the must is missed. */
export function report(
  name: CaseName,
  n: number,
  value: number,
  shown = show(value),
  note?: string,
): number {
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
    note === undefined ? verdict : `${verdict} (${note})`,
  ]);
  return value > must ? 1 : 0;
}

/** Prints that rows could not be filled, and why; a must that was not shown to hold counts as missed. */
export function notMeasured(names: readonly CaseName[], n: number, why: string): number {
  let missed = 0;
  for (const name of names) {
    const { name: text, must }: Case = CASES[name];
    const bounded = Number.isFinite(must(n));
    row([text, String(n), "", "", "", `not measured: ${why}`]);
    if (bounded) missed++;
  }
  return missed;
}

export function printHeader(): void {
  row(["case", "n", "Serf", "ours must", "ours should", "ours", "verdict"]);
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

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** The 99th of a hundred; of fewer, the largest. */
export function worst(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}
