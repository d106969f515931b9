/**
 * Writes ZIP archives as a stream: deflated entries whose sizes follow them, so nothing is kept but their list.
 *
 * Times and dates are zero, as in archives of the original. Sizes are 32 bits wide; what does not fit is an error.
 * Source: PKWARE APPNOTE 4.3 (public).
 */

import { crc32, createDeflateRaw } from "node:zlib";

/** Sizes and offsets from here on need a form that many readers do not know. */
const SIZE_MAX = 0xffffffff;

const STREAMED = 0x8;
const DEFLATED = 8;
const VERSION = 20;

export interface ZipEntry {
  readonly name: string;
  readonly content: AsyncIterable<Uint8Array>;
}

interface Written {
  readonly name: Uint8Array;
  readonly offset: number;
  crc: number;
  packed: number;
  size: number;
}

/** The archive's bytes in order. Rejects when an entry does, or when the archive becomes too large. */
export async function* zip(entries: Iterable<ZipEntry>): AsyncGenerator<Uint8Array> {
  const list: Written[] = [];
  let offset = 0;
  for (const { name, content } of entries) {
    const entry = { name: new TextEncoder().encode(name), offset, crc: 0, packed: 0, size: 0 };
    list.push(entry);
    const head = localHeader(entry.name);
    yield head;
    for await (const chunk of deflated(content, entry)) {
      entry.packed += chunk.length;
      checkSize(entry.packed);
      yield chunk;
    }
    checkSize(entry.size);
    const descriptor = numbers([0x08074b50, 4], [entry.crc, 4], [entry.packed, 4], [entry.size, 4]);
    yield descriptor;
    offset += head.length + entry.packed + descriptor.length;
    checkSize(offset);
  }
  const directory = Buffer.concat(list.map(centralHeader));
  checkSize(offset + directory.length);
  yield directory;
  const count = list.length;
  yield numbers(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    [count, 2],
    [count, 2],
    [directory.length, 4],
    [offset, 4],
    [0, 2],
  );
}

async function* deflated(
  content: AsyncIterable<Uint8Array>,
  entry: Written,
): AsyncGenerator<Uint8Array> {
  const deflate = createDeflateRaw();
  deflate.on("error", () => {});
  const fed = feed(content, entry, deflate);
  fed.catch((error: Error) => deflate.destroy(error));
  for await (const chunk of deflate) yield chunk;
  await fed;
}

async function feed(
  content: AsyncIterable<Uint8Array>,
  entry: Written,
  deflate: ReturnType<typeof createDeflateRaw>,
): Promise<void> {
  for await (const chunk of content) {
    entry.crc = crc32(chunk, entry.crc);
    entry.size += chunk.length;
    await new Promise<void>((resolve, reject) => {
      deflate.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }
  deflate.end();
}

function localHeader(name: Uint8Array): Uint8Array {
  const head = numbers(
    [0x04034b50, 4],
    [VERSION, 2],
    [STREAMED, 2],
    [DEFLATED, 2],
    [0, 4],
    [0, 4],
    [0, 4],
    [0, 4],
    [name.length, 2],
    [0, 2],
  );
  return Buffer.concat([head, name]);
}

function centralHeader({ name, offset, crc, packed, size }: Written): Uint8Array {
  const head = numbers(
    [0x02014b50, 4],
    [VERSION, 2],
    [VERSION, 2],
    [STREAMED, 2],
    [DEFLATED, 2],
    [0, 4],
    [crc, 4],
    [packed, 4],
    [size, 4],
    [name.length, 2],
    [0, 2],
    [0, 2],
    [0, 2],
    [0, 2],
    [0, 4],
    [offset, 4],
  );
  return Buffer.concat([head, name]);
}

/** Little-endian numbers of two or four bytes. */
function numbers(...parts: readonly (readonly [value: number, bytes: 2 | 4])[]): Uint8Array {
  const out = Buffer.alloc(parts.reduce((sum, [, bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [value, bytes] of parts) {
    if (bytes === 2) out.writeUInt16LE(value, at);
    else out.writeUInt32LE(value, at);
    at += bytes;
  }
  return out;
}

function checkSize(bytes: number): void {
  if (bytes >= SIZE_MAX) throw new Error(`the archive is larger than ${SIZE_MAX} bytes`);
}
