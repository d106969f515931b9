/**
 * InfluxDB 1.x over HTTP: ping, query, streamed query, write.
 *
 * Requests go round robin over the URLs. When a connection cannot be made or breaks, the next URL is tried
 * at once (all are asked at most once; a repeated write is harmless, since InfluxDB overwrites equal points).
 * An answer with an error status is not tried elsewhere. Nothing is remembered but counters, so a client may
 * be shared by everything that talks to one cluster.
 */

import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { LinePrecision } from "#model/line-protocol-format.ts";
import {
  ANSWER_BYTES_MAX,
  CHUNK_BYTES_MAX,
  CHUNK_ROWS,
  ERROR_BODY_BYTES_MAX,
  GZIP_BYTES_MIN,
} from "./limits.ts";
import { type InfluxResult, type InfluxSeries, parseAnswer } from "./result.ts";

/** What went wrong with a request. State at InfluxDB is unknown when `status` is undefined. */
export class InfluxError extends Error {
  override name = "InfluxError";
  /** HTTP status, or `undefined` when there was no answer. */
  readonly status: number | undefined;
  /** True when the same request may succeed later: no answer, 429, 5xx but not a bad write. */
  readonly retryable: boolean;

  constructor(message: string, status: number | undefined, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.retryable = status === undefined || status === 429 || status >= 500;
  }
}

export interface InfluxClientOptions {
  /** At least one. Only scheme, host and port count; a user in a URL is used when `username` is empty. */
  readonly urls: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** `Authorization: Token …`; wins over the user name. */
  readonly token?: string;
  /** Makes the value of `Authorization: Bearer …` for each request; wins over everything. */
  readonly bearer?: () => string;
  /** Of one request on one URL including its answer, ms; 0 = none. */
  readonly timeoutMs?: number;
  /** Of write bodies. */
  readonly compression?: "gzip" | "none";
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly insecureSkipVerify?: boolean;
  };
}

/** Where a write goes. */
export interface WriteTarget {
  readonly db: string;
  readonly rp: string;
  readonly precision: LinePrecision | string;
  readonly consistency: string;
}

/** A Flux script and for whom it runs; names or IDs that are "" are left out. */
export interface FluxRequest {
  readonly script: string;
  readonly org: string;
  readonly orgId: string;
  /** RFC 3339. */
  readonly now: string;
}

export interface InfluxCounters {
  /** Requests begun, answered with an error, and moved on to another URL. */
  requests: number;
  errors: number;
  failovers: number;
}

interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

const USER_AGENT = "KapacitorInfluxDBClient";

export class InfluxClient {
  readonly counters: InfluxCounters = { requests: 0, errors: 0, failovers: 0 };
  readonly #options: InfluxClientOptions;
  readonly #clock: Clock;
  readonly #urls: readonly URL[];
  #turn = 0;

  /** Throws `TypeError` when a URL is not one. */
  constructor(options: InfluxClientOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#urls = options.urls.map((url) => new URL(url));
  }

  /** The version of the first URL that answers. */
  async ping(signal?: AbortSignal): Promise<string> {
    return await this.#send(
      { method: "GET", path: "/ping", params: {} },
      signal,
      async (response) => {
        if (response.status !== 204) throw await refusal(response);
        return response.headers.get("X-Influxdb-Version") ?? "";
      },
    );
  }

  /** Runs statements and returns one result for each. For answers that are small. */
  async query(statement: string, signal?: AbortSignal): Promise<readonly InfluxResult[]> {
    const params = { db: "", q: statement };
    return await this.#send(
      { method: "POST", path: "/query", params },
      signal,
      async (response) => {
        if (response.status !== 200) throw await refusal(response);
        const answer = parseAnswer(await readText(response, ANSWER_BYTES_MAX));
        if (!answer.ok) throw new InfluxError(answer.error, 200);
        return answer.results;
      },
    );
  }

  /**
   * Runs one SELECT and hands over its series in pieces of at most `CHUNK_ROWS` rows while they arrive. Rows
   * of one series come in several pieces with equal name and tags, one after the other. Once a piece was
   * handed over no other URL is tried.
   */
  async queryStream(
    statement: string,
    take: (series: InfluxSeries) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const params = { db: "", q: statement, chunked: "true", chunk_size: String(CHUNK_ROWS) };
    await this.#send({ method: "POST", path: "/query", params }, signal, async (response) => {
      if (response.status !== 200) throw await refusal(response);
      let taken = false;
      try {
        for await (const text of lines(response)) {
          const answer = parseAnswer(text);
          if (!answer.ok) throw new InfluxError(answer.error, 200);
          for (const { series } of answer.results) for (const one of series) await take(one);
          taken = true;
        }
      } catch (error) {
        if (!taken || error instanceof InfluxError) throw error;
        const text = `answer broke off: ${errorMessage(error)}`;
        throw new InfluxError(text, response.status, { cause: error });
      }
    });
  }

  /**
   * Runs a Flux script by the 2.x API and hands over its answer, annotated CSV, in pieces of any length while it
   * arrives. Once a piece was handed over no other URL is tried.
   */
  async fluxStream(
    { script, org, orgId, now }: FluxRequest,
    take: (text: string) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const dialect = { header: true, delimiter: ",", annotations: ["datatype", "group", "default"] };
    const request: Request = {
      method: "POST",
      path: "/api/v2/query",
      params: { ...(org === "" ? {} : { org }), ...(orgId === "" ? {} : { orgID: orgId }) },
      headers: { "Content-Type": "application/json", Accept: "application/csv" },
      body: new TextEncoder().encode(JSON.stringify({ query: script, type: "flux", now, dialect })),
    };
    await this.#send(request, signal, async (response) => {
      if (response.status !== 200) throw await refusal(response);
      const decoder = new TextDecoder();
      let taken = false;
      try {
        for await (const chunk of response.body ?? []) {
          await take(decoder.decode(chunk, { stream: true }));
          taken = true;
        }
        await take(decoder.decode());
      } catch (error) {
        if (!taken || error instanceof InfluxError) throw error;
        const text = `answer broke off: ${errorMessage(error)}`;
        throw new InfluxError(text, response.status, { cause: error });
      }
    });
  }

  /** Writes lines of line protocol. */
  async write(target: WriteTarget, lines: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { db, rp, precision, consistency } = target;
    const zip = this.#options.compression !== "none" && lines.length >= GZIP_BYTES_MIN;
    const request: Request = {
      method: "POST",
      path: "/write",
      params: { consistency, db, precision, rp },
      headers: {
        "Content-Type": "application/octet-stream",
        ...(zip ? { "Content-Encoding": "gzip" } : {}),
      },
      body: zip ? Bun.gzipSync(new Uint8Array(lines)) : lines,
    };
    await this.#send(request, signal, async (response) => {
      if (response.status !== 204 && response.status !== 200) throw await refusal(response);
      await response.body?.cancel();
    });
  }

  /** Tries the URLs in turn until one answers; `read` errors other than a broken connection are final. */
  async #send<T>(
    request: Request,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    this.counters.requests += 1;
    this.#turn = (this.#turn + 1) % this.#urls.length;
    const first = this.#turn;
    let last: unknown;
    for (let attempt = 0; attempt < this.#urls.length; attempt++) {
      const url = this.#urls[(first + attempt) % this.#urls.length] as URL;
      if (attempt > 0) this.counters.failovers += 1;
      try {
        return await this.#ask(url, request, signal, read);
      } catch (error) {
        last = error;
        if (error instanceof InfluxError && error.status !== undefined) break;
        if (signal?.aborted === true) break;
      }
    }
    this.counters.errors += 1;
    throw last;
  }

  async #ask<T>(
    base: URL,
    request: Request,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const url = new URL(request.path, base.origin);
    for (const [key, value] of Object.entries(request.params)) url.searchParams.set(key, value);
    const guard = new AbortController();
    const abort = (): void => guard.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted === true) abort();
    const { timeoutMs = 0 } = this.#options;
    const expire = (): void => guard.abort(new Error(`timed out after ${timeoutMs} ms`));
    const cancel = timeoutMs > 0 ? this.#clock.after(timeoutMs, expire) : undefined;
    try {
      const response = await fetch(url, this.#init(base, request, guard.signal));
      return await read(response);
    } catch (error) {
      if (error instanceof InfluxError) throw error;
      const reason = guard.signal.aborted ? guard.signal.reason : error;
      const text = `${request.method} ${base.origin}${request.path}: ${errorMessage(reason)}`;
      throw new InfluxError(text, undefined, { cause: error });
    } finally {
      signal?.removeEventListener("abort", abort);
      cancel?.();
    }
  }

  #init(base: URL, request: Request, signal: AbortSignal): BunFetchRequestInit {
    const { tls } = this.#options;
    const authorization = this.#authorization(base);
    return {
      method: request.method,
      headers: {
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "gzip",
        ...(authorization === undefined ? {} : { Authorization: authorization }),
        ...request.headers,
      },
      signal,
      ...(request.body === undefined ? {} : { body: new Uint8Array(request.body) }),
      ...(tls === undefined ? {} : { tls: tlsInit(tls) }),
    };
  }

  #authorization(base: URL): string | undefined {
    const { bearer, token = "", username = "", password = "" } = this.#options;
    if (bearer !== undefined) return `Bearer ${bearer()}`;
    if (token !== "") return `Token ${token}`;
    if (username !== "") return basic(username, password);
    if (base.username === "") return undefined;
    return basic(decodeURIComponent(base.username), decodeURIComponent(base.password));
  }
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function tlsInit(tls: NonNullable<InfluxClientOptions["tls"]>): Record<string, unknown> {
  const { ca, cert, key, insecureSkipVerify = false } = tls;
  return {
    rejectUnauthorized: !insecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** The error of an answer: its JSON's `error` (1.x) or `message` (2.x), or the status and the body's beginning. */
async function refusal(response: Response): Promise<InfluxError> {
  const text = await readText(response, ANSWER_BYTES_MAX);
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null) {
      const said = "error" in json ? json.error : "message" in json ? json.message : undefined;
      if (typeof said === "string") return new InfluxError(said, response.status);
    }
  } catch {
    // Not JSON: shown as it is.
  }
  const shown = text.slice(0, ERROR_BODY_BYTES_MAX);
  const message = `invalid response: code ${response.status}: body: ${shown}`;
  return new InfluxError(message, response.status);
}

async function readText(response: Response, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) throw tooLarge(response, bytesMax);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function tooLarge(response: Response, bytesMax: number): InfluxError {
  return new InfluxError(`answer is larger than ${bytesMax} bytes`, response.status);
}

/** The lines of a body as they arrive; without the empty ones. */
async function* lines(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const pieces = decoder.decode(chunk, { stream: true }).split("\n");
    for (let i = 0; i < pieces.length - 1; i++) {
      const line = parts.join("") + pieces[i];
      parts = [];
      size = 0;
      if (line !== "") yield line;
    }
    const rest = pieces.at(-1) as string;
    parts.push(rest);
    size += rest.length;
    if (size > CHUNK_BYTES_MAX) throw tooLarge(response, CHUNK_BYTES_MAX);
  }
  const last = parts.join("") + decoder.decode();
  if (last !== "") yield last;
}
