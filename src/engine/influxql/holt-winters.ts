/**
 * Forecasts with the damped, optionally seasonal method of Holt and Winters.
 *
 * Values are put on a grid of `interval`; holes are NaN and do not count. Smoothing parameters start from a
 * small grid of guesses and are improved by Nelder and Mead's simplex method, minimising the squared error
 * of one-step forecasts. Seasons (m ≥ 2) multiply.
 * Source: Holt (1957), Winters (1960), Gardner and McKenzie (1985) for damping; limits as in reference
 * nodes.md §4.
 */

import { type Int64, toFloat } from "#lib/int64.ts";
import { addDuration, roundTime, type Time, timeDifference } from "#lib/time.ts";
import { argument } from "../calls.ts";
import { minimize } from "../nelder-mead.ts";
import { type Collector, type Item, type Multi, NUMBERS } from "./function.ts";

/** Grid points that one forecast may span; a longer span gives no forecast. */
const GRID_MAX = 100_000;
/** Forecast points at most. */
const FORECASTS_MAX = 100_000;
/** The simplex search ends when a step improves less than this. */
const EPSILON = 1e-4;
const GUESSES: readonly number[] = [0.3, 0.7];

interface Settings {
  readonly horizon: number;
  readonly season: number;
  readonly interval: Int64;
  readonly withFit: boolean;
}

export const holtWinters = declare("holtWinters", false, "Forecasts values.");

export const holtWintersWithFit = declare(
  "holtWintersWithFit",
  true,
  "Forecasts values and also gives the fitted ones.",
);

function declare(name: string, withFit: boolean, doc: string): Multi {
  return {
    kind: "multi",
    name,
    desc: "holtWinters",
    params: ["string", "int", "int", "duration"],
    fieldAt: 0,
    accepts: NUMBERS,
    doc,
    alwaysPointTimes: true,
    emitsEmpty: true,
    resultType: () => "float",
    make: (_input, args) =>
      new Forecaster({
        horizon: Math.min(FORECASTS_MAX, Number(argument(args, 1, "int").value)),
        season: Number(argument(args, 2, "int").value),
        interval: argument(args, 3, "duration").value,
        withFit,
      }),
  };
}

class Forecaster implements Collector {
  readonly #settings: Settings;
  readonly #items: { readonly value: number; readonly time: Time }[] = [];

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  add(
    value: Int64,
    { timeMs, timeNs }: { readonly timeMs: number; readonly timeNs: number },
  ): void {
    const time = roundTime(timeMs, timeNs, this.#settings.interval);
    this.#items.push({ value: toFloat(value), time });
  }

  results(): readonly Item[] {
    const { horizon, season, interval, withFit } = this.#settings;
    const count = this.#items.length;
    const start = this.#items[0]?.time;
    if (start === undefined || count < 2 || horizon <= 0 || interval <= 0) return [];
    if (season >= 2 && season > count) return [];
    const grid = this.#grid(start);
    if (grid === undefined) return [];
    const model = fit(grid, season >= 2 ? season : 0);
    const values = run(model.parameters, grid, model.season, horizon);
    const from = withFit ? 0 : grid.length;
    return values.slice(from).flatMap((value, i) => {
      const at = addDuration(start.ms, start.ns, BigInt(interval) * BigInt(from + i));
      return Number.isFinite(value) ? [{ value, ms: at.ms, ns: at.ns }] : [];
    });
  }

  /** Values by grid index, NaN where there is none; the first of several counts. */
  #grid(start: Time): number[] | undefined {
    const step = toFloat(this.#settings.interval);
    const grid: number[] = [];
    for (const { value, time } of this.#items) {
      const distance = timeDifference(time.ms, time.ns, start.ms, start.ns);
      const index = Math.round(toFloat(distance) / step);
      if (index < 0) continue;
      if (index >= GRID_MAX) return undefined;
      while (grid.length <= index) grid.push(Number.NaN);
      if (Number.isNaN(grid[index] as number)) grid[index] = value;
    }
    return grid;
  }
}

interface Model {
  /** α, β, φ, γ, level, trend, then one factor per place in the season. */
  readonly parameters: readonly number[];
  readonly season: number;
}

function fit(grid: readonly number[], season: number): Model {
  const start = initialState(grid, season);
  let best: readonly number[] = [];
  let least = Number.POSITIVE_INFINITY;
  const gammas = season > 0 ? GUESSES : [0];
  for (const alpha of GUESSES) {
    for (const beta of GUESSES) {
      for (const phi of GUESSES) {
        for (const gamma of gammas) {
          const guess = [alpha, beta, phi, gamma, ...start];
          const found = minimize((p) => squaredError(p, grid, season), guess, EPSILON);
          if (found.value < least || best.length === 0) {
            least = found.value;
            best = found.at;
          }
        }
      }
    }
  }
  return { parameters: best, season };
}

function initialState(grid: readonly number[], season: number): readonly number[] {
  const known = grid.filter((value) => !Number.isNaN(value));
  const [first = 0, second = first] = known;
  if (season === 0) return [first, second - first];
  const cycle = grid.slice(0, season).filter((value) => !Number.isNaN(value));
  const level = cycle.reduce((sum, value) => sum + value, 0) / Math.max(1, cycle.length);
  let trend = 0;
  let pairs = 0;
  for (let i = 0; i < season && season + i < grid.length; i++) {
    const change = (grid[season + i] as number) - (grid[i] as number);
    if (Number.isNaN(change)) continue;
    trend += change / season;
    pairs++;
  }
  const factors = Array.from({ length: season }, (_, i) => {
    const value = grid[i] ?? Number.NaN;
    return Number.isNaN(value) || level === 0 ? 1 : value / level;
  });
  return [level, pairs === 0 ? 0 : trend / pairs, ...factors];
}

function squaredError(p: readonly number[], grid: readonly number[], season: number): number {
  for (const smoothing of p.slice(0, 4)) {
    if (smoothing < 0 || smoothing > 1) return Number.POSITIVE_INFINITY;
  }
  const fitted = run(p, grid, season, 0);
  let sum = 0;
  grid.forEach((value, i) => {
    if (!Number.isNaN(value)) sum += (value - (fitted[i] as number)) ** 2;
  });
  return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : sum;
}

/** One-step forecasts along the grid, then `horizon` forecasts beyond it. */
function run(
  p: readonly number[],
  grid: readonly number[],
  season: number,
  horizon: number,
): number[] {
  const [alpha = 0, beta = 0, phi = 0, gamma = 0] = p;
  let level = p[4] ?? 0;
  let trend = p[5] ?? 0;
  const factors = p.slice(6);
  const out: number[] = [];
  grid.forEach((value, i) => {
    const factor = season > 0 ? (factors[i % season] as number) : 1;
    const damped = phi * trend;
    const forecast = (level + damped) * factor;
    out.push(i === 0 ? level * factor : forecast);
    if (i === 0 && season === 0) return;
    const seen = Number.isNaN(value) ? forecast : value;
    const before = level;
    level = alpha * (factor === 0 ? seen : seen / factor) + (1 - alpha) * (before + damped);
    trend = beta * (level - before) + (1 - beta) * damped;
    if (season > 0 && level !== 0) {
      factors[i % season] = gamma * (seen / level) + (1 - gamma) * factor;
    }
  });
  let reach = 0;
  for (let h = 1; h <= horizon; h++) {
    reach += phi ** h;
    const factor = season > 0 ? (factors[(grid.length + h - 1) % season] as number) : 1;
    out.push((level + reach * trend) * factor);
  }
  return out;
}
