/**
 * Writes recordings, as streams: nothing is kept in memory but what the disk has not taken yet.
 *
 * A stream recording is one gzip member of triples of lines: database, retention policy, line protocol with
 * nanoseconds. What the format cannot hold is left out and counted: points without a writable field, and
 * lines that contain a line feed or are longer than readers take. A disk that is too slow fails the
 * recording. Source: reference storage-and-influx.md §9.1.
 */

import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { createGzip } from "node:zlib";
import { formatKey, formatLine } from "#model/line-protocol-format.ts";
import type { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { RECORDING_LINE_BYTES_MAX } from "./recording-file.ts";
import { RECORDING_BACKLOG_CHARS_MAX, RECORDING_CHUNK_CHARS } from "./recording-limits.ts";

export class StreamRecordingWriter {
  readonly #gzip = createGzip();
  readonly #heads = new WeakMap<Series, SeriesHead>();
  readonly #failure = Promise.withResolvers<never>();
  readonly #written: Promise<void>;
  #text = "";
  #waiting = 0;
  #leftOut = 0;

  /** Makes or empties the file; trouble with it shows in `failed` and `end`. */
  constructor(path: string) {
    // Told through `failed` and `end`; an event that nobody takes would end the process.
    this.#gzip.on("error", () => {});
    // Whoever waits for neither must not bring the process down.
    this.#failure.promise.catch(() => {});
    this.#written = pack(this.#gzip, path);
    this.#written.catch((error: unknown) => this.#failure.reject(error));
  }

  /** Rejects as soon as the recording cannot be written; never resolves. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** Points that the format cannot hold. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Never throws and never waits. */
  add(point: Point): void {
    const head = this.#headOf(point.series);
    const line = head.fits ? formatLine(head.key, point) : undefined;
    if (line === undefined || !fitsOneLine(line)) {
      this.#leftOut++;
      return;
    }
    this.#text += `${head.dbrp}${line}\n`;
    if (this.#text.length >= RECORDING_CHUNK_CHARS) this.#flush();
  }

  /** Resolves when the file is complete and on disk. Rejects when it could not be written. */
  async end(): Promise<void> {
    this.#flush();
    this.#gzip.end();
    await this.#written;
  }

  #flush(): void {
    const text = this.#text;
    if (text === "") return;
    this.#text = "";
    if (this.#waiting + text.length > RECORDING_BACKLOG_CHARS_MAX) {
      this.#gzip.destroy(new Error("the disk is too slow for this recording"));
      return;
    }
    this.#waiting += text.length;
    this.#gzip.write(text, () => {
      this.#waiting -= text.length;
    });
  }

  #headOf(series: Series): SeriesHead {
    let head = this.#heads.get(series);
    if (head === undefined) {
      const { db, rp, name, tagKeys, tagValues } = series;
      const fits = fitsOneLine(db) && fitsOneLine(rp);
      head = { dbrp: `${db}\n${rp}\n`, key: formatKey(name, tagKeys, tagValues), fits };
      this.#heads.set(series, head);
    }
    return head;
  }
}

/** What all points of a series have in common. */
interface SeriesHead {
  readonly dbrp: string;
  readonly key: string;
  /** False when the format has no form for the names of database and policy. */
  readonly fits: boolean;
}

function fitsOneLine(text: string): boolean {
  if (text.includes("\n") || text.endsWith("\r")) return false;
  // A UTF-16 unit takes three bytes at most.
  if (text.length * 3 <= RECORDING_LINE_BYTES_MAX) return true;
  return Buffer.byteLength(text) <= RECORDING_LINE_BYTES_MAX;
}

/** Writes chunks to a file as they come, then makes it and its name durable. */
export async function pack(chunks: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, "w", 0o644);
  try {
    for await (const chunk of chunks) await writeAll(file, chunk);
    await file.sync();
  } finally {
    await file.close();
  }
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeAll(
  file: { write(bytes: Uint8Array, offset: number): Promise<{ bytesWritten: number }> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
