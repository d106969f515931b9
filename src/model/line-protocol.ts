/**
 * Reads bodies of line protocol into points, fast.
 *
 * Idea: senders repeat themselves, so every line is first compared with what is expected: the series that
 * followed last time (series-table.ts) and the field layout this series had last time
 * (line-protocol-layout.ts). When both match, no string is made and numbers are converted while they are
 * scanned. Whatever does not match exactly goes to the complete reader (line-protocol-line.ts), which also
 * words the errors and teaches the expectation for next time.
 *
 * A body is read whole before any point leaves, because one bad line means that nothing is written. A
 * cursor reads it in slices, so that a large body does not hold up its thread.
 */

import { type Time, truncateTime } from "#lib/time.ts";
import { NO_VALUES, UNKNOWN } from "./line-protocol-bytes.ts";
import { type LinePrecision, PRECISION_NS } from "./line-protocol-format.ts";
import { FieldLayout, selectFields } from "./line-protocol-layout.ts";
import {
  decode,
  KEY_BYTES_MAX,
  lineEnd,
  type ParsedLine,
  parseLine,
  parsePlainKey,
  skipBlank,
} from "./line-protocol-line.ts";
import { POWERS } from "./line-protocol-number.ts";
import { readFields, scanKey } from "./line-protocol-scan.ts";
import { Point } from "./point.ts";
import type { Series } from "./series.ts";
import {
  type MeasurementCount,
  rememberLayout,
  type SeriesEntry,
  type SeriesSpace,
  type SeriesTable,
  sameBytes,
} from "./series-table.ts";
import { type FieldValue, internShape, type Shape } from "./shape.ts";

/** Error messages kept per body; the count goes on, and a last message says how many were left out. */
export const LINE_ERRORS_MAX = 1_000;
/** Bytes of a bad line quoted in its message; the rest is left out. */
export const LINE_QUOTED_MAX = 64 * 1024;

export interface ReadOptions {
  readonly db: string;
  readonly rp: string;
  readonly precision: LinePrecision;
  /** The time of lines without one; cut down to the precision. */
  readonly now: Time;
  /**
   * What the caller wants of a series: all of a line, nothing (it is only checked and counted), or these
   * fields (the point has those of them that the line has, maybe none). Called once per line, so it must
   * be cheap, and should return the same array while its answer is the same.
   */
  readonly wants?: (series: Series) => boolean | readonly string[];
}

export interface ReadResult {
  /** Good lines, also those nobody wanted. */
  readonly points: number;
  /** One message per bad line, in order. Not empty: the body must be refused as a whole. */
  readonly errors: readonly string[];
}

export class LineProtocolReader {
  readonly #table: SeriesTable;

  constructor(table: SeriesTable) {
    this.#table = table;
  }

  /** Reads a body and emits its wanted points in order, or none when any line is bad. */
  read(body: Uint8Array, options: ReadOptions, emit: (point: Point) => void): ReadResult {
    const { points, lines, errors } = this.readAll(body, options);
    if (errors.length === 0) for (const point of points) emit(point);
    return { points: lines, errors };
  }

  /** Reads a body at once. `points` are the wanted ones; they are not to be used when there are errors. */
  readAll(
    body: Uint8Array,
    options: ReadOptions,
  ): { points: readonly Point[]; lines: number; errors: readonly string[] } {
    const cursor = this.open(body, options);
    while (!cursor.next(Number.MAX_SAFE_INTEGER));
    return cursor;
  }

  /** A reader of one body in slices. The body must not change until it is done. */
  open(body: Uint8Array, options: ReadOptions): LineProtocolCursor {
    return new LineProtocolCursor(this.#table.space(options.db, options.rp), body, options);
  }
}

const NEWLINE = 10;
const SPACE = 32;
const HASH = 35;
const ZERO = 48;
/** Times this far from 1970 (ms) are left to the exact reader's range check. */
const SAFE_MS = 9_223_372_036_853;

export class LineProtocolCursor {
  /** Wanted points so far, in order. Complete, and valid, when `next` said true and `errors` is empty. */
  readonly points: Point[] = [];
  readonly errors: string[] = [];
  /** Good lines so far. */
  lines = 0;

  readonly #space: SeriesSpace;
  readonly #body: Uint8Array;
  readonly #view: DataView;
  readonly #precision: LinePrecision;
  readonly #now: Time;
  readonly #wants: ((series: Series) => boolean | readonly string[]) | undefined;
  /** Behind the last newline of the body: scans may run to here without asking for the end. */
  readonly #fastEnd: number;
  readonly #counts = new Map<MeasurementCount, number>();
  #counted: MeasurementCount | undefined;
  #run = 0;
  #at = 0;
  #badLines = 0;
  /** Time of the line just read, set by `#stamp`. */
  #ms = 0;
  #ns = 0;

  constructor(space: SeriesSpace, body: Uint8Array, options: ReadOptions) {
    const { precision, now } = options;
    this.#space = space;
    this.#body = body;
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.#precision = precision;
    this.#now = precision === "ns" ? now : truncateTime(now.ms, now.ns, PRECISION_NS[precision]);
    this.#wants = options.wants;
    this.#fastEnd = body.lastIndexOf(NEWLINE) + 1;
  }

  /** Reads on until at least `linesMax` more lines are read; true when the body is done. */
  next(linesMax: number): boolean {
    const body = this.#body;
    const length = body.length;
    let left = linesMax;
    while (this.#at < length && left-- > 0) {
      const at = this.#at;
      if (body[at] === NEWLINE) {
        this.#at = at + 1;
        continue;
      }
      const end = at < this.#fastEnd ? this.#fast(body, this.#view, at, this.#fastEnd) : UNKNOWN;
      if (end !== UNKNOWN) this.#at = end;
      else if (at < this.#fastEnd || !this.#fastTail(at)) this.#slow(at);
    }
    if (this.#at < length) return false;
    this.#finish();
    return true;
  }

  /** The last line of a body that does not end in a newline: the same with one. */
  #fastTail(at: number): boolean {
    const tail = new Uint8Array(this.#body.length - at + 1);
    tail.set(this.#body.subarray(at));
    tail[tail.length - 1] = NEWLINE;
    const end = this.#fast(tail, new DataView(tail.buffer), 0, tail.length);
    if (end !== tail.length) return false;
    this.#at = this.#body.length;
    return true;
  }

  /**
   * Reads the line at `at` if it is as expected and returns where the next one starts, or `UNKNOWN` with
   * nothing done. `end` lies behind a newline, so scans over digits need no bound.
   */
  #fast(body: Uint8Array, view: DataView, at: number, end: number): number {
    const entry = this.#entry(body, view, at, end);
    const layout = entry?.layout;
    if (entry === undefined || layout === undefined) return UNKNOWN;
    const wanted = this.#wants === undefined ? true : this.#wants(entry.series);
    const selection = layout.select(wanted);
    const size = selection.shape.names.length;
    const values = size === 0 ? NO_VALUES : new Array<FieldValue>(size);
    const fieldsAt = at + entry.length + 1;
    const fieldsEnd = readFields(body, view, fieldsAt, end, layout, selection, values);
    if (fieldsEnd === UNKNOWN) {
      return this.#otherLayout(body, view, fieldsAt, end, entry, wanted);
    }
    const next = this.#stamp(body, fieldsEnd);
    if (next === UNKNOWN) return UNKNOWN;
    if (wanted !== false) {
      this.points.push(new Point(entry.series, selection.shape, values, this.#ms, this.#ns));
    }
    this.#count(entry);
    return next;
  }

  /** The fields are not as last time: tries the other layouts of the measurement. */
  #otherLayout(
    body: Uint8Array,
    view: DataView,
    at: number,
    end: number,
    entry: SeriesEntry,
    wanted: boolean | readonly string[],
  ): number {
    for (const layout of entry.measurement.layouts) {
      if (layout === entry.layout) continue;
      const selection = layout.select(wanted);
      const values = new Array<FieldValue>(selection.shape.names.length);
      const fieldsEnd = readFields(body, view, at, end, layout, selection, values);
      if (fieldsEnd === UNKNOWN) continue;
      const next = this.#stamp(body, fieldsEnd);
      if (next === UNKNOWN) return UNKNOWN;
      entry.layout = layout;
      if (wanted !== false) {
        this.points.push(new Point(entry.series, selection.shape, values, this.#ms, this.#ns));
      }
      this.#count(entry);
      return next;
    }
    return UNKNOWN;
  }

  /** The entry whose key stands at `at`, by guess or by look-up; `undefined` when it is new or not plain. */
  #entry(body: Uint8Array, view: DataView, at: number, end: number): SeriesEntry | undefined {
    const guess = this.#space.last?.next;
    if (
      guess !== undefined &&
      at + guess.length < end &&
      body[at + guess.length] === SPACE &&
      sameBytes(guess.view, guess.at, view, at, guess.length)
    ) {
      this.#space.last = guess;
      return guess.plain ? guess : undefined;
    }
    const keyEnd = scanKey(body, at, end);
    if (keyEnd === UNKNOWN) return undefined;
    const size = keyEnd - at;
    const entry = this.#space.find(view, at, size) ?? this.#newEntry(body, view, at, size);
    if (entry === undefined) return undefined;
    this.#follow(entry);
    return entry.plain ? entry : undefined;
  }

  /** A new series among known measurements: its fields are expected to be as those of the others. */
  #newEntry(body: Uint8Array, view: DataView, at: number, size: number): SeriesEntry | undefined {
    const first = body[at] as number;
    if (first <= SPACE || first === HASH || size > KEY_BYTES_MAX) return undefined;
    const key = parsePlainKey(body.subarray(at, at + size + 1), size);
    return key === undefined ? undefined : this.#space.add(view, at, size, key);
  }

  #follow(entry: SeriesEntry): void {
    const { last } = this.#space;
    if (last !== undefined) last.next = entry;
    this.#space.last = entry;
  }

  #count(entry: SeriesEntry): void {
    this.lines += 1;
    const { count } = entry.measurement;
    if (count !== this.#counted) this.#endRun(count);
    this.#run += 1;
  }

  #endRun(next: MeasurementCount | undefined): void {
    if (this.#counted !== undefined) {
      this.#counts.set(this.#counted, (this.#counts.get(this.#counted) ?? 0) + this.#run);
    }
    this.#counted = next;
    this.#run = 0;
  }

  #finish(): void {
    if (this.#badLines > this.errors.length) {
      this.errors.push(`${this.#badLines - this.errors.length} more lines could not be parsed`);
      this.#badLines = this.errors.length;
    }
    this.#endRun(undefined);
    if (this.errors.length === 0) for (const [count, n] of this.#counts) count.points += n;
    this.#counts.clear();
  }

  /**
   * Reads what stands between the fields and the newline into `#ms` and `#ns` and returns where the next
   * line starts; `UNKNOWN` for all but a plain time stamp or none.
   */
  #stamp(body: Uint8Array, from: number): number {
    if (body[from] === NEWLINE) {
      this.#ms = this.#now.ms;
      this.#ns = this.#now.ns;
      return from + 1;
    }
    if (body[from] !== SPACE) return UNKNOWN;
    const start = from + 1;
    let i = start;
    let head = 0;
    for (let d = (body[i] as number) - ZERO; d >= 0 && d <= 9; d = (body[i] as number) - ZERO) {
      if (i - start < 13) head = head * 10 + d;
      else break;
      i += 1;
    }
    const tailStart = i;
    let tail = 0;
    for (let d = (body[i] as number) - ZERO; d >= 0 && d <= 9; d = (body[i] as number) - ZERO) {
      tail = tail * 10 + d;
      i += 1;
    }
    if (body[i] !== NEWLINE || i === start || i - start > 19) return UNKNOWN;
    return this.#setTime(head, tail, i - tailStart) ? i + 1 : UNKNOWN;
  }

  /** Splits head · 10^tailDigits + tail units into ms and ns; false when that may leave the range. */
  #setTime(head: number, tail: number, tailDigits: number): boolean {
    if (this.#precision === "ns") {
      const unit = POWERS[6 - tailDigits] as number;
      this.#ms = Math.floor(head / unit);
      this.#ns = (head - this.#ms * unit) * (POWERS[tailDigits] as number) + tail;
      return this.#ms < SAFE_MS;
    }
    if (tailDigits > 2) return false;
    const count = head * (POWERS[tailDigits] as number) + tail;
    if (this.#precision === "u") {
      this.#ms = Math.floor(count / 1_000);
      this.#ns = (count - this.#ms * 1_000) * 1_000;
    } else {
      this.#ms = count * ((PRECISION_NS[this.#precision] as number) / 1_000_000);
      this.#ns = 0;
    }
    return this.#ms < SAFE_MS;
  }

  /** Reads one line the complete way: blank lines, comments, everything new, everything bad. */
  #slow(at: number): void {
    const body = this.#body;
    const end = lineEnd(body, at);
    this.#at = end + 1;
    const start = skipBlank(body, at, end);
    if (start >= end || body[start] === HASH) return;
    // An unfinished quote takes the newline at the very end into the line; it is no part of it.
    const line = body.subarray(start, body[end - 1] === NEWLINE ? end - 1 : end);
    const parsed = parseLine(line, this.#precision);
    if (typeof parsed === "string") {
      this.#badLines += 1;
      if (this.errors.length < LINE_ERRORS_MAX) this.errors.push(badLine(line, parsed));
      return;
    }
    const entry = this.#known(start, parsed);
    const shape = internShape(parsed.names, parsed.types);
    this.#learn(entry, shape, parsed);
    this.#emitParsed(entry, shape, parsed);
    this.#count(entry);
  }

  #known(start: number, parsed: ParsedLine): SeriesEntry {
    const space = this.#space;
    const entry =
      space.find(this.#view, start, parsed.keyEnd) ??
      space.add(this.#view, start, parsed.keyEnd, parsed.key);
    if (space.last !== entry) this.#follow(entry);
    return entry;
  }

  #learn(entry: SeriesEntry, shape: Shape, parsed: ParsedLine): void {
    const keys = parsed.rawKeys;
    if (keys === undefined) return;
    const known = entry.measurement.layouts.find((layout) => layout.matches(shape, keys));
    entry.layout = known ?? new FieldLayout(shape, keys);
    rememberLayout(entry.measurement, entry.layout);
  }

  #emitParsed(entry: SeriesEntry, shape: Shape, parsed: ParsedLine): void {
    const wanted = this.#wants === undefined ? true : this.#wants(entry.series);
    if (wanted === false) return;
    const { ms, ns } = parsed.time ?? this.#now;
    if (wanted === true) {
      this.points.push(new Point(entry.series, shape, parsed.values, ms, ns));
      return;
    }
    const selection = selectFields(shape, wanted);
    const values = parsed.values.filter((_, i) => (selection.slots[i] as number) >= 0);
    this.points.push(new Point(entry.series, selection.shape, values, ms, ns));
  }
}

function badLine(line: Uint8Array, reason: string): string {
  const text = decode(line, 0, Math.min(line.length, LINE_QUOTED_MAX));
  return `unable to parse '${text}${line.length > LINE_QUOTED_MAX ? "…" : ""}': ${reason}`;
}
