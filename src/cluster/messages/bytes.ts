/**
 * Writing and reading the gossip wire's bytes: big-endian numbers and short texts.
 *
 * The writer works in one buffer that is reused for every packet, so that encoding allocates nothing
 * but the final copy. The reader never reads beyond its window: a short or overlong field is a
 * `WireError`, caught once per packet and counted.
 */

import { WireError } from "../ports.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Appends to a growing buffer; `at` is the next position. */
export class ByteWriter {
  bytes: Uint8Array;
  #view: DataView;
  at = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): void {
    this.#need(1);
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.#need(2);
    this.#view.setUint16(this.at, value);
    this.at += 2;
  }

  u32(value: number): void {
    this.#need(4);
    this.#view.setUint32(this.at, value);
    this.at += 4;
  }

  u64(value: bigint): void {
    this.#need(8);
    this.#view.setBigUint64(this.at, value);
    this.at += 8;
  }

  raw(value: Uint8Array): void {
    this.#need(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  /** Length byte and UTF-8; texts beyond 255 bytes are the caller's bug and are refused. */
  text(value: string): void {
    const bytes = encoder.encode(value);
    if (bytes.length > 255) throw new WireError("text longer than 255 bytes");
    this.u8(bytes.length);
    this.raw(bytes);
  }

  /** Overwrites two bytes written earlier: lengths are known only afterwards. */
  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }

  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  /** A copy of everything written since `from`. */
  copy(from = 0): Uint8Array {
    return this.bytes.slice(from, this.at);
  }

  #need(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.at + count));
    grown.set(this.bytes);
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads from `start` to `end` of a buffer; what it returns by `raw` is a view into that buffer. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }

  text(): string {
    const bytes = this.raw(this.u8());
    try {
      return decoder.decode(bytes);
    } catch {
      throw new WireError("text is not UTF-8");
    }
  }

  #take(count: number): number {
    const at = this.at;
    if (at + count > this.end) throw new WireError("record is too short");
    this.at = at + count;
    return at;
  }
}
