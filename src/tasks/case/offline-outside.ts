/**
 * The outside of an offline run: takes everything, writes it down, and reaches nobody.
 *
 * Queries are read and printed by the real parts and find nothing; points for InfluxDB and posts are kept as
 * text; files of `sideload` are those that a case brings. In a strict run names that no configuration gives
 * (an InfluxDB, an endpoint) are refused as by a daemon without any; a lenient one takes every name, since the
 * configuration of the recording's origin is not at hand.
 */

import { BatchQuery } from "#clients/influx/batch-query.ts";
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
  SideloadFiles,
  SideloadSource,
} from "#engine/outside-ports.ts";
import { formatTime } from "#lib/time.ts";

export class OfflineOutside implements OutsidePorts {
  readonly queries: OfflineQueries;
  readonly points: OfflinePoints;
  readonly posts: OfflinePosts;
  readonly sideloads = new OfflineSideloads();

  constructor(isStrict: boolean) {
    this.queries = new OfflineQueries(isStrict);
    this.points = new OfflinePoints(isStrict);
    this.posts = new OfflinePosts(isStrict);
  }
}

class OfflineQueries implements BatchSource {
  readonly jitterMs = 0;
  /** Texts asked; of Flux scripts their `now`. */
  readonly asked: string[] = [];
  readonly #isStrict: boolean;

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  query({ text, dimensions, fill, cluster }: QuerySpec): OpenQuery {
    checkCluster(cluster, this.#isStrict);
    const query = new BatchQuery(text, { dimensions, fill });
    return {
      sources: this.#isStrict ? query.sources : [],
      run: async ({ start, stop, groupOffset }) => {
        this.asked.push(query.text(start, stop, groupOffset));
      },
    };
  }

  flux({ cluster }: FluxSpec): ReturnType<BatchSource["flux"]> {
    checkCluster(cluster, this.#isStrict);
    return {
      run: async ({ ms, ns }) => {
        this.asked.push(formatTime(ms, ns));
      },
    };
  }
}

function checkCluster(cluster: string, isStrict: boolean): void {
  if (isStrict && cluster !== "") {
    throw new Error(`no InfluxDB ${JSON.stringify(cluster)} is configured`);
  }
}

class OfflinePoints implements PointWriter {
  /** `db.rp precision consistency: line`. */
  readonly lines: string[] = [];
  readonly #isStrict: boolean;

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  open({ cluster }: PointSinkSpec): PointSink {
    checkCluster(cluster, this.#isStrict);
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
        counters.points_written++;
        this.lines.push(`${targetText(target)}: ${line}`);
        return true;
      },
      close: () => Promise.resolve(),
    };
  }
}

function targetText({ db, rp, precision, consistency }: PointTarget): string {
  return [`${db}.${rp}`, precision, consistency].filter((text) => text !== "").join(" ");
}

class OfflinePosts implements HttpPoster {
  readonly requests: PostRequest[] = [];
  /** What every post is answered. */
  answer: PostAnswer = { status: 204, body: "" };
  readonly #isStrict: boolean;

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  endpoint(name: string): PostEndpoint | undefined {
    return this.#isStrict ? undefined : { url: `http://${name}`, headers: {}, rowTemplate: "" };
  }

  post(request: PostRequest): Promise<PostAnswer> {
    this.requests.push(request);
    return Promise.resolve(this.answer);
  }
}

/** One set of files, whatever the source. */
class OfflineSideloads implements SideloadSource {
  readonly files = new Map<string, Readonly<Record<string, unknown>>>();

  open(): SideloadFiles {
    return { version: 1, file: (path) => this.files.get(path), close() {} };
  }
}

/** A post in one line. */
export function postLine({ url, headers, body, timeoutMs }: PostRequest): string {
  const named = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const limit = timeoutMs === 0 ? [] : [`${timeoutMs}ms`];
  return [url, ...limit, ...named, body.trimEnd()].join(" | ");
}
