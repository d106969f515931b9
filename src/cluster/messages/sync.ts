/**
 * SYNC: a part of the sender's member table. A table larger than one record (64 KiB) is several SYNC
 * records in one frame; the last one says so.
 */

import { type MemberId, WireError } from "../ports.ts";
import type { ByteReader } from "./bytes.ts";
import type { IdTable } from "./member-id.ts";
import {
  DEAD,
  defineMessage,
  type Profile,
  type Rank,
  REMOVED,
  type Reason,
  readReason,
  readVersion,
  type Version,
  writeReason,
  writeVersion,
} from "./message.ts";
import { readProfile, writeProfile } from "./profile.ts";

/** A table entry as sent. Removed members have no profile, only their epoch. */
export type SyncEntry =
  | {
      readonly rank: Exclude<Rank, 4>;
      readonly version: Version;
      readonly reason: Reason;
      readonly profile: Profile;
    }
  | { readonly rank: 4; readonly epoch: number; readonly id: MemberId; readonly remover: MemberId };

export interface Sync {
  readonly kind: "sync";
  /** Part of `member add`. */
  readonly join: boolean;
  readonly last: boolean;
  readonly hashHigh: number;
  readonly hashLow: number;
  readonly entries: readonly SyncEntry[];
}

const JOIN = 1;
const LAST = 2;

/** Entries per record: 100 of the largest possible profiles stay below 64 KiB minus header. */
export const SYNC_ENTRIES_MAX = 50;

export const sync = defineMessage<Sync>({
  number: 12,
  kind: "sync",
  encode(to, record, ids) {
    to.u8((record.join ? JOIN : 0) | (record.last ? LAST : 0));
    to.u32(record.hashHigh);
    to.u32(record.hashLow);
    to.u16(record.entries.length);
    for (const entry of record.entries) {
      to.u8(entry.rank);
      if (entry.rank === REMOVED) {
        to.u32(entry.epoch);
        to.raw(ids.bytesOf(entry.id));
        to.raw(ids.bytesOf(entry.remover));
      } else {
        writeVersion(to, entry.version);
        writeReason(to, entry.reason);
        writeProfile(to, entry.profile, ids);
      }
    }
  },
  decode(from, ids) {
    const flags = from.u8();
    const hashHigh = from.u32();
    const hashLow = from.u32();
    const count = from.u16();
    if (count > SYNC_ENTRIES_MAX) throw new WireError("too many entries in one record");
    const entries: SyncEntry[] = [];
    for (let i = 0; i < count; i++) entries.push(readEntry(from, ids));
    return {
      kind: "sync",
      join: (flags & JOIN) !== 0,
      last: (flags & LAST) !== 0,
      hashHigh,
      hashLow,
      entries,
    };
  },
});

function readEntry(from: ByteReader, ids: IdTable): SyncEntry {
  const rank = from.u8();
  if (rank === REMOVED) {
    return { rank, epoch: from.u32(), id: ids.read(from), remover: ids.read(from) };
  }
  if (rank > DEAD + 1) throw new WireError("unknown rank");
  const version = readVersion(from);
  const reason = readReason(from);
  return { rank: rank as 0 | 1 | 2 | 3, version, reason, profile: readProfile(from, ids) };
}
