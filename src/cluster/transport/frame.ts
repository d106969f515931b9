/**
 * Frames on a byte stream: `length u32 (big-endian) · body`.
 *
 * The cutter is fed whatever chunks the socket delivers and hands out whole bodies. Complete frames are views
 * into the chunk (socket chunks are stable memory); only an unfinished tail is copied, into a buffer that grows
 * with the bytes that really arrived, so that a peer announcing 32 MiB and sending nothing costs nothing.
 * Lengths are checked before anything is kept. Pure: no socket, no clock.
 * Source: reference gossip.md §4.2.
 */

import { WireError } from "../ports.ts";

/** Largest body accepted, in bytes: of the first frames (before the peer is trusted) and of the rest. */
export interface FrameLimits {
  readonly firstMax: number;
  readonly max: number;
}

/** Gossip TCP: HELLO ≤ 4 KiB, then ≤ 8 MiB. */
export const GOSSIP_FRAMES: FrameLimits = { firstMax: 4096, max: 8 * 1024 * 1024 };
/** RPC: HELLO ≤ 4 KiB, then ≤ 32 MiB. */
export const RPC_FRAMES: FrameLimits = { firstMax: 4096, max: 32 * 1024 * 1024 };

/** Bytes of the length prefix. */
export const FRAME_PREFIX = 4;

const FIRST_BUFFER = 4096;

/** A body with its length in front, in one new buffer. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  const out = new Uint8Array(FRAME_PREFIX + body.length);
  writeFrameLength(out, 0, body.length);
  out.set(body, FRAME_PREFIX);
  return out;
}

/** Writes a body length (≤ 2^32−1) at an offset of a buffer the caller fills itself. */
export function writeFrameLength(target: Uint8Array, at: number, length: number): void {
  target[at] = length >>> 24;
  target[at + 1] = (length >>> 16) & 0xff;
  target[at + 2] = (length >>> 8) & 0xff;
  target[at + 3] = length & 0xff;
}

/**
 * Cuts one direction of one connection into frames.
 *
 * `push` throws `WireError` for an empty or oversized frame; the stream is then out of step for good and
 * every later `push` throws the same error. Frames given out before the error are valid.
 */
export class FrameCutter {
  readonly #limits: FrameLimits;
  #trusted = false;
  /** Unfinished frame, prefix included; `#held` bytes of it are filled. */
  #tail: Uint8Array = new Uint8Array(0);
  #held = 0;
  #broken: WireError | undefined;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** The peer has said, and where keys are set proven, who it is: from the next frame on the larger bound holds. */
  trust(): void {
    this.#trusted = true;
  }

  /** Bytes of the unfinished frame kept so far. */
  get pendingBytes(): number {
    return this.#held;
  }

  /** Bodies stay valid after the call; they must not be written to. */
  push(chunk: Uint8Array, onFrame: (body: Uint8Array) => void): void {
    if (this.#broken !== undefined) throw this.#broken;
    let at = this.#held > 0 ? this.#finishTail(chunk, onFrame) : 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      const total = left < FRAME_PREFIX ? undefined : this.#frameSize(chunk, at);
      if (total === undefined || left < total) {
        this.#keep(chunk, at, left);
        return;
      }
      onFrame(chunk.subarray(at + FRAME_PREFIX, at + total));
      at += total;
    }
  }

  /** Completes the frame begun in earlier chunks; returns how many bytes of the chunk it took. */
  #finishTail(chunk: Uint8Array, onFrame: (body: Uint8Array) => void): number {
    let at = 0;
    if (this.#held < FRAME_PREFIX) {
      at = Math.min(FRAME_PREFIX - this.#held, chunk.length);
      this.#keep(chunk, 0, at);
      if (this.#held < FRAME_PREFIX) return at;
    }
    const total = this.#frameSize(this.#tail, 0);
    const take = Math.min(total - this.#held, chunk.length - at);
    this.#keep(chunk, at, take);
    at += take;
    if (this.#held < total) return at;
    const body = this.#tail.subarray(FRAME_PREFIX, total);
    this.#tail = new Uint8Array(0);
    this.#held = 0;
    onFrame(body);
    return at;
  }

  #keep(chunk: Uint8Array, at: number, count: number): void {
    const needed = this.#held + count;
    if (needed > this.#tail.length) {
      const grown = new Uint8Array(Math.max(needed, this.#tail.length * 2, FIRST_BUFFER));
      grown.set(this.#tail.subarray(0, this.#held));
      this.#tail = grown;
    }
    this.#tail.set(chunk.subarray(at, at + count), this.#held);
    this.#held = needed;
  }

  #frameSize(bytes: Uint8Array, at: number): number {
    const length =
      (bytes[at] ?? 0) * 0x1000000 +
      (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
    const max = this.#trusted ? this.#limits.max : this.#limits.firstMax;
    if (length > 0 && length <= max) return FRAME_PREFIX + length;
    this.#tail = new Uint8Array(0);
    this.#held = 0;
    this.#broken = new WireError(
      length === 0 ? "empty frame" : `frame of ${length} bytes is larger than ${max}`,
    );
    throw this.#broken;
  }
}
