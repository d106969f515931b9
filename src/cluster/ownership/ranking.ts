/**
 * Who owns a topic, and in which order: rendezvous hashing over the persistent membership.
 *
 * Every (topic, member) pair has a score; sorting the members by it gives the owners and the order of takeover. Adding
 * or removing a member moves only the topics that gain or lost it. *Home* owners are the first R of all members, well or
 * not; *acting* owners the first R of those that are not gone, so that a stand-in keeps redundancy while one is down.
 * Scores never change and are cached; rankings are computed per topic when first asked for after a change.
 * Source: reference gossip.md §14.1, cluster-behaviour.md U9, U10.
 */

import type { ClusterView, MemberId } from "../ports.ts";
import { uuidToBytes } from "../transport/hello.ts";
import { RANKED_TOPICS_MAX } from "./limits.ts";

export interface TopicOwners {
  /** All members of the table, best score first. */
  readonly ranking: readonly MemberId[];
  readonly home: readonly MemberId[];
  readonly acting: readonly MemberId[];
}

/**
 * `fmix64(fnv1a64(member ID bytes ‖ 0x00 ‖ UTF-8 topic))`, unsigned. FNV-1a by its published constants, the finisher is
 * MurmurHash3's.
 */
export function score(topic: string, member: MemberId): bigint {
  const hash = new Fnv();
  hash.bytes(uuidToBytes(member));
  hash.byte(0);
  hash.bytes(new TextEncoder().encode(topic));
  return fmix64(hash.value);
}

/** A 64-bit mix of texts, for digests; each text is closed by 0x00. */
export function digestOf(...texts: readonly string[]): bigint {
  const hash = new Fnv();
  const encoder = new TextEncoder();
  for (const text of texts) {
    hash.bytes(encoder.encode(text));
    hash.byte(0);
  }
  return fmix64(hash.value);
}

/** Owners per topic for the table given last. */
export class Rankings {
  readonly #scores = new Map<string, Map<MemberId, bigint>>();
  readonly #owners = new Map<string, TopicOwners>();
  readonly #groupOf: (topic: string) => readonly MemberId[] | undefined;
  #members: readonly MemberId[] = [];
  #gone: ReadonlySet<MemberId> = new Set();
  #redundancy = 0;

  /** `groupOf`: the members among which a topic is ranked; `undefined` = all of the table. */
  constructor(groupOf: (topic: string) => readonly MemberId[] | undefined = () => undefined) {
    this.#groupOf = groupOf;
  }

  /** Effective R: the number of owners per topic. */
  get redundancy(): number {
    return this.#redundancy;
  }

  get members(): readonly MemberId[] {
    return this.#members;
  }

  isGone(member: MemberId): boolean {
    return this.#gone.has(member);
  }

  /**
   * Members with a different `redundancy` are served by the largest one, where 0 means all. `gone` members keep
   * their homes but do not act.
   */
  update(view: ClusterView, gone: ReadonlySet<MemberId>): void {
    const present = view.members.filter((member) => member.status !== "removed");
    this.#members = present.map((member) => member.id);
    this.#redundancy = effectiveRedundancy(present.map((member) => member.redundancy));
    this.#gone = gone;
    this.#owners.clear();
  }

  /** The group of a topic has changed. */
  forget(topic: string): void {
    this.#owners.delete(topic);
  }

  of(topic: string): TopicOwners {
    const known = this.#owners.get(topic);
    if (known !== undefined) return known;
    const scores = this.#scoresOf(topic);
    const group = this.#groupOf(topic);
    const eligible = this.#members.filter((member) => group?.includes(member) !== false);
    const ranking = eligible.sort((a, b) => {
      const x = scores.get(a) ?? 0n;
      const y = scores.get(b) ?? 0n;
      if (x !== y) return x > y ? -1 : 1;
      return a > b ? -1 : 1;
    });
    const owners = {
      ranking,
      home: ranking.slice(0, this.#redundancy),
      acting: ranking.filter((member) => !this.#gone.has(member)).slice(0, this.#redundancy),
    };
    if (this.#owners.size >= RANKED_TOPICS_MAX) this.#owners.clear();
    this.#owners.set(topic, owners);
    return owners;
  }

  /** Who, but for `self`, would stand in for an only acting owner; `undefined` where there are several, or nobody else. */
  successorOf(topic: string, self: MemberId): MemberId | undefined {
    const { acting, ranking } = this.of(topic);
    if (acting.length > 1) return undefined;
    const isNext = (member: MemberId): boolean =>
      member !== self && !acting.includes(member) && !this.#gone.has(member);
    return ranking.find(isNext);
  }

  #scoresOf(topic: string): Map<MemberId, bigint> {
    let scores = this.#scores.get(topic);
    if (scores === undefined) {
      if (this.#scores.size >= RANKED_TOPICS_MAX) this.#scores.clear();
      scores = new Map();
      this.#scores.set(topic, scores);
    }
    for (const member of this.#members) {
      if (!scores.has(member)) scores.set(member, score(topic, member));
    }
    return scores;
  }
}

/** The number of owners per topic, from what each member is configured with; 0 (all) is the largest. */
export function effectiveRedundancy(configured: readonly number[]): number {
  if (configured.some((redundancy) => redundancy <= 0)) return configured.length;
  return Math.min(configured.length, Math.max(1, ...configured));
}

const TWO_32 = 0x1_0000_0000;
const FNV_PRIME_LOW = 0x1b3;

/** FNV-1a, 64 bits in two halves: the prime is 2^40 + 0x1b3, so each product stays exact in a double. */
class Fnv {
  #high = 0xcbf29ce4;
  #low = 0x84222325;

  byte(value: number): void {
    const low = (this.#low ^ value) >>> 0;
    const product = low * FNV_PRIME_LOW;
    const carry = Math.floor(product / TWO_32);
    this.#high = (this.#high * FNV_PRIME_LOW + carry + ((low << 8) >>> 0)) % TWO_32;
    this.#low = product >>> 0;
  }

  bytes(values: Uint8Array): void {
    for (const value of values) this.byte(value);
  }

  get value(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }
}

function fmix64(input: bigint): bigint {
  let x = input;
  x ^= x >> 33n;
  x = BigInt.asUintN(64, x * 0xff51afd7ed558ccdn);
  x ^= x >> 33n;
  x = BigInt.asUintN(64, x * 0xc4ceb9fe1a85ec53n);
  return x ^ (x >> 33n);
}
