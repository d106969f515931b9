/**
 * What nodes need of the outside besides alerts: queries, a place for points, HTTP posts, files of values.
 *
 * The core never opens a socket or a file; `daemon/outside.ts` implements these ports out of the
 * configuration and the clients, tests out of plain objects. Whatever can be checked early is checked by
 * `open` (a throw refuses the task); whatever may fail later rejects or is counted.
 */

import type { DurationNs } from "#lib/int64.ts";
import type { Time } from "#lib/time.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { LinePrecision } from "#model/line-protocol-format.ts";
import type { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";

/** One argument of a query's `.groupBy()`. */
export type QueryDimension =
  | { readonly kind: "tag"; readonly name: string }
  | { readonly kind: "all" }
  | { readonly kind: "time"; readonly interval: DurationNs; readonly offset: DurationNs };

export interface QuerySpec {
  readonly text: string;
  readonly dimensions: readonly QueryDimension[];
  /** `undefined`: none given. */
  readonly fill: string | number | undefined;
  /** Name of an InfluxDB; "" = the default one. */
  readonly cluster: string;
}

export interface FluxSpec {
  readonly text: string;
  /** Name of an InfluxDB; "" = the default one. */
  readonly cluster: string;
  /** At most one is not empty. */
  readonly org: string;
  readonly orgId: string;
}

/** All rows of one series that a query gave: what becomes a batch. Rows without any value are left out. */
export interface ResultSeries {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Number of points. */
  readonly size: number;
  /** The latest time of any point; `undefined` without points. */
  readonly latest: Time | undefined;
  /** Makes the points, in the order of the rows, as they are asked for. */
  points(series: Series): PointCursor;
}

/** Gives one point after the other, then `undefined`. */
export interface PointCursor {
  next(): Point | undefined;
}

/** Takes one series after the other; the query waits until it has been taken. */
export type TakeSeries = (series: ResultSeries) => Promise<void>;

export interface OpenQuery {
  /** Database and retention policy of every source. */
  readonly sources: readonly Dbrp[];
  /** Runs it for [start, stop). Rejects when it failed; what was taken until then was complete series. */
  run(range: QueryRange, take: TakeSeries, signal: AbortSignal): Promise<void>;
}

export interface QueryRange {
  readonly start: Time;
  readonly stop: Time;
  /** Replaces the offset of the time dimension. */
  readonly groupOffset: DurationNs | undefined;
}

export interface OpenFluxQuery {
  /** Runs it with this as its `now`. */
  run(now: Time, take: TakeSeries, signal: AbortSignal): Promise<void>;
}

export interface BatchSource {
  /** How much later than its time a query may run, ms, so that many tasks do not ask at once; 0 = off. */
  readonly jitterMs: number;
  /** Throws `Error` with the original's text when the query is not allowed or there is no such InfluxDB. */
  query(spec: QuerySpec): OpenQuery;
  flux(spec: FluxSpec): OpenFluxQuery;
}

export interface PointSinkSpec {
  /** Name of an InfluxDB; "" = the default one. */
  readonly cluster: string;
  /** Points per write; at least 1. */
  readonly buffer: number;
  /** ms; at least 1. */
  readonly flushIntervalMs: number;
  /** The database to make before the first write, with its retention policy ("" = InfluxDB's own). */
  readonly create: Dbrp | undefined;
  /** Names the node in log lines. */
  readonly task: string;
  readonly node: string;
}

export interface PointTarget {
  readonly db: string;
  readonly rp: string;
  readonly precision: LinePrecision;
  readonly consistency: string;
}

/** Figures of a sink, cumulative, under the names that node statistics show. */
export interface PointSinkCounters {
  readonly points_written: number;
  /** Failed attempts; an attempt may be repeated. */
  readonly write_errors: number;
  /** Lost: InfluxDB refused them. */
  readonly points_refused: number;
  /** Lost: the buffer was full. */
  readonly points_overflowed: number;
  /** Lost: still waiting when the task had stopped long enough. */
  readonly points_abandoned: number;
}

export interface PointSink {
  readonly counters: PointSinkCounters;
  /** Takes one line without line end; false when it was dropped (counted). Never waits. */
  add(target: PointTarget, line: string): boolean;
  /** Writes what waits, for a bounded time. */
  close(): Promise<void>;
}

export interface PointWriter {
  /** Throws `Error` when there is no such InfluxDB. */
  open(spec: PointSinkSpec): PointSink;
}

/** A `[[httppost]]` element as a post needs it. */
export interface PostEndpoint {
  /** Template of the URL. */
  readonly url: string;
  /** With the authorization. */
  readonly headers: Readonly<Record<string, string>>;
  /** Template of the body; "" = JSON. */
  readonly rowTemplate: string;
}

export interface PostRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** ms; 0 = the port's own limit. */
  readonly timeoutMs: number;
}

export interface PostAnswer {
  readonly status: number;
  /** The beginning of the body. */
  readonly body: string;
}

export interface HttpPoster {
  /** The endpoint as it is configured now; `undefined` when there is none. Throws when its file is unreadable. */
  endpoint(name: string): PostEndpoint | undefined;
  /** Rejects when there was no answer; any status is an answer. Error texts hold no secrets. */
  post(request: PostRequest, signal: AbortSignal): Promise<PostAnswer>;
}

/** A value of a sideload file: a scalar, or something that is none. */
export type SideloadValue = unknown;

/** The files of one source, read into memory. */
export interface SideloadFiles {
  /** Changes whenever the files were read anew. */
  readonly version: number;
  /** What a file holds by key; `undefined` when there is no such file. */
  file(path: string): Readonly<Record<string, SideloadValue>> | undefined;
  /** The task does not need them any more. */
  close(): void;
}

export interface SideloadSource {
  /** Reads a `file://` source, shared with all that have it open. Throws `Error` when it cannot be read. */
  open(source: string): SideloadFiles;
}

/** The outside as nodes see it. */
export interface OutsidePorts {
  readonly queries: BatchSource;
  readonly points: PointWriter;
  readonly posts: HttpPoster;
  readonly sideloads: SideloadSource;
}
