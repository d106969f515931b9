/**
 * Records the answer to one query of any sort, as a stream or as batches.
 *
 * The text is sent as it is. As batches, every series becomes one, in entry `0`. As a stream, the points of all
 * series are merged in order of time; tags of the grouping become tags and all numbers floats. A stream has to
 * be held in memory to be put in order, so it is bounded. Source: reference storage-and-influx.md §9.2.
 */

import { type Measurement, parseSingleSelect } from "#clients/influx/influxql.ts";
import type { TakeSeries } from "#engine/outside-ports.ts";
import { compareTime, ZERO_TIME } from "#lib/time.ts";
import type { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";
import { batchLine } from "./batch-line.ts";
import { linesOf } from "./record-batches.ts";
import type { RecordingType } from "./recording-store.ts";
import { pack, StreamRecordingWriter } from "./recording-writer.ts";
import { zip } from "./zip-writer.ts";

export interface QueryRecording {
  readonly query: string;
  readonly type: RecordingType;
  /** Name of an InfluxDB; "" = the default one. */
  readonly cluster: string;
}

/** Asks any query, with no time range or grouping added. */
export interface RawQueries {
  /** Rejects when it failed, or when there is no such InfluxDB. */
  run(
    query: { readonly text: string; readonly cluster: string },
    take: TakeSeries,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Points of a query that are put in order at most; beyond, the recording fails. */
export const QUERY_POINTS_MAX = 10_000_000;

/** Writes the answer to a file. Rejects with the reason of a failure. */
export async function recordQuery(
  { query, type, cluster }: QueryRecording,
  queries: RawQueries,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const source = sourceOf(query);
  const run = (take: TakeSeries) => queries.run({ text: query, cluster }, take, signal);
  if (type === "batch") {
    const content = linesOf(run, (series) =>
      batchLine(series, { byName: false, tmax: series.latest ?? ZERO_TIME }),
    );
    await pack(zip([{ name: "0", content }]), path);
    return;
  }
  const points = await pointsOf(run, source);
  const writer = new StreamRecordingWriter(path);
  for (const point of points) writer.add(point);
  await writer.end();
}

async function pointsOf(
  run: (take: TakeSeries) => Promise<void>,
  { db, rp }: Measurement,
): Promise<readonly Point[]> {
  const all: Point[] = [];
  await run(async (series) => {
    if (all.length + series.size > QUERY_POINTS_MAX) {
      throw new Error(`the query gives more than ${QUERY_POINTS_MAX} points`);
    }
    const cursor = series.points(makeSeries(db, rp, series.name, series.tags));
    for (let point = cursor.next(); point !== undefined; point = cursor.next()) all.push(point);
  });
  return all.sort((a, b) => compareTime(a.timeMs, a.timeNs, b.timeMs, b.timeNs));
}

/** Throws `Error` with the original's text unless there is one source with database and policy. */
function sourceOf(text: string): Measurement {
  const { sources } = parseSingleSelect(text);
  const [source] = sources;
  const isFull = source?.kind === "measurement" && source.db !== "" && source.rp !== "";
  if (sources.length === 1 && isFull) return source;
  throw new Error(
    "could not determine database and retention policy. Is the query fully qualified?",
  );
}
