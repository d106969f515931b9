/**
 * Answers of `/query`: from JSON to series (points are made in column-series.ts).
 *
 * The `time` column is RFC 3339 text (a number of nanoseconds is understood too).
 */

import { errorMessage } from "#lib/errors.ts";
import { parseTime, type Time, timeFromNanos } from "#lib/time.ts";

/** One series of a result. Rows are as InfluxDB sent them; cells are JSON values. */
export interface InfluxSeries {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];
}

/** The series of one statement. */
export interface InfluxResult {
  readonly series: readonly InfluxSeries[];
}

export type ParsedAnswer =
  | { readonly ok: true; readonly results: readonly InfluxResult[] }
  /** InfluxDB's own message, or what is wrong with the answer. */
  | { readonly ok: false; readonly error: string };

/** Reads the JSON of an answer. The first error of any statement fails the whole. */
export function parseAnswer(text: string): ParsedAnswer {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { ok: false, error: `invalid answer: ${errorMessage(error)}` };
  }
  if (!isRecord(json)) return { ok: false, error: "invalid answer: not an object" };
  if (typeof json["error"] === "string") return { ok: false, error: json["error"] };
  const results: InfluxResult[] = [];
  for (const result of list(json["results"])) {
    if (!isRecord(result)) return { ok: false, error: "invalid answer: a result is not an object" };
    if (typeof result["error"] === "string") return { ok: false, error: result["error"] };
    results.push({ series: list(result["series"]).flatMap(parseSeries) });
  }
  return { ok: true, results };
}

function parseSeries(value: unknown): InfluxSeries[] {
  if (!isRecord(value)) return [];
  const { name, tags, columns, values } = value;
  return [
    {
      name: typeof name === "string" ? name : "",
      tags: isRecord(tags) ? onlyTexts(tags) : {},
      columns: list(columns).map(String),
      values: list(values).filter((row): row is readonly unknown[] => Array.isArray(row)),
    },
  ];
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function onlyTexts(map: Record<string, unknown>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [key, value] of Object.entries(map)) if (typeof value === "string") out[key] = value;
  return out;
}

/** The texts of one column of all series: what the SHOW statements are asked for. */
export function columnTexts(result: InfluxResult | undefined, column: string): string[] {
  return (result?.series ?? []).flatMap(({ columns, values }) => {
    const at = columns.indexOf(column);
    return values.map((row) => row[at]).filter((cell) => typeof cell === "string");
  });
}

let cachedDay = "";
let cachedDayMs = 0;

/** A `time` cell. The usual form is read without a regular expression, with the day remembered. */
export function parseCellTime(cell: unknown): Time | undefined {
  if (typeof cell === "number") {
    return Number.isFinite(cell) ? timeFromNanos(BigInt(Math.trunc(cell))) : undefined;
  }
  if (typeof cell !== "string") return undefined;
  if (cell.length < 20 || !cell.endsWith("Z") || cell[10] !== "T") return parseTime(cell);
  const hour = twoDigits(cell, 11);
  const minute = twoDigits(cell, 14);
  const second = twoDigits(cell, 17);
  const seconds = hour * 3_600 + minute * 60 + second;
  let nanos = 0;
  let scale = 100_000_000;
  for (let i = 20; i < cell.length - 1; i++, scale /= 10) {
    const digit = cell.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9 || scale < 1) return parseTime(cell);
    nanos += digit * scale;
  }
  const day = dayMs(cell);
  if (Number.isNaN(day + seconds) || cell[13] !== ":" || cell[16] !== ":") return parseTime(cell);
  const ms = Math.floor(nanos / 1_000_000);
  return { ms: day + seconds * 1_000 + ms, ns: nanos - ms * 1_000_000 };
}

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function dayMs(text: string): number {
  if (!text.startsWith(cachedDay) || cachedDay === "") {
    cachedDay = text.slice(0, 10);
    cachedDayMs = Date.parse(`${cachedDay}T00:00:00Z`);
  }
  return cachedDayMs;
}
