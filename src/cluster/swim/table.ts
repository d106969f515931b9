/**
 * The member table: what this member believes about everybody, itself included.
 *
 * Entries are only changed through `set`, which keeps three things in step: the list of live others
 * (for random choice), the view hash, and the count of members that are not removed. The view hash
 * is the XOR of one 64-bit mix per entry, with suspects counted as alive, so equal views have equal hashes in
 * whatever order they came about (gossip.md §5).
 * Entries are found by the slot of their learned ID, and descriptions are shared by whoever shares the `IdTable`, so
 * that a thousand simulated tables of a thousand members fit into memory.
 */

import type { Random } from "#lib/random.ts";
import type { IdTable, KnownId } from "../messages/member-id.ts";
import {
  ALIVE,
  type Profile,
  type Rank,
  REMOVED,
  type Reason,
  SUSPECT,
} from "../messages/message.ts";
import type { MemberId, MonoMs } from "../ports.ts";
import type { ReplayWindow } from "./replay-window.ts";
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
  readonly known: KnownId;
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
  /** When a ping of its own last came by datagram; −∞ if never in this life. */
  pingedAt: MonoMs;
  /** When our table and its were last compared; −∞ if never in this life. */
  syncedAt: MonoMs;
  /** Which of its datagrams were seen. */
  window: ReplayWindow | undefined;
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
  readonly #ids: IdTable;
  /** By the slot of the ID. */
  #bySlot: (Entry | undefined)[] = [];
  /** In order of first sight. */
  #all: Entry[] = [];
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
    const known = this.#ids.known(id);
    return known === undefined ? undefined : this.#bySlot[known.slot];
  }

  /** All entries, tombstones included, in order of first sight. */
  all(): readonly Entry[] {
    return this.#all;
  }

  get size(): number {
    return this.#all.length;
  }

  /** Members that are not removed, self included. */
  get members(): number {
    return this.#all.length - this.#removed;
  }

  /** Alive or suspect ones with self: the n of the formulas. */
  get liveCount(): number {
    return this.live.length + 1;
  }

  add(id: MemberId, state: EntryState, now: MonoMs): Entry {
    const known = this.#ids.learn(id);
    const entry: Entry = {
      id: known.id,
      known,
      epoch: 0,
      incarnation: 0,
      rank: ALIVE,
      profile: undefined,
      reason: "silent",
      remover: undefined,
      changedAt: now,
      heardAt: Number.NEGATIVE_INFINITY,
      pingedAt: Number.NEGATIVE_INFINITY,
      syncedAt: Number.NEGATIVE_INFINITY,
      window: undefined,
      suspicion: undefined,
      path: undefined,
      hashHigh: 0,
      hashLow: 0,
      liveAt: -1,
    };
    this.#bySlot[known.slot] = entry;
    this.#all.push(entry);
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
    this.#bySlot = [];
    this.#all = [];
    this.live.length = 0;
    this.hashHigh = 0;
    this.hashLow = 0;
    this.#removed = 0;
  }

  /** Up to `count` different live others that pass, at random. */
  pick(random: Random, count: number, passes: (entry: Entry) => boolean = () => true): Entry[] {
    const live = this.live;
    const picked: Entry[] = [];
    // A partial Fisher–Yates shuffle of the list itself: its order means nothing.
    for (let left = live.length; left > 0 && picked.length < count; left--) {
      const at = random.below(left);
      const entry = live[at] as Entry;
      const last = live[left - 1] as Entry;
      live[at] = last;
      last.liveAt = at;
      live[left - 1] = entry;
      entry.liveAt = left - 1;
      if (passes(entry)) picked.push(entry);
    }
    return picked;
  }

  /** Whether self is among the `first` live members in a hash order that is the same everywhere; another for each turn. */
  amongFirst(target: Entry, first: number, turn = 0): boolean {
    const hash = target.known.hash ^ Math.imul(turn, 0x9e3779b1);
    const own = orderOf(hash, this.#ids.learn(this.#self).hash);
    let before = 0;
    for (const other of this.live) {
      if (other !== target && orderOf(hash, other.known.hash) < own && ++before >= first) {
        return false;
      }
    }
    return true;
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

/** Place of a member in the order of those that care for a target; both are hashes of IDs. */
function orderOf(target: number, member: number): number {
  return mix(Math.imul(target, 0x01000193) ^ mix(member)) >>> 0;
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
