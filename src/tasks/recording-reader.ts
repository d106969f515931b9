/**
 * Reads a stream recording piece by piece, so that its size costs no memory and blocks nobody.
 *
 * The same format as `recording-file.ts` reads at once; here the file must be packed, as files of recordings
 * are. Errors are texts of the original where it has one. Source: reference storage-and-influx.md §9.1.
 */

import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { errorMessage } from "#lib/errors.ts";
import { RECORDING_LINE_BYTES_MAX, type RecordedLines, RecordingError } from "./recording-file.ts";
import { REPLAY_BODY_BYTES } from "./recording-limits.ts";

const NEWLINE = 10;
const RETURN = 13;

/** Is there a file, and does it begin like a packed one? Throws `RecordingError` with the original's text. */
export async function checkStreamFile(path: string): Promise<void> {
  const start = await readStart(path);
  if (start.length === 0) throw new RecordingError("EOF");
  if (start[0] !== 0x1f || start[1] !== 0x8b) throw new RecordingError("gzip: invalid header");
}

/** The file's first bytes. Throws `RecordingError` when it cannot be read. */
export async function readStart(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, "r");
    try {
      const start = new Uint8Array(4);
      const { bytesRead } = await file.read(start, 0, 4, 0);
      return start.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new RecordingError(openError(path, error), { cause: error });
  }
}

function openError(path: string, error: unknown): string {
  const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
  return `open ${path}: ${missing ? "no such file or directory" : errorMessage(error)}`;
}

/** Lines of one database and policy that stand together. Throws `RecordingError` where the file is broken. */
export async function* readRecordedLines(path: string): AsyncGenerator<RecordedLines> {
  const decoder = new TextDecoder();
  const triple: Uint8Array[] = [];
  let [db, rp] = ["", ""];
  let lines: Uint8Array[] = [];
  let size = 0;
  for await (const line of readLines(path)) {
    triple.push(line);
    const [dbLine, rpLine, points] = triple;
    if (dbLine === undefined || rpLine === undefined || points === undefined) continue;
    triple.length = 0;
    const [nextDb, nextRp] = [decoder.decode(dbLine), decoder.decode(rpLine)];
    if (size > 0 && (nextDb !== db || nextRp !== rp || size >= REPLAY_BODY_BYTES)) {
      yield { db, rp, body: joinLines(lines, size) };
      lines = [];
      size = 0;
    }
    [db, rp] = [nextDb, nextRp];
    lines.push(points);
    size += points.length + 1;
  }
  if (size > 0) yield { db, rp, body: joinLines(lines, size) };
  if (triple.length > 0) {
    throw new RecordingError("invalid replay file format, expected another line");
  }
}

async function* readLines(path: string): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of unpacked(path)) {
    let bytes: Uint8Array = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
      yield trimmed(bytes.subarray(0, end));
      bytes = bytes.subarray(end + 1);
    }
    if (bytes.length > RECORDING_LINE_BYTES_MAX + 1) throw lineTooLong();
    rest = bytes;
  }
  if (rest.length > 0) yield trimmed(rest);
}

function trimmed(line: Uint8Array): Uint8Array {
  const end = line.at(-1) === RETURN ? line.length - 1 : line.length;
  if (end > RECORDING_LINE_BYTES_MAX) throw lineTooLong();
  return line.subarray(0, end);
}

function lineTooLong(): RecordingError {
  const most = RECORDING_LINE_BYTES_MAX;
  return new RecordingError(`a line of the recording is longer than ${most} bytes`);
}

async function* unpacked(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  const gunzip = createGunzip();
  file.on("error", (error) => gunzip.destroy(error));
  file.pipe(gunzip);
  try {
    for await (const chunk of gunzip) yield chunk;
  } catch (error) {
    throw new RecordingError(`cannot unpack the recording: ${errorMessage(error)}`, {
      cause: error,
    });
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

function joinLines(lines: readonly Uint8Array[], size: number): Uint8Array {
  const body = new Uint8Array(size);
  let at = 0;
  for (const line of lines) {
    body.set(line, at);
    at += line.length;
    body[at++] = NEWLINE;
  }
  return body;
}
