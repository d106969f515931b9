/**
 * HELLO: the first frame of every TCP connection between members, sent by both sides.
 *
 * It says who is calling and from which cluster, in a fixed layout, so that a stranger is turned away before
 * anything of its choice is parsed. Layout (big-endian), 56 bytes; longer ones are accepted and the rest ignored
 * here (an acceptor with keys appends its proof, see `greeting.ts`; later versions can add fields):
 *
 *     0  1  magic 0xC8        4  1  purpose             8  16  member ID     32  16  nonce
 *     1  1  layout (1)        5  1  flags               24  8  boot number   48   8  cluster tag
 *     2  1  version, lowest   6  1  key hint, or 0
 *     3  1  version, highest  7  1  zero
 *
 * Flags: bit 0 removed, bit 1 the sender has keys, bit 2 it talks plainly too.
 * The file also holds the text ↔ 16 bytes form of UUIDs. Pure. Source: reference gossip.md §3, §4.2, §4.3.
 */

import { type MemberId, WireError } from "../ports.ts";

/** What the connection is for; the number is the wire's, the order never changes. */
export const HELLO_PURPOSES = ["sync", "ping", "big", "join", "rpc"] as const;
export type HelloPurpose = (typeof HELLO_PURPOSES)[number];

export interface Hello {
  /** Lowest and highest protocol version spoken, 1 … 255. */
  readonly versionMin: number;
  readonly versionMax: number;
  readonly purpose: HelloPurpose;
  /** Answer to a member that was removed from this cluster: it must not come back by itself. */
  readonly removed: boolean;
  readonly memberId: MemberId;
  /** 48 bits of wall-clock milliseconds, 16 random bits; a larger one is a later start of that member. */
  readonly boot: bigint;
  /** 16 random bytes, new for every connection. */
  readonly nonce: Uint8Array;
  /** 8 bytes; all zero means "no cluster", accepted only for joining. */
  readonly clusterTag: Uint8Array;
  /** Absent: the sender has no keys. */
  readonly keys?: HelloKeys;
}

/** What a member with keys says of them. */
export interface HelloKeys {
  /** First byte of the hash of the key it proves and seals with. */
  readonly hint: number;
  /** It would talk plainly to a peer without keys (`accept-plain`). */
  readonly plainToo: boolean;
}

/** Protocol versions this build speaks. Version 2: `done` frames between members (`rpc/codec.ts`). */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 2;

export const HELLO_BYTES = 56;
const MAGIC = 0xc8;
const LAYOUT = 1;
const FLAG_REMOVED = 1;
const FLAG_KEYS = 2;
const FLAG_PLAIN_TOO = 4;

/** The tag of a connection that belongs to no cluster yet. */
export const NO_CLUSTER: Uint8Array = new Uint8Array(8);

export function encodeHello(hello: Hello): Uint8Array {
  const out = new Uint8Array(HELLO_BYTES);
  out[0] = MAGIC;
  out[1] = LAYOUT;
  out[2] = hello.versionMin;
  out[3] = hello.versionMax;
  out[4] = HELLO_PURPOSES.indexOf(hello.purpose);
  out[5] = flagsOf(hello);
  out[6] = hello.keys?.hint ?? 0;
  out.set(uuidToBytes(hello.memberId), 8);
  new DataView(out.buffer).setBigUint64(24, hello.boot);
  out.set(hello.nonce.subarray(0, 16), 32);
  out.set(hello.clusterTag.subarray(0, 8), 48);
  return out;
}

function flagsOf({ removed, keys }: Hello): number {
  const sealing = keys === undefined ? 0 : FLAG_KEYS | (keys.plainToo ? FLAG_PLAIN_TOO : 0);
  return sealing | (removed ? FLAG_REMOVED : 0);
}

/** Throws `WireError` when the bytes are no HELLO we understand. Nothing of the input is kept by reference. */
export function decodeHello(bytes: Uint8Array): Hello {
  if (bytes.length < HELLO_BYTES) throw new WireError(`hello of ${bytes.length} bytes`);
  if (bytes[0] !== MAGIC) throw new WireError("not a hello: wrong magic");
  if (bytes[1] !== LAYOUT) throw new WireError(`hello of unknown layout ${bytes[1]}`);
  const versionMin = bytes[2] ?? 0;
  const versionMax = bytes[3] ?? 0;
  if (versionMin === 0 || versionMin > versionMax) {
    throw new WireError(`hello with versions ${versionMin} to ${versionMax}`);
  }
  const purpose = HELLO_PURPOSES[bytes[4] ?? 255];
  if (purpose === undefined) throw new WireError(`hello of unknown purpose ${bytes[4]}`);
  const flags = bytes[5] ?? 0;
  const keys = { hint: bytes[6] ?? 0, plainToo: (flags & FLAG_PLAIN_TOO) !== 0 };
  return {
    versionMin,
    versionMax,
    purpose,
    removed: (flags & FLAG_REMOVED) !== 0,
    ...((flags & FLAG_KEYS) === 0 ? {} : { keys }),
    memberId: memberIdFromBytes(bytes, 8),
    boot: new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(24),
    nonce: bytes.slice(32, 48),
    clusterTag: bytes.slice(48, 56),
  };
}

/** The version both sides speak, or `undefined` when the ranges do not meet. */
export function commonVersion(
  a: Pick<Hello, "versionMin" | "versionMax">,
  b: Pick<Hello, "versionMin" | "versionMax">,
): number | undefined {
  const version = Math.min(a.versionMax, b.versionMax);
  return version >= Math.max(a.versionMin, b.versionMin) ? version : undefined;
}

export function sameTag(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 8; i++) if (a[i] !== b[i]) return false;
  return true;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
const DASH_BEFORE = new Set([4, 6, 8, 10]);

/** Is this the lower-case text form of a UUID? */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The one way from text to a member ID: any letter case in, lower case out; `undefined` when it is no UUID. */
export function parseMemberId(text: string): MemberId | undefined {
  const lower = text.toLowerCase();
  return isUuid(lower) ? (lower as MemberId) : undefined;
}

/** 16 bytes of a UUID's text. Throws `WireError` for anything else. */
export function uuidToBytes(uuid: string): Uint8Array {
  if (!UUID.test(uuid)) throw new WireError(`not a UUID: ${uuid.slice(0, 64)}`);
  const digits = uuid.replaceAll("-", "");
  const out = new Uint8Array(16);
  for (let i = 0; i < 16; i++) out[i] = Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16);
  return out;
}

/** Text of the 16 bytes at an offset; the caller has checked that they are there. */
export function bytesToUuid(bytes: Uint8Array, at = 0): string {
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (DASH_BEFORE.has(i)) text += "-";
    text += HEX[bytes[at + i] ?? 0] ?? "00";
  }
  return text;
}

export function memberIdFromBytes(bytes: Uint8Array, at = 0): MemberId {
  return bytesToUuid(bytes, at) as MemberId;
}
