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
    const { length } = value;
    this.#need(length);
    this.bytes.set(value, this.at);
    this.at += length;
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
  at: number;
  #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.#end = end;
  }

  get end(): number {
    return this.#end;
  }

  get left(): number {
    return this.#end - this.at;
  }

  /** Narrows the window to the next `count` bytes; returns the end that `widen` takes back. */
  narrow(count: number): number {
    const end = this.#end;
    if (this.at + count > end) throw new WireError("record is cut short");
    this.#end = this.at + count;
    return end;
  }

  widen(end: number): void {
    this.#end = end;
  }

  u8(): number {
    return this.bytes[this.#take(1)] as number;
  }

  u16(): number {
    const at = this.#take(2);
    return ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number);
  }

  u32(): number {
    const at = this.#take(4);
    const { bytes } = this;
    const low =
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number);
    return (bytes[at] as number) * 0x1000000 + low;
  }

  u64(): bigint {
    const high = this.u32();
    return (BigInt(high) << 32n) | BigInt(this.u32());
  }

  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** Skips `expected` if exactly these bytes come next; says whether they did. */
  skipIfNext(expected: Uint8Array): boolean {
    const { bytes, at } = this;
    const { length } = expected;
    if (at + length > this.#end) return false;
    // From the end: what changes between two descriptions of a member are its last fields or its boot.
    for (let i = length - 1; i >= 0; i--) if (bytes[at + i] !== expected[i]) return false;
    this.at = at + length;
    return true;
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
    if (at + count > this.#end) throw new WireError("record is too short");
    this.at = at + count;
    return at;
  }
}
