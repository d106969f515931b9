/**
 * The API from the client's side: requests, credentials, and answers read into plain records.
 *
 * Credentials come from the URL: `user:password@` becomes Basic, `?u=…&p=…` goes with every request.
 * Answers are checked where their members are read, so a server of another version gives an error, not
 * nonsense. A failure carries the server's own text. Source: cli §1, §10; http-api §13.
 */

import { errorMessage } from "#lib/errors.ts";
import { encodeJson, parseJson } from "#lib/json.ts";
import { UrlError } from "./command.ts";

/** The server refused, or cannot be reached. `status` 0 means there was no answer. */
export class ApiFailure extends Error {
  override name = "ApiFailure";
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export type JsonRecord = Readonly<Record<string, unknown>>;
export type Query = Readonly<Record<string, string | readonly string[]>>;

const ROOT = "/kapacitor/v1";

/** How many rows a list request asks for at once. */
const PAGE_ROWS = 100;

/** Pages fetched for one list; beyond, the list is refused rather than endless. */
const PAGES_MAX = 100_000;

export interface ApiOptions {
  readonly url: string;
  readonly skipVerify: boolean;
  /** Milliseconds after which a request is given up; no limit when absent. */
  readonly requestTimeMaxMs?: number;
}

interface Extra {
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  readonly accept?: string | undefined;
}

export class ApiClient {
  readonly #origin: string;
  readonly #authorization: string | undefined;
  readonly #credentials: readonly (readonly [string, string])[];
  readonly #skipVerify: boolean;
  readonly #requestTimeMaxMs: number | undefined;

  /** Throws `UrlError`. */
  constructor(options: ApiOptions) {
    const url = readUrl(options.url);
    this.#origin = url.origin;
    this.#skipVerify = options.skipVerify;
    this.#requestTimeMaxMs = options.requestTimeMaxMs;
    this.#authorization =
      url.username === ""
        ? undefined
        : `Basic ${btoa(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`)}`;
    this.#credentials = ["u", "p"].flatMap((name) => {
      const value = url.searchParams.get(name);
      return value === null ? [] : [[name, value] as const];
    });
  }

  /** A path below the API root, or a link's `href` as the server gave it. */
  async get(path: string, query: Query = {}, signal?: AbortSignal): Promise<JsonRecord> {
    return record(await this.#json("GET", path, query, undefined, signal));
  }

  async post(path: string, body: unknown): Promise<unknown> {
    return this.#json("POST", path, {}, body);
  }

  async patch(path: string, body: unknown): Promise<unknown> {
    return this.#json("PATCH", path, {}, body);
  }

  async put(path: string, body: unknown): Promise<unknown> {
    return this.#json("PUT", path, {}, body);
  }

  async delete(path: string): Promise<void> {
    await this.#json("DELETE", path, {});
  }

  /** `undefined` when there is no such thing. */
  async find(path: string, query: Query = {}): Promise<JsonRecord | undefined> {
    try {
      return await this.get(path, query);
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 404) return undefined;
      throw error;
    }
  }

  /** All rows of a list, page by page. `key` names the list in the answer. */
  async list(path: string, key: string, query: Query): Promise<readonly JsonRecord[]> {
    const rows: JsonRecord[] = [];
    for (let page = 0; page < PAGES_MAX; page++) {
      const offset = String(page * PAGE_ROWS);
      const answer = await this.get(path, { ...query, limit: String(PAGE_ROWS), offset });
      const found = records(answer, key);
      rows.push(...found);
      if (found.length < PAGE_ROWS) return rows;
    }
    throw new Error(`the server's list of ${key} does not end`);
  }

  /** The body as it is. */
  async bytes(path: string): Promise<{ readonly bytes: Uint8Array; readonly headers: Headers }> {
    const response = await this.#send("GET", path, {});
    return { bytes: await response.bytes(), headers: response.headers };
  }

  /**
   * Hands on the body piece by piece until it ends or the signal is aborted. `accept` is the form wanted, for
   * answers that have several.
   */
  async stream(
    path: string,
    options: {
      readonly query: Query;
      readonly signal: AbortSignal;
      readonly accept?: string | undefined;
    },
    take: (text: string) => void,
  ): Promise<void> {
    const { query, signal, accept } = options;
    try {
      const response = await this.#send("GET", path, query, { signal, accept });
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) take(decoder.decode(chunk, { stream: true }));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /**
   * Hands on a big body piece by piece; `total` is its announced length. Resolves with both lengths, which
   * differ when the body broke off; without an announced length that is an `ApiFailure`.
   */
  async download(
    path: string,
    take: (bytes: Uint8Array, total: number | undefined) => void,
  ): Promise<{ readonly received: number; readonly total: number }> {
    const response = await this.#send("GET", path, {});
    const announced = response.headers.get("content-length");
    const total = announced === null ? undefined : Number(announced);
    let received = 0;
    try {
      for await (const piece of pieces(response)) {
        received += piece.length;
        take(piece, total);
      }
    } catch (error) {
      if (!(error instanceof ApiFailure) || total === undefined) throw error;
    }
    return { received, total: total ?? received };
  }

  async #json(
    method: string,
    path: string,
    query: Query,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const given = signal === undefined ? { body } : { body, signal };
    const response = await this.#send(method, path, query, given);
    const text = await response.text();
    if (text.trim() === "") return undefined;
    const parsed = parseJson(text);
    if (!parsed.ok) throw new ApiFailure(response.status, `invalid response: ${parsed.error}`);
    return parsed.value;
  }

  async #send(method: string, path: string, query: Query, extra: Extra = {}): Promise<Response> {
    const response = await this.#fetch(method, this.#url(path, query), extra);
    if (response.ok) return response;
    throw new ApiFailure(response.status, failureText(response.status, await response.text()));
  }

  async #fetch(method: string, url: string, { body, accept, ...extra }: Extra): Promise<Response> {
    const timeMax = this.#requestTimeMaxMs;
    const signal = timeMax === undefined ? extra.signal : AbortSignal.timeout(timeMax);
    try {
      return await fetch(url, {
        method,
        headers: {
          "User-Agent": "KapacitorClient",
          ...(accept === undefined ? {} : { Accept: accept }),
          ...(this.#authorization === undefined ? {} : { Authorization: this.#authorization }),
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: encodeJson(body) }),
        ...(signal === undefined ? {} : { signal }),
        ...(this.#skipVerify ? { tls: { rejectUnauthorized: false } } : {}),
      });
    } catch (error) {
      const reason = errorMessage(error);
      throw new ApiFailure(0, `cannot reach ${this.#origin}: ${reason}`, { cause: error });
    }
  }

  #url(path: string, query: Query): string {
    const pairs = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const each of typeof value === "string" ? [value] : value) pairs.append(name, each);
    }
    for (const [name, value] of this.#credentials) pairs.append(name, value);
    const full = path.startsWith("/kapacitor/") ? path : ROOT + path;
    const text = pairs.toString();
    return text === "" ? this.#origin + full : `${this.#origin}${full}?${text}`;
  }
}

/** A body's pieces; a body that breaks off is an `ApiFailure`, so that it is told from a failing reader. */
async function* pieces(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { value } = await reader.read().catch((cause: unknown) => {
        throw new ApiFailure(200, `the answer broke off: ${errorMessage(cause)}`, { cause });
      });
      if (value === undefined) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function readUrl(text: string): URL {
  if (!/^https?:\/\//.test(text)) {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1] ?? "";
    throw new UrlError(
      `Unsupported protocol scheme: ${scheme}, your address must start with http:// or https://`,
    );
  }
  if (!URL.canParse(text)) throw new UrlError(`invalid URL: ${text}`);
  return new URL(text);
}

function failureText(status: number, body: string): string {
  const parsed = parseJson(body);
  if (parsed.ok && typeof parsed.value === "object" && parsed.value !== null) {
    const error: unknown = Reflect.get(parsed.value, "error");
    if (typeof error === "string" && error !== "") return error;
  }
  return `invalid response: code ${status}: body: ${body}`;
}

/** One part of a path; everything that could end or change it is escaped. */
export function pathPart(text: string): string {
  return encodeURIComponent(text);
}

export function record(value: unknown): JsonRecord {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw new ApiFailure(200, "invalid response: an object was expected");
}

export function records(from: JsonRecord, key: string): readonly JsonRecord[] {
  const value = from[key];
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new ApiFailure(200, `invalid response: ${key} is not a list`);
  return value.map(record);
}

/** A member as text; absent ones are empty. */
export function text(from: JsonRecord, key: string): string {
  const value = from[key];
  return value === undefined || value === null ? "" : String(value);
}

export function link(from: JsonRecord): string {
  return text(record(from["link"]), "href");
}
