/**
 * Reads recordings: files of points that were written down to be fed to tasks again.
 *
 * A stream recording (`.srpl`) is a gzip member of triples of lines: database, retention policy, line protocol.
 * A batch recording (`.brpl`) is a ZIP with one entry per query of the task, each a run of JSON objects, one
 * batch a line. What is not compressed is taken as it is, so recordings can be written by hand. Any other
 * bytes are a `RecordingError`; nothing larger than `RECORDING_BYTES_MAX` is unpacked.
 * Source: reference storage-and-influx.md §9.1.
 */

import { gunzipSync } from "node:zlib";
import { errorMessage } from "#lib/errors.ts";
import { parseTime, type Time } from "#lib/time.ts";
import { Point } from "#model/point.ts";
import { makeSeries, type Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";
import { isZip, unzip } from "./zip-file.ts";

/** The file is no recording. Whoever made it is at fault; nothing was changed. */
export class RecordingError extends Error {
  override name = "RecordingError";
}

/** Unpacked bytes of one recording. Beyond, it is refused: a bomb, or a file to be cut into pieces. */
export const RECORDING_BYTES_MAX = 1024 * 1024 * 1024;
/** Bytes of one line of a stream recording, as in the original. */
export const RECORDING_LINE_BYTES_MAX = 64 * 1024;

/** Lines of one database and retention policy that stand one after the other. */
export interface RecordedLines {
  readonly db: string;
  readonly rp: string;
  /** Line protocol, each line with its line feed. */
  readonly body: Uint8Array;
}

/** Bytes of lines handed out at once. */
const BODY_BYTES = 1024 * 1024;
const NEWLINE = 10;
const RETURN = 13;

/** The lines of a stream recording in order. Throws `RecordingError` where the file is broken. */
export function* readStreamRecording(file: Uint8Array): Generator<RecordedLines> {
  const bytes = unpacked(file);
  const decoder = new TextDecoder();
  const reader = new LineReader(bytes);
  let db = "";
  let rp = "";
  let lines: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const dbLine = reader.next();
    if (dbLine === undefined) break;
    const rpLine = reader.next();
    const line = reader.next();
    if (rpLine === undefined || line === undefined) {
      throw new RecordingError("invalid replay file format, expected another line");
    }
    const nextDb = decoder.decode(dbLine);
    const nextRp = decoder.decode(rpLine);
    if (size > 0 && (nextDb !== db || nextRp !== rp || size >= BODY_BYTES)) {
      yield { db, rp, body: joined(lines, size) };
      lines = [];
      size = 0;
    }
    db = nextDb;
    rp = nextRp;
    lines.push(line);
    size += line.length + 1;
  }
  if (size > 0) yield { db, rp, body: joined(lines, size) };
}

class LineReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #line = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): Uint8Array | undefined {
    const bytes = this.#bytes;
    if (this.#at >= bytes.length) return undefined;
    const found = bytes.indexOf(NEWLINE, this.#at);
    let end = found < 0 ? bytes.length : found;
    const from = this.#at;
    this.#at = end + 1;
    this.#line++;
    if (bytes[end - 1] === RETURN && end > from) end--;
    if (end - from > RECORDING_LINE_BYTES_MAX) {
      const most = RECORDING_LINE_BYTES_MAX;
      throw new RecordingError(`line ${this.#line} of the recording is longer than ${most} bytes`);
    }
    return bytes.subarray(from, end);
  }
}

function joined(lines: readonly Uint8Array[], size: number): Uint8Array {
  const body = new Uint8Array(size);
  let at = 0;
  for (const line of lines) {
    body.set(line, at);
    at += line.length;
    body[at++] = NEWLINE;
  }
  return body;
}

/** One recorded batch, ready to be handed to a task. */
export interface RecordedBatch {
  readonly name: string;
  readonly byName: boolean;
  readonly tags: Readonly<Record<string, string>>;
  /** As recorded, but not before the last point. */
  readonly tmax: Time;
  /** At least one. */
  readonly points: readonly Point[];
}

/** The batches of each query, in the order of the task's queries. Empty batches are left out, as on replay. */
export function readBatchRecording(file: Uint8Array): readonly (readonly RecordedBatch[])[] {
  if (!isZip(file)) return [readBatches(unpacked(file), "recording")];
  const entries = unzip(file, RECORDING_BYTES_MAX);
  const names = [...entries.keys()].sort((a, b) => Number(a) - Number(b));
  return names.map((name) =>
    readBatches(entries.get(name) ?? new Uint8Array(), `entry ${JSON.stringify(name)}`),
  );
}

/** Batches as JSON, one a line. Throws `RecordingError` that names the place. */
export function readBatches(bytes: Uint8Array, what: string): readonly RecordedBatch[] {
  const batches: RecordedBatch[] = [];
  const text = new TextDecoder().decode(bytes);
  let line = 0;
  for (const json of text.split("\n")) {
    line++;
    if (json.trim() === "") continue;
    try {
      const batch = batchOf(JSON.parse(json));
      if (batch !== undefined) batches.push(batch);
    } catch (error) {
      throw new RecordingError(`line ${line} of ${what}: ${errorMessage(error)}`, { cause: error });
    }
  }
  return batches;
}

function batchOf(input: unknown): RecordedBatch | undefined {
  if (!isRecord(input)) throw new RecordingError("a batch must be an object");
  const name = optional(input, "name", "string") ?? "";
  const tags = tagsOf(input["tags"]);
  const points = new PointReader(name, tags).points(input["points"]);
  const last = points.at(-1);
  if (last === undefined) return undefined;
  const given = input["tmax"] === undefined ? undefined : timeOf(input["tmax"], "tmax");
  const isLater =
    given !== undefined &&
    (given.ms > last.timeMs || (given.ms === last.timeMs && given.ns > last.timeNs));
  const tmax = given !== undefined && isLater ? given : { ms: last.timeMs, ns: last.timeNs };
  return { name, byName: optional(input, "byname", "boolean") ?? false, tags, tmax, points };
}

/** Reads points; those with the same tags share a series, those with the same fields a shape. */
class PointReader {
  readonly #name: string;
  readonly #tags: Readonly<Record<string, string>>;
  readonly #series = new Map<string, Series>();

  constructor(name: string, tags: Readonly<Record<string, string>>) {
    this.#name = name;
    this.#tags = tags;
  }

  points(input: unknown): readonly Point[] {
    if (input === undefined || input === null) return [];
    if (!Array.isArray(input)) throw new RecordingError('"points" must be a list');
    return input.map((item: unknown) => this.#point(item));
  }

  #point(input: unknown): Point {
    if (!isRecord(input)) throw new RecordingError("a point must be an object");
    const time = timeOf(input["time"], "time");
    const fields = input["fields"] ?? {};
    if (!isRecord(fields)) throw new RecordingError('"fields" must be an object');
    const names: string[] = [];
    const types: FieldType[] = [];
    const values: FieldValue[] = [];
    for (const [name, held] of Object.entries(fields)) {
      if (held === null) continue;
      names.push(name);
      types.push(typeOf(name, held));
      values.push(held as FieldValue);
    }
    const series = this.#seriesOf(tagsOf(input["tags"]));
    return new Point(series, internShape(names, types), values, time.ms, time.ns);
  }

  #seriesOf(own: Readonly<Record<string, string>>): Series {
    const key = JSON.stringify(own);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = makeSeries("", "", this.#name, { ...this.#tags, ...own });
      this.#series.set(key, series);
    }
    return series;
  }
}

/** Numbers of query results are floats, whatever they look like. */
function typeOf(name: string, held: unknown): FieldType {
  if (typeof held === "number") return "float";
  if (typeof held === "string" || typeof held === "boolean") return typeof held as FieldType;
  throw new RecordingError(`field ${JSON.stringify(name)} must be a number, a string or a boolean`);
}

function tagsOf(input: unknown): Readonly<Record<string, string>> {
  if (input === undefined || input === null) return {};
  if (!isRecord(input)) throw new RecordingError('"tags" must be an object');
  const wrong = Object.keys(input).find((key) => typeof input[key] !== "string");
  if (wrong !== undefined)
    throw new RecordingError(`tag ${JSON.stringify(wrong)} must be a string`);
  return input as Readonly<Record<string, string>>;
}

function timeOf(input: unknown, name: string): Time {
  const time = typeof input === "string" ? parseTime(input) : undefined;
  if (time === undefined) throw new RecordingError(`"${name}" must be a time in RFC 3339`);
  return time;
}

function optional(
  input: Readonly<Record<string, unknown>>,
  key: string,
  type: "string",
): string | undefined;
function optional(
  input: Readonly<Record<string, unknown>>,
  key: string,
  type: "boolean",
): boolean | undefined;
function optional(
  input: Readonly<Record<string, unknown>>,
  key: string,
  type: "string" | "boolean",
): unknown {
  const held = input[key];
  if (held === undefined || held === null) return undefined;
  if (typeof held === type) return held;
  throw new RecordingError(`"${key}" must be a ${type}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unpacked(file: Uint8Array): Uint8Array {
  if (file[0] !== 0x1f || file[1] !== 0x8b) return file;
  try {
    return gunzipSync(file, { maxOutputLength: RECORDING_BYTES_MAX });
  } catch (error) {
    throw new RecordingError(`cannot unpack the recording: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
