/**
 * Request bodies: read with a bound, unpacked with a bound, decoded without regard to the content type.
 *
 * JSON is read like a stream: the first value counts and whatever follows it is ignored, because clients
 * of the original may send a line feed or a second value. Source: http-api §1.3.
 */

import { gunzipSync } from "node:zlib";
import { parseJson } from "#lib/json.ts";
import { BodyBudget } from "./body-budget.ts";
import { ApiError, badRequest, tooLarge } from "./errors.ts";
import {
  BODIES_BYTES_MAX,
  BODY_UNCOUNTED_BYTES_MAX,
  JSON_BODY_BYTES_MAX,
  JSON_DEPTH_MAX,
  WHOLE_BODIES_BYTES_MAX,
  WHOLE_BODY_BYTES_MAX,
} from "./limits.ts";

/** Of all servers in this process: they share its memory. */
export const unfinishedBodies = new BodyBudget(BODIES_BYTES_MAX);

/**
 * The whole body. Throws 413 beyond `bytesMax`, also for a body that does not say how long it is, and 503 when it is
 * given up because too much of unfinished bodies is held.
 */
export function readBody(
  request: Request,
  bytesMax: number,
  budget = unfinishedBodies,
): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  const size = declared === null ? Number.POSITIVE_INFINITY : Number(declared);
  const isSmall = size <= BODY_UNCOUNTED_BYTES_MAX && size <= bytesMax;
  return isSmall ? readWhole(request, bytesMax) : readLarge(request, size, bytesMax, budget);
}

/** `size` is the announced one, infinite where none was. */
async function readLarge(
  request: Request,
  size: number,
  bytesMax: number,
  budget: BodyBudget,
): Promise<Uint8Array> {
  if (size !== Number.POSITIVE_INFINITY && size > bytesMax) throw bodyTooLarge(bytesMax);
  const hasRoom = size <= WHOLE_BODY_BYTES_MAX && announced + size <= WHOLE_BODIES_BYTES_MAX;
  if (!hasRoom) {
    // Looked at only here: a body that was asked for as a stream is never again received at once.
    const { body } = request;
    return body === null ? readWhole(request, bytesMax) : readParts(body, bytesMax, budget);
  }
  announced += size;
  try {
    return await readWhole(request, bytesMax);
  } finally {
    announced -= size;
  }
}

/** Bytes announced by larger bodies that are being received at once. */
let announced = 0;

async function readWhole(request: Request, bytesMax: number): Promise<Uint8Array> {
  let buffer: ArrayBuffer;
  try {
    buffer = await request.arrayBuffer();
  } catch {
    throw badRequest("unexpected EOF");
  }
  if (buffer.byteLength > bytesMax) throw bodyTooLarge(bytesMax);
  return new Uint8Array(buffer);
}

/**
 * Gives a body's memory back at once; nobody may look at the bytes again. The collector does not feel their weight: at
 * 300 MB/s a gigabyte of dead bodies could wait for it.
 */
export function releaseBody({ buffer, byteLength }: Uint8Array): void {
  // A part of a larger buffer may not be the only one.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

async function readParts(
  body: ReadableStream<Uint8Array>,
  bytesMax: number,
  budget: BodyBudget,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let total = 0;
  let givenUp = false;
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => {});
  const held = budget.open(() => {
    givenUp = true;
    cancel();
  });
  try {
    for (;;) {
      const part = await nextPart(reader);
      if (part === undefined && !givenUp) return Buffer.concat(parts, total);
      if (part === undefined || !held.take(part.length)) throw bodyGivenUp();
      total += part.length;
      if (total > bytesMax) throw bodyTooLarge(bytesMax);
      parts.push(part);
    }
  } catch (error) {
    cancel();
    throw error;
  } finally {
    held.close();
  }
}

/** Undefined at the end of the body, or when it was given up. */
async function nextPart(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<Uint8Array | undefined> {
  try {
    return (await reader.read()).value;
  } catch {
    throw badRequest("unexpected EOF");
  }
}

function bodyGivenUp(): ApiError {
  return new ApiError(
    503,
    "too much of unfinished request bodies is held, and this one waited longest for its next part",
  );
}

function bodyTooLarge(bytesMax: number): ApiError {
  return tooLarge(`request body is too large, at most ${bytesMax} bytes are accepted`);
}

/** Unpacks gzip. Throws 400 `gzip: …` for bad data and 413 when it unpacks to more than `bytesMax`. */
export function unpack(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length === 0) throw badRequest("EOF");
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8) {
    throw badRequest("gzip: invalid header");
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    throw gzipError(error, bytesMax);
  }
}

function gzipError(error: unknown, bytesMax: number): ApiError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ERR_BUFFER_TOO_LARGE") {
    return tooLarge(`request body unpacks to more than ${bytesMax} bytes`);
  }
  return badRequest(code === "Z_BUF_ERROR" ? "unexpected EOF" : "gzip: invalid checksum or data");
}

export type FirstJson =
  | { readonly ok: true; readonly value: unknown }
  /** `EOF` for an empty body, `unexpected EOF` for a cut one, else what is wrong. */
  | { readonly ok: false; readonly error: string };

/** Reads the body's first JSON value. Throws 413 as `readBody`. */
export async function readJson(request: Request): Promise<FirstJson> {
  const bytes = await readBody(request, JSON_BODY_BYTES_MAX);
  return firstJson(new TextDecoder().decode(bytes));
}

/** The first JSON value of a request's body; throws the answer that clients know when there is none. */
export async function jsonOf(request: Request): Promise<unknown> {
  const body = await readJson(request);
  if (!body.ok) throw badRequest("invalid JSON");
  return body.value;
}

/** The first JSON value of a text; integers beyond 2^53 stay exact. */
export function firstJson(text: string): FirstJson {
  const span = firstSpan(text);
  if (typeof span === "string") return { ok: false, error: span };
  const parsed = parseJson(text.slice(span.from, span.to));
  return parsed.ok ? parsed : { ok: false, error: parsed.error.replace("JSON Parse error: ", "") };
}

/** Where the first value lies, or why there is none. Only the extent is found; `parseJson` judges it. */
function firstSpan(text: string): { from: number; to: number } | string {
  const from = text.search(/[^ \t\r\n]/);
  if (from < 0) return "EOF";
  const first = text[from];
  if (first === '"') return spanTo(from, stringEnd(text, from));
  if (first !== "{" && first !== "[") {
    const length = text.slice(from).search(/[ \t\r\n,[\]{}"]/);
    return { from, to: length < 0 ? text.length : Math.max(from + 1, from + length) };
  }
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      const end = stringEnd(text, i);
      if (end < 0) return "unexpected EOF";
      i = end - 1;
    } else if (char === "{" || char === "[") {
      if (++depth > JSON_DEPTH_MAX) return `exceeded max depth of ${JSON_DEPTH_MAX}`;
    } else if (char === "}" || char === "]") {
      if (--depth === 0) return { from, to: i + 1 };
    }
  }
  return "unexpected EOF";
}

function spanTo(from: number, to: number): { from: number; to: number } | string {
  return to < 0 ? "unexpected EOF" : { from, to };
}

/** The index behind the closing quote of the string that opens at `from`, or −1. */
function stringEnd(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i + 1;
  }
  return -1;
}
