/**
 * What must hold (simulation.md §9): some things always, some a stated time after healing.
 *
 * Failures are texts with the number of the invariant. The checker looks at tables and actions, never at how a member
 * came to them.
 */

import { ALIVE, DEAD, LEFT, REMOVED } from "#cluster/messages/message.ts";
import type { MemberId } from "#cluster/ports.ts";
import type { Action, Input } from "#cluster/swim/io.ts";
import type { SwimOptions } from "#cluster/swim/options.ts";
import type { Swim } from "#cluster/swim/swim.ts";
import type { SimMember } from "./sim-member.ts";

interface Seen {
  epoch: number;
  incarnation: number;
  rank: number;
}

export class Checker {
  readonly failures: string[] = [];
  readonly #options: SwimOptions;
  /** Highest incarnation each member ever had. */
  readonly #incarnations = new Map<MemberId, number>();
  /** By observer and its boot, then subject. */
  readonly #seen = new Map<string, Map<MemberId, Seen>>();
  /** A10: only members that were paused for more than 2 s may be declared dead in this run. */
  mild = false;
  /** By member: when its last pause of more than 2 s began and ended. */
  readonly longPauses = new Map<MemberId, { readonly from: number; readonly to: number }>();
  /** Deaths declared by each member. */
  readonly #timedOut = new Map<number, number>();
  /** A4: headers of accepted datagrams by receiver and its life. */
  readonly #accepted = new Map<string, Set<string>>();
  readonly #acceptedCounts = new Map<number, number>();
  /** Members whose disk was rolled back: their incarnation may fall. */
  readonly rolledBack = new Set<MemberId>();
  /** Set in the quiet phase: no change may happen. */
  quiet = false;
  changes = 0;

  constructor(options: SwimOptions) {
    this.#options = options;
  }

  fail(text: string): void {
    if (this.failures.length < 20) this.failures.push(text);
  }

  step(member: SimMember, input: Input, actions: readonly Action[], now: number): void {
    const { swim } = member;
    if (swim === undefined) return;
    const at = `${(now / 1000).toFixed(3)} s, member ${member.index}`;
    const highest = this.#incarnations.get(member.id) ?? 0;
    if (swim.incarnation < highest && !this.rolledBack.has(member.id)) {
      this.fail(`A2 at ${at}: own incarnation fell from ${highest} to ${swim.incarnation}`);
    }
    if (swim.incarnation > highest) this.#incarnations.set(member.id, swim.incarnation);
    // Deaths heard of late, after a pause, are old news; deaths declared here are judgements.
    const declared = this.#grew(member, swim.counters["suspicions-timed-out"] ?? 0);
    if (input.kind === "datagram") this.#checkReplay(member, swim, input.bytes, at);
    for (const action of actions) {
      if (action.kind === "datagram" && action.bytes.length > this.#options.packetMax) {
        this.fail(`A6 at ${at}: datagram of ${action.bytes.length} bytes`);
      }
      if (action.kind !== "change") continue;
      this.changes++;
      if (this.mild && action.to === DEAD && declared && !this.#wasPaused(action.id, now)) {
        this.fail(`A10 at ${at}: ${action.id} declared dead`);
      }
      if (this.quiet) {
        this.fail(`quiet at ${at}: ${action.id} went from ${action.from} to ${action.to}`);
      }
    }
  }

  #grew(member: SimMember, timedOut: number): boolean {
    const before = this.#timedOut.get(member.index) ?? 0;
    this.#timedOut.set(member.index, timedOut);
    return timedOut > before;
  }

  #wasPaused(id: MemberId, now: number): boolean {
    const pause = this.longPauses.get(id);
    return pause !== undefined && now >= pause.from && now <= pause.to + 3_000;
  }

  #checkReplay(member: SimMember, swim: Swim, bytes: Uint8Array, at: string): void {
    const count = swim.counters["datagrams-accepted"] ?? 0;
    const before = this.#acceptedCounts.get(member.index);
    this.#acceptedCounts.set(member.index, count);
    if (count === before || count === 0) return;
    const key = `${member.index}/${swim.boot}/${swim.life}`;
    let accepted = this.#accepted.get(key);
    if (accepted === undefined) {
      accepted = new Set();
      this.#accepted.set(key, accepted);
    }
    const header = String.fromCharCode(...bytes.subarray(12, 44));
    if (accepted.has(header)) this.fail(`A4 at ${at}: a datagram was accepted twice`);
    accepted.add(header);
  }

  /** Now and then: bounds and versions of every table. */
  inspect(members: readonly SimMember[], now: number): void {
    for (const member of members) {
      const { swim } = member;
      if (swim === undefined) continue;
      const at = `${(now / 1000).toFixed(3)} s, member ${member.index}`;
      const n = swim.sizes.members;
      const { queue, relays, links, timers } = swim.sizes;
      if (queue > 4 * n + 1024 || relays > 40 || links > 192 || timers > 40 + 12 * n) {
        this.fail(`A1 at ${at}: sizes ${JSON.stringify(swim.sizes)}`);
      }
      const key = `${member.index}/${swim.boot}/${swim.life}`;
      let seen = this.#seen.get(key);
      if (seen === undefined) {
        seen = new Map();
        this.#seen.set(key, seen);
      }
      for (const entry of swim.entries()) {
        this.#compare(at, seen, entry.id, entry);
        const highest = this.#incarnations.get(entry.id) ?? 0;
        if (entry.rank !== REMOVED && entry.incarnation > highest) {
          this.fail(`A2 at ${at}: ${entry.id} has incarnation ${entry.incarnation} > ${highest}`);
        }
      }
    }
  }

  #compare(at: string, seen: Map<MemberId, Seen>, id: MemberId, now: Seen): void {
    const before = seen.get(id);
    const fell =
      before !== undefined &&
      (now.epoch !== before.epoch
        ? now.epoch < before.epoch
        : now.incarnation !== before.incarnation
          ? now.incarnation < before.incarnation
          : now.rank < before.rank);
    if (fell) {
      const text = (v: Seen): string => `${v.epoch}.${v.incarnation}.${v.rank}`;
      this.fail(`A3 at ${at}: version of ${id} fell from ${text(before)} to ${text(now)}`);
    }
    seen.set(id, { epoch: now.epoch, incarnation: now.incarnation, rank: now.rank });
  }

  /**
   * E1, E2, E8: `undefined` when all views agree with each other and with what is so, else the first
   * thing that does not. `mayBeRemoved` are those an operator tried to remove.
   */
  disagreement(
    members: readonly SimMember[],
    clusterId: string,
    mayBeRemoved: ReadonlySet<MemberId>,
    mustBeRemoved: ReadonlyMap<MemberId, MemberId>,
  ): string | undefined {
    const removed = new Set<MemberId>();
    const inside: SimMember[] = [];
    for (const member of members) {
      if (member.swim?.clusterId !== clusterId) continue;
      inside.push(member);
      for (const entry of member.swim.entries()) if (entry.rank === REMOVED) removed.add(entry.id);
    }
    for (const id of removed) if (!mayBeRemoved.has(id)) return `E2: ${id} removed by nobody`;
    for (const [id, by] of mustBeRemoved) {
      if (!removed.has(id) && !removed.has(by)) return `E2: removal of ${id} is lost`;
    }
    const first = inside[0]?.swim?.viewHash;
    for (const member of members) {
      const { swim } = member;
      if (swim === undefined) continue;
      if (removed.has(member.id)) {
        if (swim.initialized || swim.sizes.members !== 1 || swim.clusterId === clusterId) {
          return `E8: removed member ${member.index} is still in a cluster`;
        }
        continue;
      }
      if (swim.clusterId !== clusterId) return `E2: member ${member.index} is outside`;
      const wrong = this.#wrongEntry(member, members, removed);
      if (wrong !== undefined) return wrong;
      const { high, low } = swim.viewHash;
      if (high !== first?.high || low !== first.low) return `E1: view of ${member.index} differs`;
    }
    return undefined;
  }

  #wrongEntry(
    member: SimMember,
    members: readonly SimMember[],
    removed: ReadonlySet<MemberId>,
  ): string | undefined {
    for (const other of members) {
      const entry = member.swim?.entry(other.id);
      const what = `in the view of ${member.index}, member ${other.index}`;
      if (entry === undefined) return `E1: ${what} is missing`;
      if (removed.has(other.id)) {
        if (entry.rank !== REMOVED) return `E1: ${what} is not removed`;
      } else if (other.swim !== undefined) {
        if (entry.rank !== ALIVE) return `E2: ${what} has rank ${entry.rank} but runs`;
        if (entry.incarnation !== other.swim.incarnation) return `E1: ${what} is out of date`;
      } else if (entry.rank !== DEAD && entry.rank !== LEFT) {
        return `E2: ${what} has rank ${entry.rank} but does not run`;
      }
    }
    return undefined;
  }
}
