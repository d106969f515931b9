/**
 * Packets: a 44-byte header, records, and a checksum or a seal (gossip.md §4.1). The same form is a
 * datagram and a frame of a gossip TCP connection.
 *
 *      0  1  magic 0xC7         3   1  key hint      28  8  sender's boot number
 *      1  1  version 1          4   8  cluster tag   36  8  counter
 *      2  1  flags             12  16  sender        44  …  records, then CRC-32C or GCM tag
 *
 * Flags: bit 0 sealed; bits 1–3 unknown ones refuse the packet; bit 4 of a plain one: its sender has keys.
 * Every reason for refusing a packet is a word of `DropReason` and is counted under it. Nothing is kept for a
 * sender before its packet was found whole.
 */

import { ByteReader, type ByteWriter } from "../messages/bytes.ts";
import type { IdTable } from "../messages/member-id.ts";
import type { Address, MemberId } from "../ports.ts";
import type { Channel } from "../transport/greeting.ts";
import { crc32c } from "./crc32c.ts";
import { type Crypto, SEAL_BYTES } from "./crypto.ts";
import { KeyRing, type RingKey } from "./key-ring.ts";

export const HEADER_BYTES = 44;
const MAGIC = 0xc7;
const PROTOCOL = 1;
const SEALED = 1;
/** Bits 1–3: a packet using one we do not know must not be half understood. */
const MUST_UNDERSTAND = 0b1110;
/** In a plain packet: the sender could have sealed it, so it may be answered sealed. */
const HOLDS_KEYS = 0b10000;
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
  /** What it was sealed with; undefined when it came plain. */
  readonly key: RingKey | undefined;
  /** It came plain from a sender without keys. */
  readonly keyless: boolean;
}

/** The key derived last for a sender: it seals with one key until a rotation, and there are many senders. */
interface PeerKey {
  boot: bigint;
  ringKey: RingKey;
  key: Uint8Array;
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
  readonly ring: KeyRing;
  readonly #own = new Map<RingKey, Uint8Array>();
  readonly #peers = new Map<MemberId, PeerKey>();
  /** While a cluster is switched over: addresses whose members have no keys yet. */
  readonly #keyless = new Set<string>();

  constructor(crypto: Crypto, ids: IdTable, identity: PacketIdentity) {
    this.#crypto = crypto;
    this.#ids = ids;
    this.#identity = identity;
    this.#salt = text(identity.clusterId);
    this.ring = new KeyRing(crypto);
  }

  /** The first key seals, all open. 32 bytes each. */
  setKeys(keys: readonly Uint8Array[], acceptPlain: boolean): void {
    this.ring.set(keys, acceptPlain);
    if (!this.ring.switching) this.#keyless.clear();
    this.#forgetDerived();
  }

  setIdentity(identity: PacketIdentity): void {
    this.#identity = identity;
    this.#salt = text(identity.clusterId);
    this.#forgetDerived();
  }

  get sealing(): boolean {
    return this.ring.sealing;
  }

  /** Bytes a packet has beyond its records. */
  get overhead(): number {
    return HEADER_BYTES + (this.sealing ? SEAL_BYTES : CRC_BYTES);
  }

  /** While switching over: does the member at this address have no keys yet, so that it must be told plainly? */
  isKeyless(to: Address): boolean {
    return this.ring.switching && this.#keyless.has(`${to.host} ${to.port}`);
  }

  /** While switching over: how the member at this address was last heard to talk. */
  heard(from: Address, keyless: boolean): void {
    if (!this.ring.switching) return;
    const address = `${from.host} ${from.port}`;
    if (!keyless) this.#keyless.delete(address);
    else {
      if (this.#keyless.size >= PEER_KEYS_MAX) this.#keyless.clear();
      this.#keyless.add(address);
    }
  }

  /** Writes the header; records follow. `plain`: to somebody without keys. */
  begin(to: ByteWriter, counter: number, plain = false): void {
    const key = plain ? undefined : this.ring.first;
    to.at = 0;
    to.u8(MAGIC);
    to.u8(PROTOCOL);
    to.u8(key === undefined ? (this.sealing ? HOLDS_KEYS : 0) : SEALED);
    to.u8(key?.hint ?? 0);
    to.raw(this.#identity.clusterTag);
    to.raw(this.#ids.bytesOf(this.#identity.id));
    to.u64(this.#identity.boot);
    to.u32(Math.floor(counter / 0x100000000));
    to.u32(counter >>> 0);
  }

  /** Ends the packet; returns a copy ready to send. `channel` for frames of a sealed TCP connection. */
  finish(to: ByteWriter, channel?: Channel): Uint8Array {
    const first = this.ring.first;
    if (first === undefined || to.bytes[2] !== SEALED) {
      to.u32(crc32c(to.bytes, 0, to.at));
      return to.copy();
    }
    const header = to.bytes.slice(0, HEADER_BYTES);
    const key = channel === undefined ? this.#ownKey(first) : channel.keyOf(first);
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

  /** Checks a datagram as far as its seal; replay is the caller's. */
  open(bytes: Uint8Array, max: number): Opened | DropReason {
    const flags = this.#flagsOf(bytes, max);
    if (typeof flags === "string") return flags;
    return (flags & SEALED) === 0 ? this.#openPlain(bytes) : this.#openSealed(bytes, undefined);
  }

  /** The same for a frame of a TCP connection, which is sealed or plain as its HELLOs agreed. */
  openFrame(bytes: Uint8Array, max: number, channel: Channel | undefined): Opened | DropReason {
    const flags = this.#flagsOf(bytes, max);
    if (typeof flags === "string") return flags;
    if (channel !== undefined) {
      return (flags & SEALED) === 0 ? "plain-with-keys" : this.#openSealed(bytes, channel);
    }
    return (flags & SEALED) === 0 ? this.#openPlain(bytes) : "sealed-without-keys";
  }

  #flagsOf(bytes: Uint8Array, max: number): number | DropReason {
    if (bytes.length < HEADER_BYTES + CRC_BYTES) return "short";
    if (bytes.length > max) return "long";
    if (bytes[0] !== MAGIC) return "magic";
    if (bytes[1] !== PROTOCOL) return "version";
    const flags = bytes[2] ?? 0;
    if ((flags & MUST_UNDERSTAND) !== 0) return "flags";
    const tag = this.#identity.clusterTag;
    for (let i = 0; i < 8; i++) if (bytes[4 + i] !== tag[i]) return "foreign-cluster";
    return flags;
  }

  #openPlain(bytes: Uint8Array): Opened | DropReason {
    if (!this.ring.takesPlain) return "plain-with-keys";
    const end = bytes.length - CRC_BYTES;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (crc32c(bytes, 0, end) !== view.getUint32(end)) return "bad-crc";
    return this.#opened(bytes, view, new ByteReader(bytes, HEADER_BYTES, end), undefined);
  }

  #openSealed(bytes: Uint8Array, channel: Channel | undefined): Opened | DropReason {
    if (!this.sealing) return "sealed-without-keys";
    if (bytes.length < HEADER_BYTES + SEAL_BYTES) return "short";
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const header = bytes.subarray(0, HEADER_BYTES);
    let hinted = false;
    for (const ringKey of this.ring.keys) {
      if (ringKey.hint !== bytes[3]) continue;
      hinted = true;
      const key =
        channel === undefined ? this.#peerKey(bytes, view, ringKey) : channel.keyOf(ringKey);
      const sealed = bytes.subarray(HEADER_BYTES);
      const body = this.#crypto.open(key, nonceOf(header), this.#aad(header), sealed);
      if (body === undefined) continue;
      const opened = this.#opened(bytes, view, new ByteReader(body), ringKey);
      if (channel === undefined) this.#keepPeerKey(opened, ringKey, key);
      return opened;
    }
    return hinted ? "bad-seal" : "unknown-key";
  }

  #opened(
    bytes: Uint8Array,
    view: DataView,
    records: ByteReader,
    key: RingKey | undefined,
  ): Opened {
    return {
      key,
      keyless: key === undefined && ((bytes[2] ?? 0) & HOLDS_KEYS) === 0,
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

  #ownKey(key: RingKey): Uint8Array {
    const known = this.#own.get(key);
    if (known !== undefined) return known;
    const made = this.#derive(key, this.#ids.bytesOf(this.#identity.id), this.#identity.boot);
    this.#own.set(key, made);
    return made;
  }

  #peerKey(bytes: Uint8Array, view: DataView, key: RingKey): Uint8Array {
    const boot = view.getBigUint64(28);
    const known = this.#peers.get(this.#ids.idAt(bytes, 12));
    const cached = known?.ringKey === key && known.boot === boot ? known.key : undefined;
    return cached ?? this.#derive(key, bytes.subarray(12, 28), boot);
  }

  /** Only senders that proved to hold a key are remembered, and no more than the table can have. */
  #keepPeerKey(opened: Opened, ringKey: RingKey, key: Uint8Array): void {
    const known = this.#peers.get(opened.sender);
    const { boot, sender } = opened;
    if (known === undefined) {
      if (this.#peers.size >= PEER_KEYS_MAX) this.#peers.clear();
      this.#peers.set(sender, { boot, ringKey, key });
    } else if (known.key !== key && known.boot <= boot)
      Object.assign(known, { boot, ringKey, key });
  }

  #derive(key: RingKey, id: Uint8Array, boot: bigint): Uint8Array {
    const info = new Uint8Array(5 + 16 + 8);
    info.set(text("udp 1"));
    info.set(id, 5);
    new DataView(info.buffer).setBigUint64(21, boot);
    return this.#crypto.hkdf(key.bytes, this.#salt, info, 32);
  }

  #forgetDerived(): void {
    this.#own.clear();
    this.#peers.clear();
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
