/**
 * What a member keeps on disk: its identity in the cluster and everybody it knows.
 *
 * One JSON text, replaced whole: a few hundred bytes per member, readable by an operator, and never
 * half written. `nextStart` makes the numbers of a new process: a boot number above every earlier one and an incarnation
 * above everything that may have been announced before a crash (`incarnation` on disk is a reservation).
 */

import type { Random } from "#lib/random.ts";
import { INCARNATION_RESERVE } from "../limits.ts";
import { formatHostPort, parseIp, splitHostPort } from "../messages/ip.ts";
import { DEAD, LEFT, type Profile, REMOVED, type Reason } from "../messages/message.ts";
import type { SyncEntry } from "../messages/sync.ts";
import type { MemberId } from "../ports.ts";
import { parseMemberId } from "../transport/hello.ts";

export interface Image {
  readonly clusterId: string;
  readonly initialized: boolean;
  readonly epoch: number;
  readonly joined: number;
  /** No incarnation above this was ever announced. */
  readonly incarnation: number;
  readonly boot: bigint;
  /** Everybody but self. */
  readonly entries: readonly SyncEntry[];
}

/** An entry as JSON, also the form in which `member add` carries the table over RPC. */
export interface EntryJson {
  readonly id: string;
  readonly rank: number;
  readonly epoch: number;
  readonly incarnation?: number;
  readonly reason?: string;
  readonly remover?: string;
  readonly boot?: string;
  readonly gossip?: string;
  readonly gossipText?: string;
  readonly rpc?: string;
  readonly api?: string;
  readonly roles?: readonly string[];
  readonly protocol?: readonly number[];
  readonly redundancy?: number;
  readonly joined?: number;
  readonly reclaimed?: boolean;
}

const FORMAT = 1;

export function encodeImage(image: Image): Uint8Array {
  const { clusterId, initialized, epoch, joined, incarnation } = image;
  const members = image.entries.map(entryToJson);
  const boot = image.boot.toString(16);
  return new TextEncoder().encode(
    `${JSON.stringify({ format: FORMAT, clusterId, initialized, epoch, joined, incarnation, boot, members })}\n`,
  );
}

/** Throws `Error` naming what is wrong: a file we do not understand stops the start. */
export function decodeImage(bytes: Uint8Array): Image {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const fields = record(json, "membership file");
  if (fields["format"] !== FORMAT) throw new Error("membership file has an unknown format");
  const members = fields["members"];
  if (!Array.isArray(members)) throw new Error("membership file: members must be a list");
  return {
    clusterId: string(fields, "clusterId"),
    initialized: fields["initialized"] === true,
    epoch: integer(fields, "epoch"),
    joined: integer(fields, "joined"),
    incarnation: integer(fields, "incarnation"),
    boot: hex(fields, "boot"),
    entries: members.map(entryFromJson),
  };
}

export function entryToJson(entry: SyncEntry): EntryJson {
  if (entry.rank === REMOVED) {
    return { id: entry.id, rank: entry.rank, epoch: entry.epoch, remover: entry.remover };
  }
  const { profile, version, rank, reason } = entry;
  return {
    id: profile.id,
    rank,
    epoch: version.epoch,
    incarnation: version.incarnation,
    reason,
    boot: profile.boot.toString(16),
    gossip: formatHostPort(profile.gossip),
    gossipText: profile.gossipText,
    rpc: profile.rpc,
    api: profile.api,
    roles: profile.roles,
    protocol: [profile.protocolMin, profile.protocolMax],
    redundancy: profile.redundancy,
    joined: profile.joined,
    ...(profile.reclaimed ? { reclaimed: true } : {}),
  };
}

/** Throws `Error` for anything that is not an entry. */
export function entryFromJson(input: unknown): SyncEntry {
  const json = record(input, "member");
  const id = memberId(json, "id");
  const rank = integer(json, "rank");
  const epoch = integer(json, "epoch");
  if (rank === REMOVED) return { rank, epoch, id, remover: memberId(json, "remover") };
  if (rank !== 0 && rank !== 1 && rank !== DEAD && rank !== LEFT)
    throw new Error("member: bad rank");
  const reason: Reason = json["reason"] === "refused" ? "refused" : "silent";
  const version = { epoch, incarnation: integer(json, "incarnation") };
  return { rank, version, reason, profile: profileFromJson(id, json) };
}

function profileFromJson(id: MemberId, json: Record<string, unknown>): Profile {
  const gossip = splitHostPort(string(json, "gossip"));
  if (gossip === undefined || parseIp(gossip.host) === undefined) {
    throw new Error("member: gossip address is not literal");
  }
  const roles = json["roles"];
  const protocol = json["protocol"];
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string")) {
    throw new Error("member: roles must be texts");
  }
  if (!Array.isArray(protocol)) throw new Error("member: protocol must be a list");
  return {
    id,
    boot: hex(json, "boot"),
    gossip,
    gossipText: string(json, "gossipText"),
    rpc: string(json, "rpc"),
    api: string(json, "api"),
    roles,
    protocolMin: Number(protocol[0]) & 255,
    protocolMax: Number(protocol[1]) & 255,
    redundancy: integer(json, "redundancy") & 0xffff,
    joined: integer(json, "joined"),
    tcpOnly: false,
    leaving: false,
    reclaimed: json["reclaimed"] === true,
  };
}

/** Numbers a new process runs with; they must be on disk before its first packet. */
export interface StartNumbers {
  readonly boot: bigint;
  readonly incarnation: number;
  /** To be written as `Image.incarnation`. */
  readonly reserved: number;
}

/** `last` is what the disk says, if anything; the wall clock may have stepped back. */
export function nextStart(
  last: { readonly boot: bigint; readonly incarnation: number } | undefined,
  wallMs: number,
  random: Random,
): StartNumbers {
  const dice = BigInt(random.below(65536));
  const fresh = (BigInt(Math.max(0, Math.floor(wallMs))) << 16n) | dice;
  // Not simply the next one: of an old copy of the disk there may be several starts, and sealed packets must differ.
  const boot = last !== undefined && fresh <= last.boot ? last.boot + 1n + dice : fresh;
  const incarnation = (last?.incarnation ?? 0) + 1;
  return { boot, incarnation, reserved: incarnation + INCARNATION_RESERVE };
}

function record(input: unknown, what: string): Record<string, unknown> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new Error(`${what} must be an object`);
  }
  return input as Record<string, unknown>;
}

/** Longest text of a field: `host:port` and role names on the wire have a length byte. */
const TEXT_MAX = 255;

function string(json: Record<string, unknown>, field: string): string {
  const value = json[field];
  if (typeof value !== "string" || value.length > TEXT_MAX)
    throw new Error(`${field} must be a text`);
  return value;
}

function integer(json: Record<string, unknown>, field: string): number {
  const value = json[field];
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new Error(`${field} must be a whole number`);
  }
  return value;
}

function hex(json: Record<string, unknown>, field: string): bigint {
  const value = json[field];
  if (typeof value !== "string" || !/^[0-9a-f]{1,16}$/.test(value)) {
    throw new Error(`${field} must be a hexadecimal number`);
  }
  return BigInt(`0x${value}`);
}

function memberId(json: Record<string, unknown>, field: string): MemberId {
  const value = json[field];
  const id = typeof value === "string" ? parseMemberId(value) : undefined;
  if (id === undefined) throw new Error(`${field} must be a member ID`);
  return id;
}
