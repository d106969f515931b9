/**
 * What a member makes of what it hears: the merge rules of gossip.md §3 and §7.
 *
 * Versions (epoch, incarnation, rank) only grow, whatever the order of arrival, so loss, duplication
 * and reordering cannot make two members disagree for good. Accusations against oneself are answered
 * by raising the own incarnation; nobody else may raise it.
 */

import { MEMBERS_MAX } from "../limits.ts";
import type { Dead } from "../messages/dead.ts";
import type { Left } from "../messages/left.ts";
import {
  ALIVE,
  DEAD,
  LEFT,
  type Profile,
  REMOVED,
  type Reason,
  SUSPECT,
  type Version,
} from "../messages/message.ts";
import { sameProfile } from "../messages/profile.ts";
import type { Removed } from "../messages/removed.ts";
import type { Suspect } from "../messages/suspect.ts";
import type { SyncEntry } from "../messages/sync.ts";
import type { MemberId } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Spreader } from "./spreader.ts";
import { refusedTimeoutMs, suspicionTimeoutMs, suspicionTimes } from "./suspicion.ts";
import { type Entry, INCARNATION_MAX } from "./table.ts";

/** What other parts do when a fact is accepted. */
export interface FactListeners {
  /** A member was seen for the first time, or is alive after being dead or left. */
  turnedAlive(entry: Entry, isNew: boolean): void;
  /** A member died or left. */
  turnedGone(entry: Entry): void;
  /** This member was removed. */
  selfRemoved(): void;
  /** Another live process owns our identity. */
  duplicate(): void;
}

/** Where an ALIVE stood. `before-worse`: a worse fact about the same version follows, so nothing is announced yet. */
type AliveSource = "gossip" | "table" | "before-worse";

export class Facts {
  readonly #core: Core;
  readonly #spreader: Spreader;
  readonly #listeners: FactListeners;

  constructor(core: Core, spreader: Spreader, listeners: FactListeners) {
    this.#core = core;
    this.#spreader = spreader;
    this.#listeners = listeners;
  }

  /** Says to everybody what we are now. */
  announceSelf(): void {
    const { self, profile } = this.#core;
    const version = { epoch: self.epoch, incarnation: self.incarnation };
    this.#spreader.spread({ kind: "alive", version, profile }, self.id, true);
  }

  /** Own description changed: a new incarnation carries it. */
  updateSelf(profile: Profile): void {
    this.#core.setProfile(profile);
    this.#core.setIncarnation(this.#core.self.incarnation + 1);
    this.#core.viewChanged = true;
    this.announceSelf();
  }

  alive(version: Version, profile: Profile, source: AliveSource = "gossip"): void {
    const core = this.#core;
    if (profile.id === core.id) {
      this.#hearSelf(version, profile, source);
      return;
    }
    const entry = core.table.get(profile.id);
    if (entry === undefined) {
      this.#newMember(version, profile, source);
      return;
    }
    if (!this.#beats(entry, version, profile)) {
      core.count("stale-facts");
      return;
    }
    this.#acceptAlive(entry, version, profile, source);
  }

  suspect(record: Suspect): void {
    const core = this.#core;
    if (record.id === core.id) {
      this.#accused(record.version, "suspect");
      return;
    }
    const entry = this.#subject(record.id, record.version);
    if (entry === undefined) return;
    const newer = record.version.incarnation - entry.incarnation;
    if (newer < 0 && !core.planted("suspect-beats-newer")) core.count("stale-facts");
    else if (newer > 0 || entry.rank === ALIVE) this.#startSuspicion(entry, record);
    else if (entry.rank === SUSPECT) this.#confirm(entry, record.accuser, record.reason);
    else core.count("stale-facts");
  }

  /** Our own evidence against a member. */
  accuse(entry: Entry, reason: Reason): void {
    const { epoch, incarnation, id } = entry;
    const version = { epoch, incarnation };
    this.suspect({ kind: "suspect", version, id, accuser: this.#core.id, reason });
  }

  dead(record: Dead): void {
    const core = this.#core;
    if (record.id === core.id) {
      this.#accused(record.version, "dead");
      return;
    }
    const entry = this.#subject(record.id, record.version);
    if (entry === undefined) return;
    const newer = record.version.incarnation - entry.incarnation;
    if (newer < 0 || (newer === 0 && entry.rank > DEAD)) core.count("stale-facts");
    else if (newer === 0 && entry.rank === DEAD) this.#learnReason(entry, record.reason);
    else this.#bury(entry, record.version.incarnation, record.accuser, record.reason);
  }

  left(record: Left): void {
    const core = this.#core;
    if (record.id === core.id) {
      if (!core.leaving) this.#accused(record.version, "left");
      return;
    }
    const entry = this.#subject(record.id, record.version);
    if (entry === undefined) return;
    const { incarnation } = record.version;
    if (
      incarnation < entry.incarnation ||
      (incarnation === entry.incarnation && entry.rank >= LEFT)
    ) {
      core.count("stale-facts");
      return;
    }
    this.#become(entry, LEFT, incarnation, "silent");
    this.#spreader.spread(record, entry.id, true);
    this.#listeners.turnedGone(entry);
  }

  removed(record: Removed): void {
    const core = this.#core;
    if (record.id === core.id) {
      if (record.epoch < core.self.epoch || !core.initialized) core.count("stale-facts");
      else this.#listeners.selfRemoved();
      return;
    }
    const entry = core.table.get(record.id);
    if (entry === undefined && core.table.size >= MEMBERS_MAX) {
      core.count("table-full");
      return;
    }
    if (entry !== undefined && record.epoch < entry.epoch) {
      core.count("stale-facts");
      return;
    }
    if (entry?.rank === REMOVED && record.epoch === entry.epoch) return;
    this.#takeOut(entry, record);
  }

  /** Merges one entry of somebody's table. `from` stands as accuser for what it believes dead. */
  merge(entry: SyncEntry, from: MemberId): void {
    const core = this.#core;
    if (entry.rank === REMOVED) {
      this.removed({ kind: "removed", epoch: entry.epoch, id: entry.id, remover: entry.remover });
      return;
    }
    const { version, profile, reason } = entry;
    const { id } = profile;
    const known = core.table.get(id);
    const believedAlive = known !== undefined && (known.rank === ALIVE || known.rank === SUSPECT);
    this.alive(version, profile, entry.rank === ALIVE ? "table" : "before-worse");
    if (entry.rank === ALIVE) return;
    if (entry.rank === LEFT) this.left({ kind: "left", version, id });
    // The other side may be the confused one, so its dead are our suspects.
    else if (entry.rank === DEAD && (id === core.id || !believedAlive)) {
      this.dead({ kind: "dead", version, id, accuser: from, reason });
    } else {
      const softened = entry.rank === DEAD ? "silent" : reason;
      this.suspect({ kind: "suspect", version, id, accuser: from, reason: softened });
    }
  }

  /** Fact to put first into a packet for, or about, somebody whom we do not hold for alive. */
  buddyFact(entry: Entry): Suspect | Dead | Left | undefined {
    const { id, epoch, incarnation, reason } = entry;
    const version = { epoch, incarnation };
    switch (entry.rank) {
      case SUSPECT: {
        const accuser = entry.suspicion?.accusers[0] ?? this.#core.id;
        return { kind: "suspect", version, id, accuser, reason };
      }
      case DEAD:
        return { kind: "dead", version, id, accuser: this.#core.id, reason };
      case LEFT:
        return { kind: "left", version, id };
      default:
        return undefined;
    }
  }

  /** The entry an accusation is about, if it can be applied at all. */
  #subject(id: MemberId, version: Version): Entry | undefined {
    const entry = this.#core.table.get(id);
    if (entry?.profile === undefined || version.epoch !== entry.epoch) {
      this.#core.count(entry === undefined ? "facts-about-unknown" : "stale-facts");
      return undefined;
    }
    return entry;
  }

  #beats(entry: Entry, version: Version, profile: Profile): boolean {
    if (version.epoch !== entry.epoch) return version.epoch > entry.epoch;
    if (entry.rank === REMOVED) return this.#core.planted("removed-can-return");
    if (version.incarnation !== entry.incarnation) return version.incarnation > entry.incarnation;
    if (entry.rank !== ALIVE || entry.profile === undefined) return false;
    return profile.boot > entry.profile.boot && !sameProfile(profile, entry.profile);
  }

  #newMember(version: Version, profile: Profile, source: AliveSource): void {
    const core = this.#core;
    if (core.table.size >= MEMBERS_MAX) {
      core.count("table-full");
      return;
    }
    const { epoch, incarnation } = version;
    const state = { epoch, incarnation, rank: ALIVE, profile, reason: "silent" } as const;
    const entry = core.table.add(profile.id, state, core.now);
    // A member of our own cluster: an add that a crash cut short is repaired by hearing of it.
    core.initialized = true;
    core.changed(entry, undefined);
    core.persist(false);
    if (source === "before-worse") return;
    this.#spreadAlive(entry, version, profile, { source, eager: true });
    this.#listeners.turnedAlive(entry, true);
  }

  #acceptAlive(entry: Entry, version: Version, profile: Profile, source: AliveSource): void {
    const core = this.#core;
    const from = entry.rank;
    const moved = entry.profile === undefined || !sameProfile(entry.profile, profile);
    this.#endSuspicion(entry);
    const { epoch, incarnation } = version;
    core.table.set(entry, { epoch, incarnation, rank: ALIVE, profile, reason: "silent" }, core.now);
    if (from === SUSPECT) core.count("suspicions-refuted");
    if (from === DEAD) core.count("deaths-refuted");
    if (from !== ALIVE) core.changed(entry, from);
    if (moved) {
      core.viewChanged = true;
      entry.path = undefined;
    }
    core.persist(false);
    if (source === "before-worse") return;
    this.#spreadAlive(entry, version, profile, { source, eager: from !== ALIVE || moved });
    if (from >= DEAD) this.#listeners.turnedAlive(entry, false);
  }

  #spreadAlive(
    entry: Entry,
    version: Version,
    profile: Profile,
    { source, eager }: { readonly source: AliveSource; readonly eager: boolean },
  ): void {
    const record = { kind: "alive", version, profile } as const;
    if (source === "table") this.#spreader.spreadFromTable(record, entry.id);
    else this.#spreader.spread(record, entry.id, eager);
  }

  #startSuspicion(entry: Entry, record: Suspect): void {
    const core = this.#core;
    this.#endSuspicion(entry);
    this.#become(entry, SUSPECT, record.version.incarnation, record.reason);
    entry.suspicion = {
      startedAt: core.now,
      times: suspicionTimes(core.options, core.table.liveCount),
      accusers: [record.accuser],
      reason: record.reason,
      deadline: 0,
      timer: undefined,
    };
    this.#armSuspicion(entry);
    core.count(`suspicions-${record.reason}`);
    this.#spreader.spread({ ...record }, entry.id, false);
  }

  /** Another accuser shortens the wait; refused connects shorten it most. */
  #confirm(entry: Entry, accuser: MemberId, reason: Reason): void {
    const core = this.#core;
    const suspicion = entry.suspicion;
    if (suspicion === undefined) return;
    const worse = reason === "refused" && suspicion.reason === "silent";
    const { accusers } = suspicion;
    const isNew = !accusers.includes(accuser);
    const confirms = isNew && accusers.length <= suspicion.times.wanted;
    if (!worse && !confirms) return;
    if (isNew) accusers.push(accuser);
    if (confirms) core.count("suspicions-confirmed");
    if (worse) {
      suspicion.reason = "refused";
      entry.reason = "refused";
      core.count("suspicions-refused");
    }
    this.#armSuspicion(entry);
    const { id, epoch, incarnation } = entry;
    const version = { epoch, incarnation };
    this.#spreader.spread(
      { kind: "suspect", version, id, accuser, reason: suspicion.reason },
      id,
      false,
    );
  }

  #armSuspicion(entry: Entry): void {
    const core = this.#core;
    const suspicion = entry.suspicion;
    if (suspicion === undefined) return;
    const wait = suspicionTimeoutMs(suspicion.times, suspicion.accusers.length - 1);
    const deadline = suspicion.startedAt + wait;
    const refused = core.now + refusedTimeoutMs(core.options);
    const wanted = suspicion.reason === "refused" ? Math.min(deadline, refused) : deadline;
    suspicion.deadline =
      suspicion.deadline === 0 ? wanted : Math.min(wanted, suspicion.timer?.at ?? wanted);
    core.timers.cancel(suspicion.timer);
    suspicion.timer = core.timers.add(Math.max(suspicion.deadline, core.now), () => {
      core.count("suspicions-timed-out");
      this.#bury(entry, entry.incarnation, core.id, suspicion.reason);
    });
  }

  #bury(entry: Entry, incarnation: number, accuser: MemberId, reason: Reason): void {
    const core = this.#core;
    this.#become(entry, DEAD, incarnation, reason);
    const { id, epoch } = entry;
    core.count("deaths");
    const version = { epoch, incarnation };
    this.#spreader.spread({ kind: "dead", version, id, accuser, reason }, id, true);
    this.#spreader.died(entry);
    this.#listeners.turnedGone(entry);
  }

  /** Somebody knows that the dead one's process refused connects. */
  #learnReason(entry: Entry, reason: Reason): void {
    if (reason === "silent" || entry.reason === "refused") {
      this.#core.count("stale-facts");
      return;
    }
    entry.reason = reason;
    this.#core.viewChanged = true;
    const { id, epoch, incarnation } = entry;
    const version = { epoch, incarnation };
    const accuser = this.#core.id;
    this.#spreader.spread({ kind: "dead", version, id, accuser, reason }, id, false);
  }

  #takeOut(entry: Entry | undefined, record: Removed): void {
    const core = this.#core;
    const state = {
      epoch: record.epoch,
      incarnation: INCARNATION_MAX,
      rank: REMOVED,
      profile: undefined,
      reason: "silent",
    } as const;
    const from = entry?.rank;
    if (entry !== undefined) {
      this.#endSuspicion(entry);
      core.timers.cancel(entry.path?.dialTimer);
      entry.path = undefined;
      core.table.set(entry, state, core.now);
    }
    const tombstone = entry ?? core.table.add(record.id, state, core.now);
    tombstone.remover = record.remover;
    core.changed(tombstone, from);
    core.persist(true);
    this.#spreader.spread(record, record.id, true);
  }

  #become(entry: Entry, rank: 1 | 2 | 3, incarnation: number, reason: Reason): void {
    const core = this.#core;
    const from = entry.rank;
    if (rank !== SUSPECT) this.#endSuspicion(entry);
    const { epoch, profile } = entry;
    core.table.set(entry, { epoch, incarnation, rank, profile, reason }, core.now);
    core.changed(entry, from);
    if (rank !== SUSPECT) core.persist(false);
  }

  #endSuspicion(entry: Entry): void {
    this.#core.timers.cancel(entry.suspicion?.timer);
    entry.suspicion = undefined;
  }

  /** Somebody holds us for suspect, dead or left. */
  #accused(version: Version, what: "suspect" | "dead" | "left"): void {
    const core = this.#core;
    if (version.epoch !== core.self.epoch || core.planted("no-refute")) {
      core.count("stale-facts");
      return;
    }
    if (version.incarnation < core.self.incarnation) {
      // Refuted before; the accuser may have missed it.
      core.count("stale-facts");
      if (!core.queue.has(core.id)) this.announceSelf();
      return;
    }
    core.setIncarnation(version.incarnation + 1);
    core.awareness.add(1);
    core.count(`refuted-${what}`);
    this.announceSelf();
  }

  /** Our own ALIVE comes back: an echo, an older life of ours, or a clone (U31). */
  #hearSelf(version: Version, profile: Profile, source: AliveSource): void {
    const core = this.#core;
    const { self } = core;
    if (version.epoch > self.epoch) {
      // Our disk is older than our last re-admission.
      core.table.set(self, { ...self, epoch: version.epoch, rank: ALIVE }, core.now);
    } else if (version.epoch < self.epoch || version.incarnation < self.incarnation) return;
    else if (version.incarnation === self.incarnation && profile.boot === core.boot) return;
    // Who holds it for dead tells of a life that is over.
    if (profile.boot > core.boot && profile.reclaimed && source !== "before-worse") {
      core.count("duplicate-identity");
      this.#listeners.duplicate();
      return;
    }
    if (profile.boot > core.boot) {
      // A younger process uses our ID while we live: the older one keeps it.
      core.count("identity-reclaimed");
      core.log("warn", "another process claims to be this member; keeping the identity", {
        member: core.id,
        address: profile.gossipText,
      });
      core.setBoot(profile.boot + 1n);
      core.setProfile({ ...core.profile, boot: core.boot, reclaimed: true });
    }
    core.setIncarnation(version.incarnation + 1);
    core.persist(true);
    this.announceSelf();
  }
}
