/**
 * How a gossip record is defined: one file per record gives its wire number, kind and codec.
 *
 * Records are plain data. A decoder may throw `WireError` and nothing else; the packet that carried
 * the record is then counted as malformed and dropped from that record on.
 */

import { type Address, type MemberId, WireError } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { formatIp, isLinkLocal, parseIp } from "./ip.ts";
import type { IdTable } from "./member-id.ts";

/** Why a member is suspected or dead. `refused`: its host refuses connects, so the process is gone. */
export type Reason = "silent" | "refused";

/** Order of facts about one member, compared left to right (gossip.md §3). */
export interface Version {
  /** u32, raised by the member that runs `member add`. */
  readonly epoch: number;
  /** u32, raised by the member itself only. */
  readonly incarnation: number;
}

/** alive 0 < suspect 1 < dead 2 < left 3 < removed 4. */
export type Rank = 0 | 1 | 2 | 3 | 4;

export const ALIVE = 0;
export const SUSPECT = 1;
export const DEAD = 2;
export const LEFT = 3;
export const REMOVED = 4;

/** What a member says about itself. Texts are `host:port` as advertised. */
export interface Profile {
  readonly id: MemberId;
  /** Boot number, u64: 48 bits of wall-clock milliseconds and 16 random ones. */
  readonly boot: bigint;
  /** Literal address for datagrams. */
  readonly gossip: Address;
  /** The same as advertised, perhaps a name; equal text is not sent twice. */
  readonly gossipText: string;
  readonly rpc: string;
  readonly api: string;
  readonly roles: readonly string[];
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly redundancy: number;
  /** Position in join order; ties by ID. */
  readonly joined: number;
  readonly tcpOnly: boolean;
  readonly leaving: boolean;
  /** This boot won the identity back from a clone (U31). */
  readonly reclaimed: boolean;
}

export interface MessageSpec<R extends { readonly kind: string }> {
  /** Wire number; never moves, never reused. */
  readonly number: number;
  readonly kind: R["kind"];
  /** A method, so that specs of different records fit one list; the kind picks the right one. */
  encode(to: ByteWriter, record: R, ids: IdTable): void;
  decode(from: ByteReader, ids: IdTable): R;
}

/** Keeps the record type; exists so that each file reads the same. */
export function defineMessage<R extends { readonly kind: string }>(
  spec: MessageSpec<R>,
): MessageSpec<R> {
  return spec;
}

export function writeVersion(to: ByteWriter, version: Version): void {
  to.u32(version.epoch);
  to.u32(version.incarnation);
}

export function readVersion(from: ByteReader): Version {
  return { epoch: from.u32(), incarnation: from.u32() };
}

export function writeAddress(to: ByteWriter, address: Address): void {
  const bytes = parseIp(address.host);
  if (bytes === undefined) throw new WireError("address is not literal");
  to.u8(bytes.length);
  to.raw(bytes);
  to.u16(address.port);
}

export function readAddress(from: ByteReader): Address {
  const length = from.u8();
  if (length !== 4 && length !== 16) throw new WireError("address length");
  const bytes = from.raw(length);
  if (isLinkLocal(bytes)) throw new WireError("link-local address");
  return { host: formatIp(bytes), port: from.u16() };
}

const REASONS: readonly Reason[] = ["silent", "refused"];

export function writeReason(to: ByteWriter, reason: Reason): void {
  to.u8(REASONS.indexOf(reason));
}

/** An unknown reason is read as `silent`: newer members may know more of them. */
export function readReason(from: ByteReader): Reason {
  return REASONS[from.u8()] ?? "silent";
}
