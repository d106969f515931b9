/**
 * How a connection between members becomes sealed: HELLO both ways, a proof both ways, then a key per direction.
 *
 *     dialler → HELLO      acceptor → HELLO + proof      dialler → proof, then anything
 *
 * A proof is an HMAC over both HELLOs (so over both nonces) under a key of the cluster; the HELLO says by a hint
 * which one. The direction's keys are made from the same digest, so nothing of one connection fits into another.
 * Which configured key seals may change while the connection is open; each frame carries its hint.
 * Without keys on either side there is no proof, and HELLO alone opens the connection. Pure: no socket, no clock.
 * Source: reference gossip.md §4.2, §11.
 */

import type { Crypto } from "../swim/crypto.ts";
import { type KeyRing, type RingKey, sameBytes } from "../swim/key-ring.ts";
import { encodeHello, HELLO_BYTES, type Hello, type HelloKeys } from "./hello.ts";

/** Why a peer may not open a connection; words of packets' `DropReason`. */
export type GreetingRefusal =
  | "sealed-without-keys"
  | "plain-with-keys"
  | "unknown-key"
  | "bad-seal";

/** The two kinds of connections; part of every derived key. */
export type ChannelLabel = "tcp 1" | "rpc 1";

/** Bytes of a proof. */
export const PROOF_BYTES = 32;
/** First two bytes of the dialler's proof frame: magic and layout. */
const PROOF_MAGIC = 0xc9;
const PROOF_LAYOUT = 1;

/** Roles in derivations: what the dialler sends, what the acceptor sends. */
const DIALLER = 0;
const ACCEPTOR = 1;
type Role = typeof DIALLER | typeof ACCEPTOR;

/** The derived keys of one direction of one connection. */
export class Channel {
  readonly #crypto: Crypto;
  readonly #salt: Uint8Array;
  readonly #info: Uint8Array;
  readonly #keys = new Map<RingKey, Uint8Array>();

  constructor(crypto: Crypto, salt: Uint8Array, info: Uint8Array) {
    this.#crypto = crypto;
    this.#salt = salt;
    this.#info = info;
  }

  /** 32 bytes, made once per configured key. */
  keyOf(key: RingKey): Uint8Array {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const made = this.#crypto.hkdf(key.bytes, this.#salt, this.#info, 32);
    this.#keys.set(key, made);
    return made;
  }
}

export interface Channels {
  /** What this side sends. */
  readonly sealing: Channel;
  readonly opening: Channel;
}

/** The connection may be used; without channels everything on it is plain. */
export interface Greeted {
  readonly channels: Channels | undefined;
  /** The key of the peer's proof. */
  readonly key: RingKey | undefined;
}

export interface GreetingOptions {
  readonly crypto: Crypto;
  readonly ring: KeyRing;
  readonly label: ChannelLabel;
  /** The cluster's ID; empty for joining, where there is none in common. */
  readonly clusterId: string;
}

/** The dialler's end. */
export class DialledGreeting {
  readonly #options: GreetingOptions;
  readonly #keys: HelloKeys | undefined;
  readonly #own: Uint8Array;
  readonly #proofKey: RingKey | undefined;

  constructor(options: GreetingOptions, hello: Hello) {
    this.#options = options;
    this.#proofKey = options.ring.first;
    this.#keys = helloKeys(options.ring);
    this.#own = encodeHello(withKeys(hello, this.#keys));
  }

  /** Our HELLO. */
  get hello(): Uint8Array {
    return this.#own;
  }

  /** The acceptor's HELLO: refused, or greeted with the proof to send first. */
  meet(
    peer: Hello,
    bytes: Uint8Array,
  ): GreetingRefusal | (Greeted & { readonly proof: Uint8Array | undefined }) {
    const agreed = agree(this.#keys, peer.keys);
    if (agreed === "plain") return { channels: undefined, key: undefined, proof: undefined };
    if (agreed !== "sealed") return agreed;
    const shared = new Shared(this.#options, this.#own, bytes);
    const theirs = bytes.subarray(HELLO_BYTES, HELLO_BYTES + PROOF_BYTES);
    const key = shared.proved(theirs, peer.keys?.hint ?? 0, ACCEPTOR);
    if (typeof key === "string") return key;
    // The key may have been deleted since our HELLO named it.
    const own = this.#proofKey ?? key;
    const proof = new Uint8Array(2 + PROOF_BYTES);
    proof.set([PROOF_MAGIC, PROOF_LAYOUT]);
    proof.set(shared.proof(own, DIALLER), 2);
    return { channels: shared.channels(DIALLER), key, proof };
  }
}

/** The acceptor's end. */
export class AcceptedGreeting {
  readonly #options: GreetingOptions;
  readonly #peerHint: number;
  readonly #shared: Shared | undefined;
  /** Our HELLO, with the proof when there is one. */
  readonly answer: Uint8Array;
  /** Set: the peer is turned away. */
  readonly refusal: GreetingRefusal | undefined;

  /** `hello`: ours; `bytes`: the peer's as it came. */
  constructor(options: GreetingOptions, hello: Hello, peer: Hello, bytes: Uint8Array) {
    this.#options = options;
    this.#peerHint = peer.keys?.hint ?? 0;
    const keys = helloKeys(options.ring);
    const own = encodeHello(withKeys(hello, keys));
    const agreed = agree(keys, peer.keys);
    this.answer = own;
    const { first } = options.ring;
    if (agreed !== "sealed" || first === undefined) {
      this.refusal = agreed === "plain" || agreed === "sealed" ? undefined : agreed;
      return;
    }
    if (!options.ring.keys.some(({ hint }) => hint === this.#peerHint)) {
      this.refusal = "unknown-key";
      return;
    }
    this.#shared = new Shared(options, bytes, own);
    this.answer = new Uint8Array(HELLO_BYTES + PROOF_BYTES);
    this.answer.set(own);
    this.answer.set(this.#shared.proof(first, ACCEPTOR), HELLO_BYTES);
  }

  /** A proof must come before anything else. */
  get awaitsProof(): boolean {
    return this.#shared !== undefined;
  }

  /** The dialler's proof frame. */
  check(body: Uint8Array): GreetingRefusal | Greeted {
    const shared = this.#shared;
    const framed = body[0] === PROOF_MAGIC && body[1] === PROOF_LAYOUT;
    if (shared === undefined || !framed || !this.#options.ring.sealing) return "bad-seal";
    const key = shared.proved(body.subarray(2), this.#peerHint, DIALLER);
    return typeof key === "string" ? key : { channels: shared.channels(ACCEPTOR), key };
  }
}

/** What both sides know after both HELLOs. */
class Shared {
  readonly #options: GreetingOptions;
  readonly #salt: Uint8Array;
  readonly #digest: Uint8Array;

  /** The dialler's HELLO and the acceptor's, as sent; a proof behind them is not part of the digest. */
  constructor(options: GreetingOptions, dialler: Uint8Array, acceptor: Uint8Array) {
    this.#options = options;
    this.#salt = encoder.encode(options.clusterId);
    const both = new Uint8Array(2 * HELLO_BYTES);
    both.set(dialler.subarray(0, HELLO_BYTES));
    both.set(acceptor.subarray(0, HELLO_BYTES), HELLO_BYTES);
    this.#digest = options.crypto.sha256(both);
  }

  channels(own: Role): Channels {
    const { crypto, label } = this.#options;
    const channel = (role: Role): Channel =>
      new Channel(crypto, this.#salt, this.#info(label, role));
    return {
      sealing: channel(own),
      opening: channel(own === DIALLER ? ACCEPTOR : DIALLER),
    };
  }

  /** HKDF's one block is an HMAC-SHA-256 over the digest, under a key made from the cluster's. */
  proof(key: RingKey, role: Role): Uint8Array {
    const info = this.#info(`${this.#options.label} proof`, role);
    return this.#options.crypto.hkdf(key.bytes, this.#salt, info, PROOF_BYTES);
  }

  /** Which of our keys made the proof. */
  proved(proof: Uint8Array, hint: number, role: Role): RingKey | "unknown-key" | "bad-seal" {
    const hinted = this.#options.ring.keys.filter((key) => key.hint === hint);
    const key = hinted.find((candidate) => sameBytes(this.proof(candidate, role), proof));
    return key ?? (hinted.length === 0 ? "unknown-key" : "bad-seal");
  }

  #info(label: string, role: Role): Uint8Array {
    const text = encoder.encode(label);
    const info = new Uint8Array(text.length + this.#digest.length + 1);
    info.set(text);
    info.set(this.#digest, text.length);
    info[info.length - 1] = role;
    return info;
  }
}

const encoder = new TextEncoder();

function helloKeys(ring: KeyRing): HelloKeys | undefined {
  const { first } = ring;
  return first === undefined ? undefined : { hint: first.hint, plainToo: ring.switching };
}

function withKeys(hello: Hello, keys: HelloKeys | undefined): Hello {
  return keys === undefined ? hello : { ...hello, keys };
}

/** Both sides come to the same answer, as each sees only what both have said. */
function agree(
  own: HelloKeys | undefined,
  peer: HelloKeys | undefined,
): "plain" | "sealed" | GreetingRefusal {
  if (own !== undefined && peer !== undefined) return "sealed";
  if (own === undefined && peer === undefined) return "plain";
  if (own !== undefined) return own.plainToo ? "plain" : "plain-with-keys";
  return peer?.plainToo === true ? "plain" : "sealed-without-keys";
}
