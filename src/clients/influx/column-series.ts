/**
 * One series of a result, packed by columns until it is complete: a batch must not begin before its end is known.
 *
 * A number costs 8 bytes and a time 8 or 12, so a series of millions of rows can wait while a list of points could
 * not. Points are made when they are asked for. As the original has it, nulls are left out and a row without any
 * value is no point. NaN stands for a missing number; no answer holds one.
 */

import type { PointCursor, ResultSeries } from "#engine/outside-ports.ts";
import { compareTime, type Time } from "#lib/time.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";
import { SERIES_ROWS_MAX } from "./limits.ts";
import { parseCellTime } from "./result.ts";

export interface ColumnSpec {
  readonly name: string;
  /** What numbers of this column are. */
  readonly numbers: "float" | "int" | "uint";
}

/** Cells of one column: numbers alone, or anything. */
type Cells = Float64Array | readonly FieldValue[];

interface Chunk {
  readonly rows: number;
  readonly ms: Float64Array;
  /** Absent while all are 0. */
  readonly ns: Uint32Array | undefined;
  readonly columns: readonly ColumnSpec[];
  /** Aligned with `columns`. */
  readonly cells: readonly Cells[];
}

export class ColumnSeries implements ResultSeries {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly #chunks: Chunk[] = [];
  #size = 0;
  #latest: Time | undefined;

  constructor(name: string, tags: Readonly<Record<string, string>>) {
    this.name = name;
    this.tags = tags;
  }

  get size(): number {
    return this.#size;
  }

  get latest(): Time | undefined {
    return this.#latest;
  }

  points(series: Series): PointCursor {
    return new Cursor(this.#chunks, series);
  }

  /**
   * Packs rows of JSON values; `timeAt` is the place of the time, `undefined` cells of `columns` are not read.
   * Throws `Error` when the series gets larger than `SERIES_ROWS_MAX`.
   */
  addRows(
    columns: readonly (ColumnSpec | undefined)[],
    timeAt: number,
    rows: readonly (readonly unknown[])[],
  ): void {
    if (this.#size + rows.length > SERIES_ROWS_MAX) {
      throw new Error(`a series of the result has more than ${SERIES_ROWS_MAX} rows`);
    }
    const at = columns.flatMap((column, i) => (column === undefined ? [] : [i]));
    const kept: (readonly unknown[])[] = [];
    const ms = new Float64Array(rows.length);
    let ns: Uint32Array | undefined;
    for (const row of rows) {
      if (!at.some((i) => isValue(row[i]))) continue;
      const time = parseCellTime(row[timeAt]);
      if (time === undefined) continue;
      ms[kept.length] = time.ms;
      if (time.ns !== 0) ns ??= new Uint32Array(rows.length);
      if (ns !== undefined) ns[kept.length] = time.ns;
      this.#see(time);
      kept.push(row);
    }
    if (kept.length === 0) return;
    this.#size += kept.length;
    const used = at.map((i) => columns[i]).filter((column) => column !== undefined);
    const cells = at.map((i) => pack(kept, i));
    this.#chunks.push({ rows: kept.length, ms, ns, columns: used, cells });
  }

  #see(time: Time): void {
    const { ms = time.ms, ns = -1 } = this.#latest ?? {};
    if (compareTime(time.ms, time.ns, ms, ns) > 0) this.#latest = time;
  }
}

function isValue(cell: unknown): cell is FieldValue {
  switch (typeof cell) {
    case "number":
      return !Number.isNaN(cell);
    case "string":
    case "boolean":
    case "bigint":
      return true;
    default:
      return false;
  }
}

function pack(rows: readonly (readonly unknown[])[], at: number): Cells {
  const numbers = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const cell = rows[i]?.[at];
    if (typeof cell === "number") numbers[i] = cell;
    else if (isValue(cell)) return rows.map((row) => (isValue(row[at]) ? row[at] : null));
    else numbers[i] = Number.NaN;
  }
  return numbers;
}

class Cursor implements PointCursor {
  readonly #chunks: readonly Chunk[];
  readonly #series: Series;
  #chunk = 0;
  #row = 0;
  /** Which columns the last point had, with which types; its shape. */
  #types: (FieldType | undefined)[] = [];
  #shape: Shape = internShape([], []);

  constructor(chunks: readonly Chunk[], series: Series) {
    this.#chunks = chunks;
    this.#series = series;
  }

  next(): Point | undefined {
    let chunk = this.#chunks[this.#chunk];
    if (chunk === undefined) return undefined;
    if (this.#row === chunk.rows) {
      this.#row = 0;
      // The columns may differ from chunk to chunk.
      this.#types = [];
      chunk = this.#chunks[++this.#chunk];
      if (chunk === undefined) return undefined;
    }
    const row = this.#row++;
    const values = this.#values(chunk, row);
    return new Point(
      this.#series,
      this.#shape,
      values,
      chunk.ms[row] as number,
      chunk.ns?.[row] ?? 0,
    );
  }

  #values({ columns, cells }: Chunk, row: number): FieldValue[] {
    const values: FieldValue[] = [];
    const types = this.#types;
    let isKnown = types.length === cells.length;
    for (let i = 0; i < cells.length; i++) {
      const value = cells[i]?.[row] ?? null;
      const type = typeOf(value, columns[i] as ColumnSpec);
      if (type !== undefined) values.push(value);
      if (types[i] === type) continue;
      types[i] = type;
      isKnown = false;
    }
    if (!isKnown) this.#reshape(columns);
    return values;
  }

  #reshape(columns: readonly ColumnSpec[]): void {
    const names: string[] = [];
    const types: FieldType[] = [];
    columns.forEach(({ name }, i) => {
      const type = this.#types[i];
      if (type === undefined) return;
      names.push(name);
      types.push(type);
    });
    this.#shape = internShape(names, types);
  }
}

function typeOf(value: FieldValue, { numbers }: ColumnSpec): FieldType | undefined {
  switch (typeof value) {
    case "number":
      return Number.isNaN(value) ? undefined : numbers;
    case "bigint":
      return numbers;
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    default:
      return undefined;
  }
}
