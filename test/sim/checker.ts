/**
 * What must hold of membership (simulation.md §9): some things always, some a stated time after healing.
 *
 * Failures are texts that begin with the number of the invariant. The checker looks at tables and actions, never at how
 * a member came to them.
 */

import { ALIVE, DEAD, LEFT, REMOVED, SUSPECT } from "#cluster/messages/message.ts";
import type { MemberId } from "#cluster/ports.ts";
import type { Action, Input } from "#cluster/swim/io.ts";
import type { SwimOptions } from "#cluster/swim/options.ts";
import type { Swim } from "#cluster/swim/swim.ts";
import type { Entry } from "#cluster/swim/table.ts";
import type { SimMember } from "./sim-member.ts";

interface Seen {
  epoch: number;
  incarnation: number;
  rank: number;
}

/** A6: datagrams of one member in ten seconds; gossip, probes, eager packets and answers at their most. */
const DATAGRAMS_PER_10_S = 1_500;
const FAILURES_MAX = 20;

/** What the operator did, as far as it decides who belongs where. */
export interface Operations {
  readonly clusterId: string;
  readonly mayBeRemoved: ReadonlySet<MemberId>;
  readonly mustBeRemoved: ReadonlyMap<MemberId, MemberId>;
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
  /** A7: nothing happens in this run, so nobody is ever suspected. */
  calm = false;
  /** Is the member in a pause, or was it until lately in one of more than 2 s? */
  pausedLately: (id: MemberId) => boolean = () => false;
  /** Deaths declared by each member. */
  readonly #timedOut = new Map<number, number>();
  /** A4: headers of accepted datagrams by receiver and its life. */
  readonly #accepted = new Map<string, Set<string>>();
  readonly #acceptedCounts = new Map<number, number>();
  /** A5: sender, boot and counter of every datagram sent; only looked at in sealed runs. */
  readonly #nonces = new Set<string>();
  sealed = false;
  /** A6: datagrams by member in the current ten seconds. */
  readonly #sent = new Map<number, { slot: number; count: number }>();
  /** Members whose disk was rolled back, or whose identity another process used: their incarnation may fall. */
  unsteady: ReadonlySet<MemberId> = new Set();
  /** Members of whom a liar spoke: others may believe any incarnation of them until they hear of it. */
  liedAbout: ReadonlySet<MemberId> = new Set();
  /** Set in the quiet phase: no change may happen. */
  quiet = false;
  changes = 0;

  constructor(options: SwimOptions) {
    this.#options = options;
  }

  fail(text: string): void {
    if (this.failures.length < FAILURES_MAX) this.failures.push(text);
  }

  step(member: SimMember, input: Input, actions: readonly Action[], now: number): void {
    const { swim } = member;
    if (swim === undefined) return;
    const highest = this.#incarnations.get(member.id) ?? 0;
    const mayFall = this.unsteady.has(member.id) || this.liedAbout.has(member.id);
    if (swim.incarnation < highest && !mayFall) {
      const at = momentOf(member, now);
      this.fail(`A2 at ${at}: own incarnation fell from ${highest} to ${swim.incarnation}`);
    }
    if (swim.incarnation > highest) this.#incarnations.set(member.id, swim.incarnation);
    // Deaths heard of late, after a pause, are old news; deaths declared here are judgements.
    const declared = this.#grew(member, swim.counters["suspicions-timed-out"] ?? 0);
    if (input.kind === "datagram") this.#checkReplay(member, swim, input.bytes, now);
    for (const action of actions) {
      if (action.kind === "datagram") this.#checkDatagram(member, action.bytes, now);
      if (action.kind !== "change") continue;
      this.changes++;
      const at = momentOf(member, now);
      if (this.mild && action.to === DEAD && declared && !this.pausedLately(action.id)) {
        this.fail(`A10 at ${at}: ${action.id} declared dead`);
      }
      if (this.calm && (action.to === SUSPECT || action.to === DEAD)) {
        this.fail(`A7 at ${at}: ${action.id} accused in a run without faults`);
      }
      if (this.quiet) {
        this.fail(`quiet at ${at}: ${action.id} went from ${action.from} to ${action.to}`);
      }
    }
  }

  #checkDatagram(member: SimMember, bytes: Uint8Array, now: number): void {
    if (bytes.length > this.#options.packetMax) {
      this.fail(`A6 at ${momentOf(member, now)}: datagram of ${bytes.length} bytes`);
    }
    const slot = Math.floor(now / 10_000);
    const sent = this.#sent.get(member.index);
    if (sent?.slot !== slot) this.#sent.set(member.index, { slot, count: 1 });
    else if (++sent.count === DATAGRAMS_PER_10_S) {
      this.fail(
        `A6 at ${momentOf(member, now)}: ${DATAGRAMS_PER_10_S} datagrams within ten seconds`,
      );
    }
    if (!this.sealed) return;
    const nonce = nonceText(bytes);
    const { size } = this.#nonces;
    if (this.#nonces.add(nonce).size === size) {
      this.fail(`A5 at ${momentOf(member, now)}: a nonce was used twice`);
    }
  }

  #grew(member: SimMember, timedOut: number): boolean {
    const before = this.#timedOut.get(member.index) ?? 0;
    this.#timedOut.set(member.index, timedOut);
    return timedOut > before;
  }

  #checkReplay(member: SimMember, swim: Swim, bytes: Uint8Array, now: number): void {
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
    const { size } = accepted;
    if (accepted.add(nonceText(bytes)).size === size) {
      this.fail(`A4 at ${momentOf(member, now)}: a datagram was accepted twice`);
    }
  }

  /** Now and then: bounds and versions of every table. */
  inspect(members: readonly SimMember[], now: number): void {
    for (const member of members) {
      const { swim } = member;
      if (swim === undefined) continue;
      const { members: n, queue, relays, links, timers } = swim.sizes;
      if (queue > 4 * n + 1024 || relays > 40 || links > 192 || timers > 60 + 12 * n) {
        this.fail(`A1 at ${momentOf(member, now)}: sizes ${JSON.stringify(swim.sizes)}`);
      }
      const key = `${member.index}/${swim.boot}/${swim.life}`;
      let seen = this.#seen.get(key);
      if (seen === undefined) {
        seen = new Map();
        this.#seen.set(key, seen);
      }
      for (const entry of swim.entries()) {
        this.#compare(member, now, seen, entry);
        const highest = this.#incarnations.get(entry.id) ?? 0;
        if (this.unsteady.has(entry.id) || this.liedAbout.has(entry.id)) continue;
        if (entry.rank !== REMOVED && entry.incarnation > highest) {
          const at = momentOf(member, now);
          this.fail(`A2 at ${at}: ${entry.id} has incarnation ${entry.incarnation} > ${highest}`);
        }
      }
    }
  }

  #compare(member: SimMember, now: number, seen: Map<MemberId, Seen>, entry: Entry): void {
    const { id, epoch, incarnation, rank } = entry;
    const before = seen.get(id);
    if (before?.rank === rank && before.incarnation === incarnation && before.epoch === epoch) {
      return;
    }
    const fell =
      before !== undefined &&
      (epoch !== before.epoch
        ? epoch < before.epoch
        : incarnation !== before.incarnation
          ? incarnation < before.incarnation
          : rank < before.rank);
    if (fell) {
      const at = momentOf(member, now);
      const text = (v: Seen | Entry): string => `${v.epoch}.${v.incarnation}.${v.rank}`;
      this.fail(`A3 at ${at}: version of ${id} fell from ${text(before)} to ${text(entry)}`);
    }
    seen.set(id, { epoch, incarnation, rank });
  }

  /**
   * E1, E2, E8: `undefined` when all views agree with each other and with what is so, else the first thing that does
   * not.
   */
  disagreement(members: readonly SimMember[], operations: Operations): string | undefined {
    const { clusterId, mayBeRemoved, mustBeRemoved } = operations;
    const well = members.filter((member) => !this.#isLockedOut(member));
    const inside = well.filter((member) => member.swim?.clusterId === clusterId);
    const removed = removedBy(inside);
    for (const id of removed) if (!mayBeRemoved.has(id)) return `E2: ${id} removed by nobody`;
    for (const [id, by] of mustBeRemoved) {
      // A lie may have admitted it again.
      if (this.liedAbout.has(id)) continue;
      if (!removed.has(id) && !removed.has(by)) return `E2: removal of ${id} is lost`;
    }
    const first = inside[0]?.swim?.viewHash;
    for (const member of well) {
      const { swim } = member;
      if (swim === undefined) continue;
      if (removed.has(member.id)) {
        if (swim.initialized || swim.sizes.members !== 1 || swim.clusterId === clusterId) {
          return `E8: removed member ${member.index} is still in a cluster`;
        }
        continue;
      }
      if (swim.clusterId !== clusterId) return `E2: member ${member.index} is outside`;
      const wrong = this.#wrongEntry(member, well, removed);
      if (wrong !== undefined) return wrong;
      const { high, low } = swim.viewHash;
      if (high !== first?.high || low !== first.low) return `E1: view of ${member.index} differs`;
    }
    return undefined;
  }

  /**
   * E1, E2 within the core of a settling run: its members see each other alive, and those dead that are surely gone for
   * them. What is half there may be seen in any way.
   */
  coreDisagreement(
    core: readonly SimMember[],
    gone: readonly SimMember[],
    operations: Operations,
  ): string | undefined {
    const inside = core.filter((member) => member.swim?.clusterId === operations.clusterId);
    const removed = removedBy(inside);
    const isThere = (member: SimMember): boolean =>
      !removed.has(member.id) && !this.#isLockedOut(member);
    const there = inside.filter(isThere);
    for (const member of there) {
      for (const other of there) {
        const entry = member.swim?.entry(other.id);
        if (entry?.rank !== ALIVE || entry.incarnation !== other.swim?.incarnation) {
          return `E1: in the core, ${member.index} has ${other.index} as rank ${entry?.rank}`;
        }
      }
      for (const other of gone) {
        const rank = member.swim?.entry(other.id)?.rank;
        if (rank === ALIVE || rank === SUSPECT) {
          return `E2: in the core, ${member.index} has ${other.index}, who is gone, as rank ${rank}`;
        }
      }
    }
    return undefined;
  }

  /** A lie gave its life a number that no start from its older disk reaches: only a new identity helps it. */
  #isLockedOut({ id, swim }: SimMember): boolean {
    return this.liedAbout.has(id) && (swim?.counters["duplicate-identity"] ?? 0) > 0;
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
        const { gossip } = entry.profile ?? {};
        if (gossip?.host !== other.address.host) return `E1: ${what} has another address`;
      } else if (entry.rank !== DEAD && entry.rank !== LEFT) {
        return `E2: ${what} has rank ${entry.rank} but does not run`;
      }
    }
    return undefined;
  }
}

/** When and where, for a failure; made only then, because most steps have none. */
function momentOf(member: SimMember, now: number): string {
  return `${(now / 1000).toFixed(3)} s, member ${member.index}`;
}

/** Sender, boot and counter of a datagram, as a key. */
function nonceText({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1", 12, 44);
}

function removedBy(inside: readonly SimMember[]): ReadonlySet<MemberId> {
  const removed = new Set<MemberId>();
  for (const { swim } of inside) {
    for (const entry of swim?.entries() ?? []) if (entry.rank === REMOVED) removed.add(entry.id);
  }
  return removed;
}
