/**
 * Packets: a 44-byte header, records, and a checksum or a seal (gossip.md §4.1). The same form is a
 * datagram and a frame of a gossip TCP connection.
 *
 *      0  1  magic 0xC7         3   1  key hint      28  8  sender's boot number
 *      1  1  version 1          4   8  cluster tag   36  8  counter
 *      2  1  flags (1 sealed)  12  16  sender        44  …  records, then CRC-32C or GCM tag
 *
 * Every reason for refusing a packet is a word of `DropReason` and is counted under it. Nothing is kept for a
 * sender before its packet was found whole.
 */

import { ByteReader, type ByteWriter } from "../messages/bytes.ts";
import type { IdTable } from "../messages/member-id.ts";
import type { MemberId } from "../ports.ts";
import { crc32c } from "./crc32c.ts";
import { type Crypto, SEAL_BYTES } from "./crypto.ts";

export const HEADER_BYTES = 44;
const MAGIC = 0xc7;
const PROTOCOL = 1;
const SEALED = 1;
/** Bits 1–3: a packet using one we do not know must not be half understood. */
const MUST_UNDERSTAND = 0b1110;
const CRC_BYTES = 4;

export type DropReason =
  | "short"
  | "long"
  | "magic"
  | "version"
  | "flags"
  | "foreign-cluster"
  | "sealed-without-keys"
  | "plain-with-keys"
  | "unknown-key"
  | "bad-seal"
  | "bad-crc";

/** A whole packet: who sent it and where its records are. */
export interface Opened {
  readonly sender: MemberId;
  readonly boot: bigint;
  readonly counter: number;
  readonly records: ByteReader;
}

/** Keys of one direction of one TCP connection, by the index of the configured key. */
export interface Channel {
  /** What both HELLOs hash to, with the direction: makes the derived keys the connection's own. */
  readonly info: Uint8Array;
  keys: (Uint8Array | undefined)[];
}

interface PeerKeys {
  boot: bigint;
  keys: (Uint8Array | undefined)[];
}

export interface PacketIdentity {
  readonly clusterId: string;
  readonly clusterTag: Uint8Array;
  readonly id: MemberId;
  readonly boot: bigint;
}

export class PacketCodec {
  readonly #crypto: Crypto;
  readonly #ids: IdTable;
  #identity: PacketIdentity;
  #salt: Uint8Array;
  #keys: readonly Uint8Array[] = [];
  #hints: readonly number[] = [];
  #acceptPlain = false;
  #own: (Uint8Array | undefined)[] = [];
  readonly #peers = new Map<MemberId, PeerKeys>();

  constructor(crypto: Crypto, ids: IdTable, identity: PacketIdentity) {
    this.#crypto = crypto;
    this.#ids = ids;
    this.#identity = identity;
    this.#salt = text(identity.clusterId);
  }

  /** The first key seals, all open. 32 bytes each. */
  setKeys(keys: readonly Uint8Array[], acceptPlain: boolean): void {
    this.#keys = keys;
    this.#hints = keys.map((key) => this.#crypto.sha256(key)[0] ?? 0);
    this.#acceptPlain = acceptPlain;
    this.#own = [];
    this.#peers.clear();
  }

  setIdentity(identity: PacketIdentity): void {
    this.#identity = identity;
    this.#salt = text(identity.clusterId);
    this.#own = [];
    this.#peers.clear();
  }

  get sealing(): boolean {
    return this.#keys.length > 0;
  }

  /** Bytes a packet has beyond its records. */
  get overhead(): number {
    return HEADER_BYTES + (this.sealing ? SEAL_BYTES : CRC_BYTES);
  }

  /** Writes the header; records follow. */
  begin(to: ByteWriter, counter: number): void {
    to.at = 0;
    to.u8(MAGIC);
    to.u8(PROTOCOL);
    to.u8(this.sealing ? SEALED : 0);
    to.u8(this.sealing ? (this.#hints[0] ?? 0) : 0);
    to.raw(this.#identity.clusterTag);
    to.raw(this.#ids.bytesOf(this.#identity.id));
    to.u64(this.#identity.boot);
    to.u32(Math.floor(counter / 0x100000000));
    to.u32(counter >>> 0);
  }

  /** Ends the packet; returns a copy ready to send. `channel` for frames of a TCP connection. */
  finish(to: ByteWriter, channel?: Channel): Uint8Array {
    if (!this.sealing) {
      to.u32(crc32c(to.bytes, 0, to.at));
      return to.copy();
    }
    const header = to.bytes.slice(0, HEADER_BYTES);
    const key = channel === undefined ? this.#ownKey() : this.#channelKey(channel, 0);
    const sealed = this.#crypto.seal(
      key,
      nonceOf(header),
      this.#aad(header),
      to.copy(HEADER_BYTES),
    );
    const out = new Uint8Array(HEADER_BYTES + sealed.length);
    out.set(header);
    out.set(sealed, HEADER_BYTES);
    return out;
  }

  /** Checks a packet as far as its seal; replay is the caller's. */
  open(bytes: Uint8Array, max: number, channel?: Channel): Opened | DropReason {
    if (bytes.length < HEADER_BYTES + CRC_BYTES) return "short";
    if (bytes.length > max) return "long";
    if (bytes[0] !== MAGIC) return "magic";
    if (bytes[1] !== PROTOCOL) return "version";
    const flags = bytes[2] ?? 0;
    if ((flags & MUST_UNDERSTAND) !== 0) return "flags";
    const tag = this.#identity.clusterTag;
    for (let i = 0; i < 8; i++) if (bytes[4 + i] !== tag[i]) return "foreign-cluster";
    return (flags & SEALED) === 0 ? this.#openPlain(bytes) : this.#openSealed(bytes, channel);
  }

  #openPlain(bytes: Uint8Array): Opened | DropReason {
    if (this.sealing && !this.#acceptPlain) return "plain-with-keys";
    const end = bytes.length - CRC_BYTES;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (crc32c(bytes, 0, end) !== view.getUint32(end)) return "bad-crc";
    return this.#opened(bytes, view, new ByteReader(bytes, HEADER_BYTES, end));
  }

  #openSealed(bytes: Uint8Array, channel: Channel | undefined): Opened | DropReason {
    if (!this.sealing) return "sealed-without-keys";
    if (bytes.length < HEADER_BYTES + SEAL_BYTES) return "short";
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const header = bytes.subarray(0, HEADER_BYTES);
    let hinted = false;
    for (let i = 0; i < this.#keys.length; i++) {
      if (this.#hints[i] !== bytes[3]) continue;
      hinted = true;
      const key =
        channel === undefined ? this.#peerKey(bytes, view, i) : this.#channelKey(channel, i);
      const sealed = bytes.subarray(HEADER_BYTES);
      const body = this.#crypto.open(key, nonceOf(header), this.#aad(header), sealed);
      if (body === undefined) continue;
      const opened = this.#opened(bytes, view, new ByteReader(body));
      if (channel === undefined) this.#keepPeerKey(opened, i, key);
      return opened;
    }
    return hinted ? "bad-seal" : "unknown-key";
  }

  #opened(bytes: Uint8Array, view: DataView, records: ByteReader): Opened {
    return {
      sender: this.#ids.idAt(bytes, 12),
      boot: view.getBigUint64(28),
      counter: view.getUint32(36) * 0x100000000 + view.getUint32(40),
      records,
    };
  }

  #aad(header: Uint8Array): Uint8Array {
    const aad = new Uint8Array(HEADER_BYTES + this.#salt.length);
    aad.set(header);
    aad.set(this.#salt, HEADER_BYTES);
    return aad;
  }

  #ownKey(): Uint8Array {
    this.#own[0] ??= this.#derive(0, this.#ids.bytesOf(this.#identity.id), this.#identity.boot);
    return this.#own[0];
  }

  #peerKey(bytes: Uint8Array, view: DataView, index: number): Uint8Array {
    const boot = view.getBigUint64(28);
    const known = this.#peers.get(this.#ids.idAt(bytes, 12));
    const cached = known?.boot === boot ? known.keys[index] : undefined;
    return cached ?? this.#derive(index, bytes.subarray(12, 28), boot);
  }

  /** Only senders that proved to hold a key are remembered, and no more than the table can have. */
  #keepPeerKey(opened: Opened, index: number, key: Uint8Array): void {
    let known = this.#peers.get(opened.sender);
    if (known === undefined || known.boot < opened.boot) {
      if (known === undefined && this.#peers.size >= PEER_KEYS_MAX) this.#peers.clear();
      known = { boot: opened.boot, keys: [] };
      this.#peers.set(opened.sender, known);
    }
    if (known.boot === opened.boot) known.keys[index] = key;
  }

  #derive(index: number, id: Uint8Array, boot: bigint): Uint8Array {
    const info = new Uint8Array(5 + 16 + 8);
    info.set(text("udp 1"));
    info.set(id, 5);
    new DataView(info.buffer).setBigUint64(21, boot);
    return this.#crypto.hkdf(this.#keys[index] ?? new Uint8Array(32), this.#salt, info, 32);
  }

  #channelKey(channel: Channel, index: number): Uint8Array {
    const known = channel.keys[index];
    if (known !== undefined) return known;
    const master = this.#keys[index] ?? new Uint8Array(32);
    const key = this.#crypto.hkdf(master, this.#salt, channel.info, 32);
    channel.keys[index] = key;
    return key;
  }
}

const PEER_KEYS_MAX = 12_000;

/** 4 zero bytes and the packet's counter: no key sees a nonce twice, because a counter is used once. */
function nonceOf(header: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce.set(header.subarray(36, 44), 4);
  return nonce;
}

const encoder = new TextEncoder();

function text(value: string): Uint8Array {
  return encoder.encode(value);
}
