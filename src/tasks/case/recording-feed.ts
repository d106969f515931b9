/**
 * Feeds recordings to a task of an offline engine, with the clock following the data.
 *
 * Before a point or batch goes in, the wall clock is moved to its time (never back), so nodes that live by the
 * clock (`stats`, `deadman`, `barrier`) do what they did while it was recorded. The batches of several queries go
 * in by their end times, at equal times in the order of the queries.
 */

import { GroupTable } from "#engine/group-table.ts";
import type { DurationNs } from "#lib/int64.ts";
import { addDuration, compareTime, type Time, timeDifference } from "#lib/time.ts";
import type { Dbrp } from "#model/dbrp.ts";
import { LineProtocolReader } from "#model/line-protocol.ts";
import type { LinePrecision } from "#model/line-protocol-format.ts";
import { Point } from "#model/point.ts";
import { SeriesTable } from "#model/series-table.ts";
import type { TaskType } from "#tick/environment.ts";
import {
  type RecordedBatch,
  type RecordedLines,
  RecordingError,
  readBatchRecording,
  readStreamRecording,
} from "../recording-file.ts";
import type { OfflineEngine } from "./offline-engine.ts";

export interface RecordingOptions {
  /** Where the first point is moved to; as recorded when absent. */
  readonly from: Time | undefined;
  /** Unit of the times in stream recordings. */
  readonly precision: LinePrecision;
}

/** A recording that has been opened. */
export interface RecordingFeed {
  /** Time of the first point, after the shift: where the clock is to start. */
  readonly start: Time;
  /** Queries whose batches it holds; 0 for a stream. */
  readonly queries: number;
  /** Where the points of a stream came from, each once; empty for batches. */
  readonly dbrps: readonly Dbrp[];
  /** Hands everything in, and stops early when the task dies. Throws `RecordingError`. */
  feed(offline: OfflineEngine, task: string): void;
}

/** Points between two moments at which the engine's turns may end. */
const POINTS_PER_TURN = 1_000;
const NEWLINE = 10;
const EPOCH: Time = { ms: 0, ns: 0 };

/** Throws `RecordingError` when the files are no recording of this type. */
export function openRecording(
  type: TaskType,
  files: readonly Uint8Array[],
  options: RecordingOptions,
): RecordingFeed {
  if (type === "batch") return new BatchFeed(files.flatMap(readBatchRecording), options);
  const [file, second] = files;
  if (file === undefined || second !== undefined) {
    throw new RecordingError(`a stream task takes one recording, got ${files.length}`);
  }
  return new StreamFeed(file, options);
}

/** The distance by which all times are moved. */
function shiftOf(first: Time | undefined, from: Time | undefined): DurationNs {
  if (first === undefined || from === undefined) return 0;
  return timeDifference(from.ms, from.ns, first.ms, first.ns);
}

function shifted(point: Point, shift: DurationNs): Point {
  if (shift === 0) return point;
  const { ms, ns } = addDuration(point.timeMs, point.timeNs, shift);
  return new Point(point.series, point.shape, point.values, ms, ns);
}

function follow({ clock }: OfflineEngine, ms: number, ns: number): void {
  const now = clock.now();
  if (compareTime(ms, ns, now.ms, now.ns) <= 0) return;
  clock.advance(ms - now.ms + (ns - now.ns) / 1e6);
}

class StreamFeed implements RecordingFeed {
  readonly queries = 0;
  readonly dbrps: readonly Dbrp[];
  readonly start: Time;
  readonly #recorded: readonly RecordedLines[];
  readonly #precision: LinePrecision;
  readonly #shift: DurationNs;

  constructor(file: Uint8Array, { from, precision }: RecordingOptions) {
    this.#recorded = [...readStreamRecording(file)];
    this.#precision = precision;
    const names = this.#recorded.map(
      ({ db, rp }) => [`${db.length}:${db}${rp}`, { db, rp }] as const,
    );
    this.dbrps = [...new Map(names).values()];
    const first = this.#first();
    this.#shift = shiftOf(first, from);
    const start = first ?? EPOCH;
    this.start = addDuration(start.ms, start.ns, this.#shift);
  }

  feed(offline: OfflineEngine): void {
    const reader = new LineProtocolReader(offline.table);
    let count = 0;
    for (const lines of this.#recorded) {
      for (const recorded of this.#points(reader, lines)) {
        const point = shifted(recorded, this.#shift);
        follow(offline, point.timeMs, point.timeNs);
        offline.engine.push(point);
        if (++count % POINTS_PER_TURN === 0) offline.clock.advance(0);
        if (offline.died !== undefined) return;
      }
    }
    offline.clock.advance(0);
  }

  #first(): Time | undefined {
    const [lines] = this.#recorded;
    if (lines === undefined) return undefined;
    const body = lines.body.subarray(0, lines.body.indexOf(NEWLINE) + 1);
    const [point] = this.#points(new LineProtocolReader(new SeriesTable()), { ...lines, body });
    return point === undefined ? undefined : { ms: point.timeMs, ns: point.timeNs };
  }

  #points(reader: LineProtocolReader, { db, rp, body }: RecordedLines): readonly Point[] {
    const precision = this.#precision;
    const { points, errors } = reader.readAll(body, { db, rp, precision, now: EPOCH });
    const [error] = errors;
    if (error !== undefined) throw new RecordingError(error);
    return points;
  }
}

class BatchFeed implements RecordingFeed {
  readonly dbrps = [];
  readonly start: Time;
  readonly queries: number;
  readonly #inputs: readonly (readonly RecordedBatch[])[];
  readonly #shift: DurationNs;

  constructor(inputs: readonly (readonly RecordedBatch[])[], { from }: RecordingOptions) {
    this.#inputs = inputs;
    this.queries = inputs.length;
    const first = firstTime(inputs);
    this.#shift = shiftOf(first, from);
    const start = first ?? EPOCH;
    this.start = addDuration(start.ms, start.ns, this.#shift);
  }

  feed(offline: OfflineEngine, task: string): void {
    const tables = this.#inputs.map(() => new GroupTable());
    const at = this.#inputs.map(() => 0);
    for (;;) {
      const query = nextQuery(this.#inputs, at);
      const batch = this.#inputs[query]?.[at[query] ?? 0];
      const table = tables[query];
      if (batch === undefined || table === undefined) return;
      at[query] = (at[query] ?? 0) + 1;
      const tmax = addDuration(batch.tmax.ms, batch.tmax.ns, this.#shift);
      follow(offline, tmax.ms, tmax.ns);
      pushBatch(offline, { task, query, batch, table, shift: this.#shift });
      if (offline.died !== undefined) return;
    }
  }
}

/** The earliest point of all queries. */
function firstTime(inputs: readonly (readonly RecordedBatch[])[]): Time | undefined {
  let first: Point | undefined;
  for (const { points } of inputs.flat()) {
    for (const point of points) {
      const { timeMs, timeNs } = point;
      const isEarlier =
        first === undefined || compareTime(timeMs, timeNs, first.timeMs, first.timeNs) < 0;
      if (isEarlier) first = point;
    }
  }
  return first === undefined ? undefined : { ms: first.timeMs, ns: first.timeNs };
}

/** The query whose next batch ends first. */
function nextQuery(inputs: readonly (readonly RecordedBatch[])[], at: readonly number[]): number {
  let best = -1;
  let bestTime: Time | undefined;
  inputs.forEach((batches, query) => {
    const tmax = batches[at[query] ?? 0]?.tmax;
    if (tmax === undefined) return;
    if (bestTime !== undefined && compareTime(tmax.ms, tmax.ns, bestTime.ms, bestTime.ns) >= 0) {
      return;
    }
    best = query;
    bestTime = tmax;
  });
  return best;
}

export interface BatchHandover {
  readonly task: string;
  readonly query: number;
  readonly batch: RecordedBatch;
  /** The groups of the query so far. */
  readonly table: GroupTable;
  readonly shift: DurationNs;
}

/** Hands a batch in. */
export function pushBatch(offline: OfflineEngine, handover: BatchHandover): void {
  const { task, query, batch, table, shift } = handover;
  const { name, byName, tags, points } = batch;
  const tmax = addDuration(batch.tmax.ms, batch.tmax.ns, shift);
  const tagNames = Object.keys(tags).sort();
  const values = tagNames.map((key) => tags[key] as string);
  offline.engine.pushBatch(task, query, {
    group: table.find(name, { byName, tagNames }, values),
    begin: { name, tmaxMs: tmax.ms, tmaxNs: tmax.ns, sizeHint: points.length },
    points: points.map((point) => shifted(point, shift)),
  });
  offline.clock.advance(0);
}
