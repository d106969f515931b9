/**
 * The member table: what this member believes about everybody, itself included.
 *
 * Entries are only changed through `set`, which keeps three things in step: the list of live others
 * (for random choice), the view hash, and the count of members that are not removed. The view hash
 * is the XOR of one 64-bit mix per entry, with suspects counted as alive, so equal views have equal hashes in
 * whatever order they came about (gossip.md §5).
 */

import type { Random } from "#lib/random.ts";
import type { IdTable } from "../messages/member-id.ts";
import {
  ALIVE,
  type Profile,
  type Rank,
  REMOVED,
  type Reason,
  SUSPECT,
} from "../messages/message.ts";
import type { MemberId, MonoMs } from "../ports.ts";
import type { Suspicion } from "./suspicion.ts";
import type { Timer } from "./timers.ts";

/** Highest incarnation; a removed entry has it, because removal beats every incarnation of its epoch. */
export const INCARNATION_MAX = 0xffffffff;

/** What we know about the way to a member, made when first needed. */
export interface Path {
  /** Successive probes that succeeded by TCP only. */
  tcpSuccesses: number;
  tcpOnly: boolean;
  udpRetryAt: MonoMs;
  /** Largest packet that seems to pass, bytes. */
  packetMax: number;
  padsLost: number;
  /** Successive pings or acks whose view hash differed from ours while nothing was queued. */
  hashDifferences: number;
  /** Last REMOVED or superseded-boot answer. */
  answeredAt: MonoMs;
  loggedAt: MonoMs;
  /** Heal: dials so far and the next one. */
  dials: number;
  dialTimer: Timer | undefined;
}

export interface Entry {
  readonly id: MemberId;
  epoch: number;
  incarnation: number;
  rank: Rank;
  /** Removed members have none. */
  profile: Profile | undefined;
  reason: Reason;
  remover: MemberId | undefined;
  /** When the rank last changed here. */
  changedAt: MonoMs;
  /** When a packet of its own last came, by any way; −∞ if never in this life. */
  heardAt: MonoMs;
  suspicion: Suspicion | undefined;
  path: Path | undefined;
  hashHigh: number;
  hashLow: number;
  /** Index in the live list, −1 when not live or self. */
  liveAt: number;
}

export interface EntryState {
  readonly epoch: number;
  readonly incarnation: number;
  readonly rank: Rank;
  readonly profile: Profile | undefined;
  readonly reason: Reason;
}

export class MemberTable {
  readonly #entries = new Map<MemberId, Entry>();
  readonly #ids: IdTable;
  #self: MemberId;
  /** Others that are alive or suspect, in no meaningful order. */
  readonly live: Entry[] = [];
  hashHigh = 0;
  hashLow = 0;
  #removed = 0;

  constructor(ids: IdTable, self: MemberId) {
    this.#ids = ids;
    this.#self = self;
  }

  get(id: MemberId): Entry | undefined {
    return this.#entries.get(id);
  }

  /** All entries, tombstones included, in order of first sight. */
  all(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Members that are not removed, self included. */
  get members(): number {
    return this.#entries.size - this.#removed;
  }

  /** Alive or suspect ones with self: the n of the formulas. */
  get liveCount(): number {
    return this.live.length + 1;
  }

  add(id: MemberId, state: EntryState, now: MonoMs): Entry {
    const entry: Entry = {
      id,
      epoch: 0,
      incarnation: 0,
      rank: ALIVE,
      profile: undefined,
      reason: "silent",
      remover: undefined,
      changedAt: now,
      heardAt: Number.NEGATIVE_INFINITY,
      suspicion: undefined,
      path: undefined,
      hashHigh: 0,
      hashLow: 0,
      liveAt: -1,
    };
    this.#ids.learn(id);
    this.#entries.set(id, entry);
    this.set(entry, state, now);
    return entry;
  }

  set(entry: Entry, state: EntryState, now: MonoMs): void {
    if (entry.rank !== state.rank) entry.changedAt = now;
    if (entry.rank === REMOVED) this.#removed--;
    if (state.rank === REMOVED) this.#removed++;
    entry.epoch = state.epoch;
    entry.incarnation = state.incarnation;
    entry.rank = state.rank;
    entry.profile = state.profile;
    entry.reason = state.reason;
    this.#keepLive(entry);
    this.#rehash(entry);
  }

  /** Forgets everybody. */
  clear(): void {
    this.#entries.clear();
    this.live.length = 0;
    this.hashHigh = 0;
    this.hashLow = 0;
    this.#removed = 0;
  }

  /** Up to `count` different live others that pass, at random. */
  pick(random: Random, count: number, passes: (entry: Entry) => boolean = () => true): Entry[] {
    const live = this.live;
    const picked: Entry[] = [];
    // Partial Fisher–Yates over a virtual copy: swapped positions are kept in a small map.
    const moved = new Map<number, Entry>();
    for (let left = live.length; left > 0 && picked.length < count; left--) {
      const at = random.below(left);
      const entry = moved.get(at) ?? (live[at] as Entry);
      moved.set(at, moved.get(left - 1) ?? (live[left - 1] as Entry));
      if (passes(entry)) picked.push(entry);
    }
    return picked;
  }

  /** Whether self is among the `first` live members in a hash order that is the same everywhere. */
  amongFirst(target: Entry, first: number): boolean {
    const own = this.#orderOf(target.id, this.#self);
    let before = 0;
    for (const other of this.live) {
      if (other.id === target.id) continue;
      if (this.#orderOf(target.id, other.id) < own && ++before >= first) return false;
    }
    return true;
  }

  #orderOf(target: MemberId, member: MemberId): number {
    const a = this.#ids.bytesOf(target);
    const b = this.#ids.bytesOf(member);
    let hash = 0x811c9dc5;
    for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ (a[i] ?? 0), 0x01000193);
    for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ (b[i] ?? 0), 0x01000193);
    return mix(hash) >>> 0;
  }

  #keepLive(entry: Entry): void {
    const isLive = entry.id !== this.#self && (entry.rank === ALIVE || entry.rank === SUSPECT);
    if (isLive === entry.liveAt >= 0) return;
    if (isLive) {
      entry.liveAt = this.live.length;
      this.live.push(entry);
      return;
    }
    const last = this.live.pop() as Entry;
    if (last !== entry) {
      this.live[entry.liveAt] = last;
      last.liveAt = entry.liveAt;
    }
    entry.liveAt = -1;
  }

  #rehash(entry: Entry): void {
    this.hashHigh ^= entry.hashHigh;
    this.hashLow ^= entry.hashLow;
    const id = this.#ids.bytesOf(entry.id);
    const rank = entry.rank === SUSPECT ? ALIVE : entry.rank;
    entry.hashHigh = entryHash(id, 0x9e3779b9, entry.epoch, entry.incarnation, rank);
    entry.hashLow = entryHash(id, 0x7f4a7c15, entry.epoch, entry.incarnation, rank);
    this.hashHigh = (this.hashHigh ^ entry.hashHigh) >>> 0;
    this.hashLow = (this.hashLow ^ entry.hashLow) >>> 0;
  }
}

function entryHash(
  id: Uint8Array,
  seed: number,
  epoch: number,
  incarnation: number,
  rank: number,
): number {
  let hash = seed;
  for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ (id[i] ?? 0), 0x5bd1e995) ^ (hash >>> 15);
  hash = mix(hash ^ mix(epoch + seed));
  hash = mix(hash ^ mix(incarnation ^ 0x2545f491));
  return mix(hash + rank) >>> 0;
}

function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** The path facts of an entry, made when first asked for. */
export function pathOf(entry: Entry, packetMax: number): Path {
  entry.path ??= {
    tcpSuccesses: 0,
    tcpOnly: false,
    udpRetryAt: 0,
    packetMax,
    padsLost: 0,
    hashDifferences: 0,
    answeredAt: Number.NEGATIVE_INFINITY,
    loggedAt: Number.NEGATIVE_INFINITY,
    dials: 0,
    dialTimer: undefined,
  };
  return entry.path;
}
