/**
 * What a bench is to the table: a name, the figures that it gives each round, and their targets.
 */

const GROWTH_MAX = 1.5;

/** A figure's unit tells which direction is good. */
const BETTER = {
  "points/CPU-s": "more",
  "events/CPU-s": "more",
  "points/s": "more",
  cores: "any",
  "ns CPU per point and task": "less",
  "ns CPU per point of a known series": "less",
  "times the cost at a tenth of the series": "less",
  "MiB peak": "less",
  "MiB idle": "less",
  "MiB growth in the last half": "less",
  "KiB per series": "less",
  "KiB per task": "less",
  "write p50 ms": "less",
  "write p99 ms": "less",
  "write max ms": "less",
  "alert p50 ms": "less",
  "alert p99 ms": "less",
  "ms to /ping": "less",
  "ms CPU per task": "less",
  "ms until all run": "less",
  "ms until stored": "less",
  "points lost": "less",
  "alerts lost": "less",
  "alerts out of order": "less",
  "alerts twice": "less",
  "bodies refused": "any",
} as const;

export type FigureName = keyof typeof BETTER;

/** Figure → value of one round, or target. */
export type Figures = Readonly<Partial<Record<FigureName, number>>>;

export interface Measurement {
  readonly name: string;
  readonly what: string;
  readonly targets: Figures;
  /** Needs `influxd` on this machine. */
  readonly needsInfluxd?: true;
  /** One round. `scale` multiplies points, tasks, series and seconds; throws when the outcome is wrong. */
  run(scale: number): Promise<Figures>;
}

export interface Row {
  readonly bench: string;
  readonly figure: FigureName;
  /** One for each round. */
  readonly values: readonly number[];
  readonly target?: number;
  readonly verdict: "met" | "missed" | "";
}

/** What a bench gave, one entry for each round. */
export interface Result {
  readonly bench: string;
  readonly rounds: readonly Figures[];
}

/** The rows of all that was measured, in the order of the benches. */
export function rowsOf(
  measurements: readonly Measurement[],
  results: readonly Result[],
): readonly Row[] {
  const rows = measurements.flatMap(({ name, targets }) => {
    const rounds = results.find(({ bench }) => bench === name)?.rounds ?? [];
    const names = new Set(rounds.flatMap((figures) => Object.keys(figures) as FigureName[]));
    return [...names].map((figure) =>
      rowOf(
        name,
        figure,
        rounds.flatMap((figures) => figures[figure] ?? []),
        targets[figure],
      ),
    );
  });
  return [...rows, ...growthOf(rows)];
}

function rowOf(bench: string, figure: FigureName, values: readonly number[], target?: number): Row {
  if (target === undefined) return { bench, figure, values, verdict: "" };
  const reached = median(values);
  const met = BETTER[figure] === "more" ? reached >= target : reached <= target;
  return { bench, figure, values, target, verdict: met ? "met" : "missed" };
}

/** What a point costs with so many series over what it costs with a tenth of them, where both were measured. */
function growthOf(rows: readonly Row[]): readonly Row[] {
  const costs = rows.filter(({ figure }) => figure === "ns CPU per point of a known series");
  return costs.flatMap(({ bench, values }) => {
    const tenth = costs.find((row) => `${row.bench}0` === bench);
    if (tenth === undefined) return [];
    const ratio = median(values) / median(tenth.values);
    return rowOf(bench, "times the cost at a tenth of the series", [ratio], GROWTH_MAX);
  });
}

/** Of values in ascending order; NaN when there are none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = Math.floor(sorted.length / 2);
  const [a = Number.NaN, b = Number.NaN] = [
    sorted[Math.ceil(sorted.length / 2) - 1],
    sorted[upper],
  ];
  return (a + b) / 2;
}

/** Three significant digits: 1,234,567 as `1.23 M`, 45,678 as `45.7 k`, 0.0012 as `0.0012`. */
export function shortNumber(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)} k`;
  return String(Number(value.toPrecision(3)));
}

const HEAD = ["bench", "figure", "median", "min–max", "target", ""] as const;

function cells({ bench, figure, values, target, verdict }: Row): readonly string[] {
  const [least, most] = [Math.min(...values), Math.max(...values)].map(shortNumber);
  const spread = values.length > 1 ? `${least}–${most}` : "";
  const aim = target === undefined ? "" : shortNumber(target);
  return [bench, figure, shortNumber(median(values)), spread, aim, verdict];
}

/** Lines for a terminal. */
export function textTable(rows: readonly Row[]): string {
  const all = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The rows that have a target, as Markdown. */
export function markdownTable(rows: readonly Row[]): string {
  const lines = rows.filter(({ target }) => target !== undefined).map(cells);
  const line = (row: readonly string[]): string => `| ${row.join(" | ")} |`;
  return [line(HEAD), line(HEAD.map(() => "---")), ...lines.map(line)].join("\n");
}
