/**
 * Member IDs between text and 16 wire bytes.
 *
 * Hot path: every packet carries its sender's ID. Known IDs are interned in an `IdTable`, so reading
 * one makes no string; unknown ones are formatted and not remembered, so foreign packets cannot grow
 * the table.
 */

import type { MemberId } from "../ports.ts";
import { memberIdFromBytes, uuidToBytes } from "../transport/hello.ts";
import type { ByteReader } from "./bytes.ts";
import type { Profile } from "./message.ts";

/** A version 4 UUID of 16 random bytes. */
export function randomUuid(bytes: Uint8Array): MemberId {
  const copy = bytes.slice(0, 16);
  copy[6] = ((copy[6] ?? 0) & 0x0f) | 0x40;
  copy[8] = ((copy[8] ?? 0) & 0x3f) | 0x80;
  return memberIdFromBytes(copy);
}

/**
 * A learned ID with what is derived from it once: its wire bytes, its place in tables, its share of hashes,
 * and the last description of the member that was read or written, so that a table full of
 * descriptions that did not change is neither decoded nor encoded again.
 */
export interface KnownId {
  readonly id: MemberId;
  readonly bytes: Uint8Array;
  /** 0, 1, 2 … in the order of learning: an index into tables. */
  readonly slot: number;
  readonly hash: number;
  described: Described | undefined;
}

/** A member's description and its bytes as `profile.ts` writes them. */
export interface Described {
  readonly profile: Profile;
  readonly bytes: Uint8Array;
}

/** Interned IDs of one or (in the simulator) many members. Bounded by what `learn` is called for. */
export class IdTable {
  readonly #byId = new Map<MemberId, KnownId>();
  readonly #byHash = new Map<number, KnownId[]>();

  learn(id: MemberId): KnownId {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const bytes = uuidToBytes(id);
    const hash = hashAt(bytes, 0);
    const entry = { id, bytes, slot: this.#byId.size, hash, described: undefined };
    this.#byId.set(id, entry);
    const bucket = this.#byHash.get(hash);
    if (bucket === undefined) this.#byHash.set(hash, [entry]);
    else bucket.push(entry);
    return entry;
  }

  known(id: MemberId): KnownId | undefined {
    return this.#byId.get(id);
  }

  /** The learned ID at this place of a packet, if it is one. */
  knownAt(bytes: Uint8Array, at: number): KnownId | undefined {
    const bucket = this.#byHash.get(hashAt(bytes, at));
    if (bucket === undefined) return undefined;
    for (const entry of bucket) if (equalAt(entry.bytes, bytes, at)) return entry;
    return undefined;
  }

  /** Wire bytes of any ID, interned or not. */
  bytesOf(id: MemberId): Uint8Array {
    return this.#byId.get(id)?.bytes ?? uuidToBytes(id);
  }

  idAt(bytes: Uint8Array, at: number): MemberId {
    return this.knownAt(bytes, at)?.id ?? memberIdFromBytes(bytes, at);
  }

  read(from: ByteReader): MemberId {
    const at = from.at;
    from.skip(16);
    return this.idAt(from.bytes, at);
  }
}

function hashAt(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let i = 0; i < 16; i++) hash = (Math.imul(hash, 31) + (bytes[at + i] ?? 0)) | 0;
  return hash;
}

function equalAt(a: Uint8Array, b: Uint8Array, at: number): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[at + i]) return false;
  return true;
}
