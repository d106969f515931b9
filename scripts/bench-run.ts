/**
 * `./scripts/bench`: rounds of every bench, one table of medians beside their targets, `bench/latest.json`, and the table
 * in the README.
 *
 * A run replaces what `bench/latest.json` says of the benches that it measured and keeps the others, so that a figure can be
 * measured again by itself. Trial runs (`--scale`) are not kept.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { influxdMissing } from "#test/support/influxd.ts";
import {
  type Figures,
  type Measurement,
  markdownTable,
  type Result,
  rowsOf,
  shortNumber,
  textTable,
} from "./bench-figures.ts";
import { INFLUX_BENCHES } from "./bench-influx.ts";
import { LATENCY_BENCHES } from "./bench-latency.ts";
import { LIFECYCLE_BENCHES } from "./bench-lifecycle.ts";
import { LOAD_BENCHES } from "./bench-load.ts";
import { OVERLOAD_BENCHES } from "./bench-overload.ts";
import { BINARY } from "./lab.ts";
import { installServers } from "./servers.ts";

export const MEASUREMENTS: readonly Measurement[] = [
  ...LOAD_BENCHES,
  ...INFLUX_BENCHES,
  ...LATENCY_BENCHES,
  ...LIFECYCLE_BENCHES,
  ...OVERLOAD_BENCHES,
];

export const RUN_ARGUMENTS = {
  "--rounds": "how often each bench is run; the table gives medians (3)",
  "--only": "names of benches, with commas; `list` prints all",
  "--scale": "share of the usual points, tasks, series and seconds (1); trial runs are not kept",
  "--readme": "also rewrites the table in README.md from bench/latest.json",
} as const;

const LATEST = "bench/latest.json";
const ROUNDS = 3;
const TABLE = /(<!-- speed -->\n)[\s\S]*(<!-- \/speed -->)/;

/** A result and where it comes from. */
interface Kept extends Result {
  readonly when: string;
  readonly build: string;
  readonly machine: string;
}

export function listBenches(): void {
  const width = Math.max(...MEASUREMENTS.map(({ name }) => name.length)) + 2;
  for (const { name, what } of MEASUREMENTS) console.log(`${name.padEnd(width)}${what}`);
}

/** Measures and prints; resolves to the number of benches that failed. */
export async function benchRun(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: "string", default: String(ROUNDS) },
      only: { type: "string" },
      scale: { type: "string", default: "1" },
      readme: { type: "boolean", default: false },
    },
  });
  const [rounds, scale] = [positive("--rounds", values.rounds), positive("--scale", values.scale)];
  const chosen = choose(values.only?.split(","));
  const origin = originOf();
  const measured: Kept[] = [];
  let failed = 0;
  for (const bench of chosen) {
    try {
      measured.push({ ...origin, bench: bench.name, rounds: await roundsOf(bench, rounds, scale) });
      if (scale === 1) keep(measured);
    } catch (error) {
      failed++;
      console.error(`FAILED ${bench.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  console.log(`${origin.machine}, ${origin.build}, ${rounds} rounds`);
  console.log(textTable(rowsOf(MEASUREMENTS, measured)));
  if (values.readme) writeReadme();
  return failed;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  console.error(`${option} must be a number above 0, not ${text}`);
  return process.exit(2);
}

function choose(names: readonly string[] | undefined): readonly Measurement[] {
  const unknown = names?.find((name) => MEASUREMENTS.every((bench) => bench.name !== name));
  if (unknown !== undefined) {
    console.error(`there is no bench ${unknown}; ./scripts/bench list prints all`);
    process.exit(2);
  }
  const chosen = MEASUREMENTS.filter(({ name }) => names?.includes(name) ?? true);
  if (!chosen.some(({ needsInfluxd }) => needsInfluxd)) return chosen;
  installServers();
  const missing = influxdMissing();
  if (missing === undefined) return chosen;
  console.error(`skip  benches with InfluxDB: ${missing}`);
  return chosen.filter(({ needsInfluxd }) => !needsInfluxd);
}

async function roundsOf(bench: Measurement, rounds: number, scale: number): Promise<Figures[]> {
  const figures: Figures[] = [];
  for (let round = 1; round <= rounds; round++) {
    const values = await bench.run(scale);
    figures.push(values);
    const shown = Object.entries(values).map(([name, value]) => `${shortNumber(value)} ${name}`);
    console.error(`${bench.name} ${round}/${rounds}: ${shown.join(", ")}`);
  }
  return figures;
}

function originOf(): Omit<Kept, "bench" | "rounds"> {
  const [core] = cpus();
  const version = Bun.spawnSync([BINARY, "version"]).stdout.toString().trim().split("\n")[0] ?? "";
  const machine = `${cpus().length} × ${core?.model.trim()}`;
  return { when: new Date().toISOString(), build: version, machine };
}

function kept(): readonly Kept[] {
  return existsSync(LATEST) ? (JSON.parse(readFileSync(LATEST, "utf8")) as readonly Kept[]) : [];
}

function keep(measured: readonly Kept[]): void {
  const others = kept().filter(({ bench }) => measured.every((result) => result.bench !== bench));
  mkdirSync("bench", { recursive: true });
  writeFileSync(LATEST, `${JSON.stringify([...others, ...measured], undefined, 1)}\n`);
}

function writeReadme(): void {
  const results = kept();
  const machines = new Set(results.map(({ machine }) => machine));
  const rounds = Math.min(...results.map((result) => result.rounds.length));
  const text = `${markdownTable(rowsOf(MEASUREMENTS, results))}\n\nMedians of ${rounds} rounds on ${[...machines].join("; ")}.`;
  writeFileSync("README.md", withTable(readFileSync("README.md", "utf8"), text));
}

/** The document with a new table between its markers; throws when they are missing. */
export function withTable(document: string, table: string): string {
  if (!TABLE.test(document)) throw new Error("no markers <!-- speed --> and <!-- /speed -->");
  return document.replace(TABLE, (_, open: string, close: string) => `${open}${table}\n${close}`);
}
