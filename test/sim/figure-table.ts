/**
 * Every quantity of the specification's tables for one cluster size: measured, bound, and whether it holds.
 *
 * Bounds are given for a few sizes; a size between two takes the larger one's, as every bound grows with n.
 * Times of detection may be a tenth above the model's, as the specification allows.
 */

import {
  calm,
  detection,
  falseDeaths,
  formed,
  healing,
  joined,
  pauseMarks,
  probesUntilHit,
  quietTraffic,
  reach,
  spread,
} from "./measures.ts";
import type { Village } from "./village.ts";

export interface Figure {
  readonly name: string;
  readonly measured: string;
  readonly bound: string;
  readonly holds: boolean;
}

const SIZES = [3, 10, 30, 100, 300, 1_000];
const ROUND_MS = 200;
const HOUR_MS = 3_600_000;

/** How much is measured for a size: seeds, and samples of each kind per seed. */
interface Effort {
  readonly seeds: number;
  readonly samples: number;
  readonly notes: number;
  readonly quietMs: number;
}

function effortFor(n: number): Effort {
  if (n <= 30) return { seeds: 5, samples: 60, notes: 2_000, quietMs: 120_000 };
  if (n <= 100) return { seeds: 3, samples: 34, notes: 1_500, quietMs: 60_000 };
  if (n <= 300) return { seeds: 1, samples: 16, notes: 200, quietMs: 60_000 };
  return { seeds: 1, samples: 8, notes: 50, quietMs: 60_000 };
}

/** All figures of a size but the hour's. `seeds` instead of the usual number. */
export function figuresOf(n: number, seeds = effortFor(n).seeds): readonly Figure[] {
  const effort = { ...effortFor(n), seeds };
  const each = Array.from({ length: seeds }, (_, i) => measure(n, i + 1, effort));
  const all = (pick: (one: Measured) => readonly number[]): number[] => each.flatMap(pick);
  const sum = (pick: (one: Measured) => number): number => mean(each.map(pick));
  const limit = n < 5 ? 6 : Math.ceil(Math.log(n) + 7);
  const died = all(({ diedMs }) => diedMs);
  const silent = all(({ silentMs }) => silentMs);
  const rounds = all(({ rounds }) => rounds);
  const figures: Figure[] = [
    atMost(
      "forming, all through one: all see all, s",
      seconds(median(all(({ formMs }) => [formMs]))),
      formBound(n),
    ),
    atMost("one more joins: all see all, s", seconds(median(all(({ joinMs }) => joinMs))), 0.1),
    atMost(
      "rounds until all know, no eager: p50",
      quantile(rounds, 0.5),
      bound(n, [1, 3, 4, 6, 7, 8]),
    ),
    atMost("  p99", quantile(rounds, 0.99), bound(n, [1, 4, 6, 7, 9, 10])),
    atMost(
      "  half of them: p50",
      median(all(({ halfRounds }) => halfRounds)),
      bound(n, [1, 2, 3, 4, 4, 5]),
    ),
    atMost(
      "eager: all know, s, p50",
      seconds(median(all(({ eagerMs }) => eagerMs))),
      n <= 60 ? 0.06 : 0.1,
    ),
    atMost("facts not reaching all, no loss, %", 100 * sum(({ missed }) => missed), 0.1),
    atMost("  5 % loss, %", 100 * sum(({ missed5 }) => missed5), 0.1),
    atMost("  20 % loss, %", 100 * sum(({ missed20 }) => missed20), 1),
    atMost(
      "sends per fact and member, most",
      Math.max(...all(({ sendsMax }) => [sendsMax])),
      limit,
    ),
    near(
      "probes until somebody probes a dead member",
      sum(({ probes }) => probes),
      bound(n, [1.25, 1.46, 1.57, 1.58, 1.58, 1.59]),
    ),
    atMost("host silent → first DEAD, s, mean", seconds(mean(silent)), 1.1 * silentMean(n)),
    atMost("  p99", seconds(quantile(silent, 0.99)), 1.1 * silentWorst(n)),
    atMost("process died → first DEAD, s, mean", seconds(mean(died)), 1.8),
    atMost("  p99", seconds(quantile(died, 0.99)), 3.6),
    atMost("  dead in every view, s, mean", seconds(mean(all(({ diedAllMs }) => diedAllMs))), 1.9),
    atMost(
      "paused 2 s: DEAD in any view",
      all(({ deadMarks }) => [deadMarks]).reduce((a, b) => a + b, 0),
      0,
    ),
    atMost(
      "quiet: bytes per member and second",
      sum(({ quiet }) => quiet.bytes),
      480,
    ),
    atMost(
      "quiet: datagrams per member and second",
      sum(({ quiet }) => quiet.datagrams),
      4.2,
    ),
    atMost(
      "quiet: sync bytes per member and second",
      sum(({ quiet }) => quiet.syncBytes),
      syncBound(n),
    ),
    atMost(
      "quiet: steps per member and second",
      sum(({ quiet }) => quiet.steps),
      12,
    ),
    atMost("even cut healed, s", seconds(median(all(({ healMs }) => healMs))), 43),
    atMost(
      "  datagrams per second, busiest member",
      Math.max(...all(({ healRate }) => healRate)),
      20,
    ),
  ];
  return figures.filter(({ measured }) => !measured.includes("NaN") && measured !== "-Infinity");
}

/** False deaths of a virtual hour, 100 members, four of them slow, 1 % loss. */
export function hourOf(seed: number, n = 100, forMs = HOUR_MS): readonly Figure[] {
  const { village } = formed(n, seed);
  const { healthy, slow } = falseDeaths(village, forMs);
  const span = `${forMs / 60_000} virtual minutes, 4 slow members`;
  return [
    atMost(`false DEAD, ${span}: at healthy ones`, healthy, 0),
    atMost("  at slow ones", slow, 1),
  ];
}

interface Measured {
  readonly formMs: number;
  readonly joinMs: readonly number[];
  readonly rounds: readonly number[];
  readonly halfRounds: readonly number[];
  readonly eagerMs: readonly number[];
  readonly missed: number;
  readonly missed5: number;
  readonly missed20: number;
  readonly sendsMax: number;
  readonly probes: number;
  readonly silentMs: readonly number[];
  readonly diedMs: readonly number[];
  readonly diedAllMs: readonly number[];
  readonly deadMarks: number;
  readonly quiet: ReturnType<typeof quietTraffic>;
  readonly healMs: readonly number[];
  readonly healRate: readonly number[];
}

function measure(n: number, seed: number, effort: Effort): Measured {
  const { samples, notes, quietMs } = effort;
  const { village, formMs } = formed(n, seed);
  const each = <T>(take: () => T): T[] => Array.from({ length: samples }, take);
  const quiet = quietTraffic(village, quietMs);
  const probes = probesUntilHit(village, n <= 30 ? 10 * quietMs : quietMs);
  const eagerMs = each(() => spread(village).allMs);
  const slow = withoutEager(village, () => each(() => spread(village)));
  const [none, some, much] = [0, 0.05, 0.2].map((loss) => reach(village, notes, loss));
  const silent = each(() => detection(village, "silent"));
  const died = each(() => detection(village, "died"));
  const marks = Array.from({ length: Math.ceil(samples / 4) }, () => pauseMarks(village, 2_000));
  const healed = healing(village);
  calm(village);
  const joins = Array.from({ length: 3 }, () => joined(village));
  return {
    formMs,
    joinMs: joins,
    rounds: slow.map(({ allMs }) => Math.ceil(allMs / ROUND_MS)),
    halfRounds: slow.map(({ halfMs }) => Math.ceil(halfMs / ROUND_MS)),
    eagerMs,
    missed: none?.missed ?? 1,
    missed5: some?.missed ?? 1,
    missed20: much?.missed ?? 1,
    sendsMax: none?.sendsMax ?? 0,
    probes,
    silentMs: silent.map(({ firstMs }) => firstMs),
    diedMs: died.map(({ firstMs }) => firstMs),
    diedAllMs: died.map(({ allMs }) => allMs),
    deadMarks: marks.reduce((sum, { dead }) => sum + dead, 0),
    quiet,
    healMs: [healed.healMs],
    healRate: [healed.datagramsPerSecond],
  };
}

function withoutEager<T>(village: Village, run: () => T): T {
  const { options } = village.world;
  const set = (eagerPerSecond: number): void => {
    for (const member of village.members) {
      member.input({ kind: "options", options: { ...options, eagerPerSecond } });
    }
  };
  set(0);
  const result = run();
  set(options.eagerPerSecond);
  return result;
}

/** The bound of the given size, or of the next larger one that is listed. */
function bound(n: number, values: readonly number[]): number {
  const at = SIZES.findIndex((size) => size >= n);
  return values[at] ?? values.at(-1) ?? 0;
}

function formBound(n: number): number {
  if (n <= 3) return 0.13;
  if (n <= 10) return 0.1;
  if (n <= 30) return 0.51;
  return n <= 60 ? 1 : 10;
}

function silentMean(n: number): number {
  return n > 30 && n <= 60 ? 4.6 : bound(n, [2.8, 3, 3.9, 5, 6, 7]);
}

function silentWorst(n: number): number {
  return n > 30 && n <= 60 ? 6.3 : bound(n, [3.4, 4.2, 5.5, 6.7, 8, 8.8]);
}

/** 110 n bytes per sync interval, both ways; the interval is stretched above 32 members. */
function syncBound(n: number): number {
  const stretch = n <= 32 ? 1 : 1 + Math.ceil(Math.log2(n / 32));
  return (2 * 110 * n + 1_000) / (30 * stretch * 0.8);
}

function atMost(name: string, value: number, most: number): Figure {
  return { name, measured: show(value), bound: `≤ ${show(most)}`, holds: value <= most };
}

/** Within a twentieth of the model. */
function near(name: string, value: number, model: number): Figure {
  const holds = Math.abs(value - model) <= 0.05 * model;
  return { name, measured: show(value), bound: `${show(model)} ± 5 %`, holds };
}

function show(value: number): string {
  return Number.isInteger(value)
    ? String(value)
    : value >= 100
      ? value.toFixed(0)
      : value.toFixed(2);
}

function seconds(ms: number): number {
  return ms / 1_000;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
