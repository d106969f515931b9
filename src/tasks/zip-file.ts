/**
 * Reads ZIP archives: the central directory and its stored or deflated entries, no more.
 *
 * Sizes are taken from the central directory at the file's end, so entries written as a stream are fine. Every
 * offset is checked against the file and every size against the bound given, so no bytes can make it read
 * elsewhere or unpack without end. Source: PKWARE APPNOTE 4.3 (public).
 */

import { inflateRawSync } from "node:zlib";
import { errorMessage } from "#lib/errors.ts";

/** The bytes are no archive that can be read here. */
export class ZipError extends Error {
  override name = "ZipError";
}

/** Entries of one archive; more are refused. */
const ENTRIES_MAX = 10_000;

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 0xffff;
const STORED = 0;
const DEFLATED = 8;
const ZIP64 = 0xffffffff;

export function isZip(file: Uint8Array): boolean {
  return file[0] === 0x50 && file[1] === 0x4b && (file[2] === 3 || file[2] === 5);
}

/** The entries by name, in the archive's order, at most `bytesMax` in all. Throws `ZipError`. */
export function unzip(file: Uint8Array, bytesMax: number): ReadonlyMap<string, Uint8Array> {
  try {
    return new ZipReader(file, bytesMax).entries();
  } catch (error) {
    if (error instanceof ZipError) throw error;
    // A RangeError of the view: some offset points outside of the file.
    throw new ZipError(`the archive is damaged: ${errorMessage(error)}`, { cause: error });
  }
}

class ZipReader {
  readonly #file: Uint8Array;
  readonly #view: DataView;
  #bytesLeft: number;

  constructor(file: Uint8Array, bytesMax: number) {
    this.#file = file;
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    this.#bytesLeft = bytesMax;
  }

  entries(): ReadonlyMap<string, Uint8Array> {
    const end = this.#findEnd();
    const count = this.#view.getUint16(end + 10, true);
    if (count > ENTRIES_MAX) throw new ZipError(`the archive has more than ${ENTRIES_MAX} entries`);
    let at = this.#view.getUint32(end + 16, true);
    const entries = new Map<string, Uint8Array>();
    for (let i = 0; i < count; i++) {
      this.#expect(at, CENTRAL);
      const view = this.#view;
      const nameBytes = view.getUint16(at + 28, true);
      const name = new TextDecoder().decode(this.#slice(at + CENTRAL_BYTES, nameBytes));
      entries.set(name, this.#entry(at, name));
      at +=
        CENTRAL_BYTES + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    }
    return entries;
  }

  #findEnd(): number {
    const first = Math.max(0, this.#file.length - END_BYTES - COMMENT_BYTES_MAX);
    for (let at = this.#file.length - END_BYTES; at >= first; at--) {
      if (this.#view.getUint32(at, true) === END) return at;
    }
    throw new ZipError("the archive has no end: it is cut off or no ZIP file");
  }

  #entry(central: number, name: string): Uint8Array {
    const view = this.#view;
    const method = view.getUint16(central + 10, true);
    const packed = view.getUint32(central + 20, true);
    const size = view.getUint32(central + 24, true);
    const local = view.getUint32(central + 42, true);
    if (packed === ZIP64 || size === ZIP64 || local === ZIP64) {
      throw new ZipError(`entry ${JSON.stringify(name)} is in ZIP64 form, which is not read`);
    }
    if (size > this.#bytesLeft) throw new ZipError("the archive holds too many bytes");
    this.#bytesLeft -= size;
    this.#expect(local, LOCAL);
    const from =
      local + LOCAL_BYTES + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const bytes = this.#slice(from, packed);
    if (method === STORED) return bytes;
    if (method !== DEFLATED) {
      throw new ZipError(`entry ${JSON.stringify(name)} has the unknown method ${method}`);
    }
    try {
      return inflateRawSync(bytes, { maxOutputLength: Math.max(1, size) });
    } catch (error) {
      throw new ZipError(`entry ${JSON.stringify(name)} cannot be unpacked`, { cause: error });
    }
  }

  #slice(from: number, length: number): Uint8Array {
    if (from + length > this.#file.length) throw new ZipError("the archive is cut off");
    return this.#file.subarray(from, from + length);
  }

  #expect(at: number, signature: number): void {
    if (this.#view.getUint32(at, true) !== signature) throw new ZipError("the archive is damaged");
  }
}
