/**
 * The engine's outside in memory: answers to queries are put in, what nodes sent can be looked at.
 *
 * Queries are read and printed by the real parts, so their texts are the real ones.
 */

import { BatchQuery } from "#clients/influx/batch-query.ts";
import { ColumnSeries } from "#clients/influx/column-series.ts";
import type {
  BatchSource,
  FluxSpec,
  HttpPoster,
  OpenQuery,
  OutsidePorts,
  PointSink,
  PointSinkSpec,
  PointTarget,
  PointWriter,
  PostAnswer,
  PostEndpoint,
  PostRequest,
  QuerySpec,
  ResultSeries,
  SideloadFiles,
  SideloadSource,
  TakeSeries,
} from "#engine/outside-ports.ts";
import { formatTime } from "#lib/time.ts";
import type { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";

/** One series of an answer; the first column is the time. */
export interface FakeSeries {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];
}

/** Every point of a series. */
export function allPoints(series: ResultSeries): readonly Point[] {
  const points: Point[] = [];
  const cursor = series.points(makeSeries("", "", series.name, series.tags));
  for (let point = cursor.next(); point !== undefined; point = cursor.next()) points.push(point);
  return points;
}

/** The points of some rows, as a query gives them. */
export function pointsOf(
  columns: readonly string[],
  values: readonly (readonly unknown[])[],
): readonly Point[] {
  return allPoints(seriesOf({ name: "m", columns, values }));
}

export function seriesOf({ name, tags = {}, columns, values }: FakeSeries): ColumnSeries {
  const series = new ColumnSeries(name, tags);
  const specs = columns.map((column) =>
    column === "time" ? undefined : { name: column, numbers: "float" as const },
  );
  series.addRows(specs, columns.indexOf("time"), values);
  return series;
}

/** What a query does: gives series, fails, or whatever else. */
export type FakeAnswer = (take: TakeSeries, signal: AbortSignal) => Promise<void>;

export function giving(...series: readonly FakeSeries[]): FakeAnswer {
  return async (take) => {
    for (const one of series) await take(seriesOf(one));
  };
}

export class FakeQueries implements BatchSource {
  jitterMs = 0;
  /** Texts asked, in order; of Flux scripts their `now`. */
  readonly asked: string[] = [];
  /** Answers to come, in order; an empty result when there are none. */
  readonly answers: FakeAnswer[] = [];
  /** Names of InfluxDBs that there are. */
  readonly clusters = new Set([""]);

  query({ text, dimensions, fill, cluster }: QuerySpec): OpenQuery {
    this.#check(cluster);
    const query = new BatchQuery(text, { dimensions, fill });
    return {
      sources: query.sources,
      run: ({ start, stop, groupOffset }, take, signal) =>
        this.#answer(query.text(start, stop, groupOffset), take, signal),
    };
  }

  flux({ cluster }: FluxSpec): ReturnType<BatchSource["flux"]> {
    this.#check(cluster);
    return {
      run: ({ ms, ns }, take, signal) => this.#answer(formatTime(ms, ns), take, signal),
    };
  }

  #check(cluster: string): void {
    if (!this.clusters.has(cluster)) throw new Error(`no InfluxDB "${cluster}" is configured`);
  }

  async #answer(text: string, take: TakeSeries, signal: AbortSignal): Promise<void> {
    this.asked.push(text);
    await this.answers.shift()?.(take, signal);
  }
}

export class FakeWriter implements PointWriter {
  readonly opened: PointSinkSpec[] = [];
  /** `db.rp precision consistency: line`. */
  readonly lines: string[] = [];
  /** Makes sinks refuse points. */
  full = false;
  closed = 0;
  /** Holds the close of sinks back. */
  closing: Promise<void> = Promise.resolve();

  open(spec: PointSinkSpec): PointSink {
    this.opened.push(spec);
    const counters = {
      points_written: 0,
      write_errors: 0,
      points_refused: 0,
      points_overflowed: 0,
      points_abandoned: 0,
    };
    return {
      counters,
      add: (target, line) => {
        if (this.full) {
          counters.points_overflowed++;
          return false;
        }
        counters.points_written++;
        this.lines.push(`${targetText(target)}: ${line}`);
        return true;
      },
      close: async () => {
        await this.closing;
        this.closed++;
      },
    };
  }
}

function targetText({ db, rp, precision, consistency }: PointTarget): string {
  return [`${db}.${rp}`, precision, consistency].filter((text) => text !== "").join(" ");
}

export class FakePosts implements HttpPoster {
  readonly endpoints = new Map<string, PostEndpoint>();
  readonly requests: PostRequest[] = [];
  /** Answers a request; any 2xx when not replaced. */
  answer: (request: PostRequest, signal: AbortSignal) => Promise<PostAnswer> = async () => ({
    status: 204,
    body: "",
  });

  endpoint(name: string): PostEndpoint | undefined {
    return this.endpoints.get(name);
  }

  post(request: PostRequest, signal: AbortSignal): Promise<PostAnswer> {
    this.requests.push(request);
    return this.answer(request, signal);
  }
}

/** One set of files, whatever the source. */
export class FakeSideloads implements SideloadSource {
  readonly files = new Map<string, Readonly<Record<string, unknown>>>();
  version = 1;
  users = 0;

  open(_source: string): SideloadFiles {
    const all = this;
    this.users++;
    return {
      get version() {
        return all.version;
      },
      file: (path) => all.files.get(path),
      close: () => {
        all.users--;
      },
    };
  }
}

export class FakeOutside implements OutsidePorts {
  readonly queries = new FakeQueries();
  readonly points = new FakeWriter();
  readonly posts = new FakePosts();
  readonly sideloads = new FakeSideloads();
}
