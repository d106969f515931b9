/**
 * Sealed frames of one RPC connection: `length u32 · key hint u8 · AES-256-GCM of the plain body`.
 *
 * The nonce is the number of the frame in its direction, so frames can neither be repeated, left out nor swapped. The
 * hint names the configured key whose derivation seals the frame: a rotation changes keys while the connection
 * lives. The associated data is the hint and the cluster ID. Source: reference gossip.md §11.
 */

import { type Crypto, SEAL_BYTES } from "../swim/crypto.ts";
import type { KeyRing } from "../swim/key-ring.ts";
import { encodeFrame, FRAME_PREFIX } from "../transport/frame.ts";
import type { Channels } from "../transport/greeting.ts";

/** Bytes a seal adds to a body. */
export const FRAME_SEAL_BYTES = 1 + SEAL_BYTES;

export interface FrameSealOptions {
  readonly crypto: Crypto;
  readonly ring: KeyRing;
  readonly channels: Channels;
  /** Empty for joining. */
  readonly clusterId: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export class FrameSeal {
  readonly #options: FrameSealOptions;
  /** The hint's place, then the cluster ID. */
  readonly #aad: Uint8Array;
  #sent = 0;
  #received = 0;

  constructor(options: FrameSealOptions) {
    this.#options = options;
    const id = new TextEncoder().encode(options.clusterId);
    this.#aad = new Uint8Array(1 + id.length);
    this.#aad.set(id, 1);
  }

  /** Takes and gives a frame with its length in front. Undefined when there is no key any more. */
  seal(frame: Uint8Array): Uint8Array | undefined {
    const { crypto, ring, channels } = this.#options;
    const key = ring.first;
    if (key === undefined) return undefined;
    const plain = frame.subarray(FRAME_PREFIX);
    this.#aad[0] = key.hint;
    const nonce = nonceOf(++this.#sent);
    const sealed = crypto.seal(channels.sealing.keyOf(key), nonce, this.#aad, plain);
    const body = new Uint8Array(1 + sealed.length);
    body[0] = key.hint;
    body.set(sealed, 1);
    return encodeFrame(body);
  }

  /** The plain body of the next frame. After a refusal the connection is of no use any more. */
  open(body: Uint8Array): Uint8Array | "unknown-key" | "bad-seal" {
    const { crypto, ring, channels, now } = this.#options;
    const hint = body[0] ?? 0;
    const nonce = nonceOf(++this.#received);
    this.#aad[0] = hint;
    let hinted = false;
    for (const key of ring.keys) {
      if (key.hint !== hint) continue;
      hinted = true;
      const plain = crypto.open(channels.opening.keyOf(key), nonce, this.#aad, body.subarray(1));
      if (plain === undefined) continue;
      ring.saw(key, now());
      return plain;
    }
    return hinted ? "bad-seal" : "unknown-key";
  }
}

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, Math.floor(counter / 0x100000000));
  view.setUint32(8, counter >>> 0);
  return nonce;
}
