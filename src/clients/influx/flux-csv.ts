/**
 * Reads the answers of Flux queries: annotated CSV, table by table while it arrives.
 *
 * A table becomes a series: its name is `_measurement`, its tags are the columns of the group key (without those
 * that begin with an underscore), its time is `_time`, else `_stop`, else the time of the query. `_value` becomes
 * the field that `_field` names when that is part of the group key; other columns become fields under
 * their own names. Longs stay ints, null cells are left out. Bytes that are no annotated CSV are a
 * `FluxCsvError`; so is a table with an error that the server found while it was answering.
 * Source: the annotated CSV syntax of InfluxDB's public documentation.
 */

import { parseInt64 } from "#lib/int64.ts";
import { formatTime, type Time } from "#lib/time.ts";
import { ColumnSeries, type ColumnSpec } from "./column-series.ts";
import { CHUNK_BYTES_MAX, FLUX_ROWS_PACKED } from "./limits.ts";

/** The server's fault, or its message. Nothing was changed; what came before were complete tables. */
export class FluxCsvError extends Error {
  override name = "FluxCsvError";
}

/** The annotations and the header of the tables that follow. */
interface Block {
  readonly types: readonly string[];
  readonly isKey: readonly boolean[];
  readonly defaults: readonly string[];
  readonly names: readonly string[];
  readonly resultAt: number;
  readonly tableAt: number;
  readonly timeAt: number;
}

interface OpenTable {
  readonly id: string;
  readonly series: ColumnSeries;
  readonly columns: readonly (ColumnSpec | undefined)[];
  rows: unknown[][];
}

export class FluxCsvReader {
  readonly #fallbackTime: string;
  #rest = "";
  readonly #annotations = new Map<string, readonly string[]>();
  #block: Block | undefined;
  #table: OpenTable | undefined;

  /** `now` is the time of rows that have none. */
  constructor(now: Time) {
    this.#fallbackTime = formatTime(now.ms, now.ns);
  }

  /** Takes a piece of the answer; returns the tables that are complete now. Throws `FluxCsvError`. */
  push(text: string): ColumnSeries[] {
    const done: ColumnSeries[] = [];
    const all = this.#rest + text;
    let from = 0;
    for (let end = recordEnd(all, from); end >= 0; end = recordEnd(all, from)) {
      this.#record(all.slice(from, end), done);
      from = end + 1;
    }
    this.#rest = all.slice(from);
    if (this.#rest.length > CHUNK_BYTES_MAX) throw new FluxCsvError("a line is too long");
    return done;
  }

  /** The end of the answer; returns the last table. */
  end(): ColumnSeries[] {
    const done: ColumnSeries[] = [];
    if (this.#rest !== "") this.#record(this.#rest, done);
    this.#rest = "";
    this.#closeTable(done);
    return done;
  }

  #record(line: string, done: ColumnSeries[]): void {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text === "") {
      this.#closeTable(done);
      this.#block = undefined;
      return;
    }
    const cells = splitRecord(text);
    const first = cells[0] ?? "";
    if (first.startsWith("#")) {
      if (this.#block !== undefined) {
        this.#closeTable(done);
        this.#block = undefined;
        this.#annotations.clear();
      }
      this.#annotations.set(first.slice(1), cells);
    } else if (this.#block === undefined) {
      this.#block = this.#header(cells);
      this.#annotations.clear();
    } else {
      this.#row(this.#block, cells, done);
    }
  }

  #header(names: readonly string[]): Block {
    if (names.includes("error") && names.includes("reference") && !names.includes("table")) {
      return block(names, [], [], []);
    }
    const types = this.#annotations.get("datatype");
    const groups = this.#annotations.get("group");
    if (types === undefined || groups === undefined) {
      throw new FluxCsvError("annotations #datatype and #group are missing");
    }
    return block(
      names,
      types,
      groups.map((cell) => cell === "true"),
      this.#annotations.get("default") ?? [],
    );
  }

  #row(block: Block, cells: readonly string[], done: ColumnSeries[]): void {
    const errorAt = block.tableAt < 0 ? block.names.indexOf("error") : -1;
    if (errorAt >= 0) throw new FluxCsvError(cells[errorAt] || "the query failed");
    const id = `${cellText(block, cells, block.resultAt)}\n${cellText(block, cells, block.tableAt)}`;
    if (this.#table?.id !== id) {
      this.#closeTable(done);
      this.#table = openTable(id, block, cells);
    }
    const table = this.#table;
    if (table === undefined) return;
    const row: unknown[] = block.names.map((_, i) =>
      table.columns[i] === undefined ? null : cellValue(block, cells, i),
    );
    const time = block.timeAt < 0 ? "" : cellText(block, cells, block.timeAt);
    row.push(time === "" ? this.#fallbackTime : time);
    table.rows.push(row);
    if (table.rows.length >= FLUX_ROWS_PACKED) packRows(table, block);
  }

  #closeTable(done: ColumnSeries[]): void {
    const table = this.#table;
    this.#table = undefined;
    if (table === undefined || this.#block === undefined) return;
    packRows(table, this.#block);
    done.push(table.series);
  }
}

function packRows(table: OpenTable, { names }: Block): void {
  table.series.addRows(table.columns, names.length, table.rows);
  table.rows = [];
}

function block(
  names: readonly string[],
  types: readonly string[],
  isKey: readonly boolean[],
  defaults: readonly string[],
): Block {
  const timeAt = names.indexOf("_time");
  return {
    ...{ names, types, isKey, defaults },
    resultAt: names.indexOf("result"),
    tableAt: names.indexOf("table"),
    timeAt: timeAt >= 0 ? timeAt : names.indexOf("_stop"),
  };
}

/** Columns that are neither tags nor fields. */
const HIDDEN = new Set(["", "result", "table", "_start", "_stop", "_time", "_measurement"]);

function openTable(id: string, block: Block, cells: readonly string[]): OpenTable {
  const { names, isKey } = block;
  const tags: Record<string, string> = {};
  names.forEach((name, i) => {
    if (isKey[i] === true && !name.startsWith("_") && !HIDDEN.has(name)) {
      tags[name] = cellText(block, cells, i);
    }
  });
  const nameAt = names.indexOf("_measurement");
  const fieldAt = names.indexOf("_field");
  const keyed = fieldAt >= 0 && isKey[fieldAt] === true;
  const field = keyed ? cellText(block, cells, fieldAt) : "";
  const taken = new Set<string>();
  const columns = names.map((name, i): ColumnSpec | undefined => {
    if (HIDDEN.has(name) || isKey[i] === true) return undefined;
    const shown = name === "_value" && field !== "" ? field : name;
    if (taken.has(shown)) return undefined;
    taken.add(shown);
    return { name: shown, numbers: numbersOf(block.types[i]) };
  });
  const name = nameAt < 0 ? "" : cellText(block, cells, nameAt);
  return { id, series: new ColumnSeries(name, tags), columns, rows: [] };
}

function numbersOf(type: string | undefined): ColumnSpec["numbers"] {
  if (type === "long") return "int";
  return type === "unsignedLong" ? "uint" : "float";
}

/** An empty cell has the column's default. */
function cellText({ defaults }: Block, cells: readonly string[], at: number): string {
  const cell = cells[at] ?? "";
  return cell === "" ? (defaults[at] ?? "") : cell;
}

function cellValue(block: Block, cells: readonly string[], at: number): unknown {
  const text = cellText(block, cells, at);
  if (text === "") return null;
  switch (block.types[at]) {
    case "double":
      return toDouble(text);
    case "long":
      return parseInt64(text) ?? null;
    case "unsignedLong":
      return toUnsigned(text);
    case "boolean":
      return text === "true";
    default:
      return text;
  }
}

function toDouble(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  return text === "-Inf" ? Number.NEGATIVE_INFINITY : Number(text);
}

function toUnsigned(text: string): number | bigint | null {
  if (!/^\d{1,20}$/.test(text)) return null;
  const small = Number(text);
  return Number.isSafeInteger(small) ? small : BigInt(text);
}

/** Where the record that begins at `from` ends: the first line end outside of quotes; −1 = not here yet. */
function recordEnd(text: string, from: number): number {
  let end = text.indexOf("\n", from);
  let quote = text.indexOf('"', from);
  while (end >= 0 && quote >= 0 && quote < end) {
    const close = closingQuote(text, quote + 1);
    if (close < 0) return -1;
    if (close > end) end = text.indexOf("\n", close);
    quote = text.indexOf('"', close + 1);
  }
  return end;
}

/** Doubled quotes stand for one. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

function splitRecord(text: string): readonly string[] {
  if (!text.includes('"')) return text.split(",");
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      const close = closingQuote(text, at + 1);
      if (close < 0) throw new FluxCsvError("a quote is not closed");
      cells.push(text.slice(at + 1, close).replaceAll('""', '"'));
      at = close + 1;
      if (at < text.length && text[at] !== ",") {
        throw new FluxCsvError("text behind a closing quote");
      }
    } else {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      cells.push(text.slice(at, end));
      at = end;
    }
    if (at >= text.length) return cells;
    at++;
  }
}
