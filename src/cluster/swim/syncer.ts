/**
 * Full syncs: two members compare their whole tables over TCP (gossip.md §9, §10 heal).
 *
 * Gossip is fast and may lose; a sync is slow and complete. It happens now and then with a random member, when
 * view hashes differ, with members that turn alive, and, for ever, with members that are not alive, so
 * that a healed network joins again by itself. Where many could dial one, only three do.
 */

import { shuffle } from "#lib/random.ts";
import { SYNCS_AT_ONCE_MAX, SYNCS_WAITING_MAX } from "../limits.ts";
import { formatHostPort } from "../messages/ip.ts";
import { ALIVE, DEAD, LEFT, type Profile, REMOVED, SUSPECT } from "../messages/message.ts";
import { SYNC_ENTRIES_MAX, type Sync, type SyncEntry } from "../messages/sync.ts";
import type { MonoMs } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Facts } from "./facts.ts";
import type { Link, Links } from "./links.ts";
import type { Origin } from "./origin.ts";
import type { Entry } from "./table.ts";

export type SyncCause = "periodic" | "hash" | "alive" | "heal" | "start" | "join";

/** Members beyond which the periodic sync is stretched. */
const STRETCH_ABOVE = 32;
/** Successive differing hashes before a sync. */
const HASH_DIFFERENCES = 3;
const HASH_SYNC_EVERY_MS = 2_000;
/** How many of those that see a member come or go dial it. */
const DIALLERS = 3;
const DIAL_FIRST_MS = 500;
const DIAL_MAX_MS = 30_000;
/** Successful syncs after a start; then the usual rules take over. */
const START_SYNCS = 3;

/** The table entry of a member as others get it. */
export function syncEntry(entry: Entry): SyncEntry {
  const { id, epoch, incarnation, rank, profile, reason } = entry;
  if (rank === REMOVED || profile === undefined) {
    return { rank: REMOVED, epoch, id, remover: entry.remover ?? id };
  }
  return { rank, version: { epoch, incarnation }, reason, profile };
}

export class Syncer {
  readonly #core: Core;
  readonly #facts: Facts;
  readonly #links: Links;
  readonly #waiting = new Map<Entry, SyncCause>();
  readonly #running = new Set<Entry>();
  #hashSyncAt: MonoMs = Number.NEGATIVE_INFINITY;
  #ticking = false;
  /** Members to greet after the start, and greetings that worked. */
  #greet: Entry[] = [];
  #greeted = 0;

  constructor(core: Core, facts: Facts, links: Links) {
    this.#core = core;
    this.#facts = facts;
    this.#links = links;
  }

  start(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    this.#armPeriodic();
  }

  reset(): void {
    this.#ticking = false;
    this.#waiting.clear();
    this.#running.clear();
    this.#greet = [];
    this.#greeted = 0;
  }

  /** After a start: dials those we remember, until three answered; the dead ones are healed for ever. */
  greetAll(): void {
    const core = this.#core;
    this.#greet = [...core.table.live];
    shuffle(core.random, this.#greet);
    this.#greetNext();
    this.#greetNext();
    this.#greetNext();
    for (const entry of core.table.all()) {
      if (entry.rank === DEAD || entry.rank === LEFT) this.heal(entry);
    }
  }

  /** Asks for a sync; the same member waits only once. */
  request(entry: Entry, cause: SyncCause): void {
    if (this.#running.has(entry) || this.#waiting.has(entry)) return;
    if (this.#running.size < SYNCS_AT_ONCE_MAX) this.#run(entry, cause);
    else if (this.#waiting.size < SYNCS_WAITING_MAX) this.#waiting.set(entry, cause);
    else this.#core.count("syncs-dropped-full");
  }

  /** Somebody turned alive: three of us compare tables with it. */
  turnedAlive(entry: Entry): void {
    const path = entry.path;
    if (path !== undefined) {
      this.#core.timers.cancel(path.dialTimer);
      path.dialTimer = undefined;
      path.dials = 0;
    }
    if (this.#core.table.amongFirst(entry, DIALLERS)) this.request(entry, "alive");
  }

  /** Keeps dialling a member that is not alive, ever slower, until it answers. */
  heal(entry: Entry): void {
    const core = this.#core;
    const path = core.path(entry);
    if (path.dialTimer?.live === true || core.planted("no-heal")) return;
    const wait = Math.min(DIAL_MAX_MS, DIAL_FIRST_MS * 2 ** Math.min(path.dials, 10));
    path.dials++;
    const jitter = 0.7 + 0.6 * core.random.float();
    path.dialTimer = core.timers.add(core.now + wait * jitter, () => {
      path.dialTimer = undefined;
      if (core.table.get(entry.id) !== entry) return;
      if (entry.rank !== DEAD && entry.rank !== LEFT) return;
      if (core.table.amongFirst(entry, DIALLERS)) this.request(entry, "heal");
      this.heal(entry);
    });
  }

  /** A ping or ack carried nothing but its own view hash. */
  compareHash(entry: Entry, high: number, low: number): void {
    const core = this.#core;
    const { table } = core;
    if (high === table.hashHigh && low === table.hashLow) {
      if (entry.path !== undefined) entry.path.hashDifferences = 0;
      return;
    }
    if (core.queue.size > 0 || (entry.rank !== ALIVE && entry.rank !== SUSPECT)) return;
    const path = core.path(entry);
    if (++path.hashDifferences < HASH_DIFFERENCES) return;
    if (core.now - this.#hashSyncAt < HASH_SYNC_EVERY_MS) return;
    path.hashDifferences = 0;
    this.#hashSyncAt = core.now;
    this.request(entry, "hash");
  }

  /** A part of somebody's table; answered with ours when we did not ask for it. */
  onSync(record: Sync, origin: Origin): void {
    const link = origin.link;
    if (link === undefined) {
      this.#core.count("syncs-outside-connection");
      return;
    }
    const { life } = this.#core;
    for (const entry of record.entries) {
      this.#facts.merge(entry, origin.sender);
      // The table said that we are removed; the rest of it is of no concern to us.
      if (this.#core.life !== life) return;
    }
    if (!record.last) return;
    if (link.inbound) {
      this.#core.count("syncs-answered");
      this.#sendTable(link, record.join);
    } else {
      this.#core.count("syncs-completed");
      this.#links.finish(link);
    }
  }

  #armPeriodic(): void {
    const core = this.#core;
    const n = core.table.members;
    const stretch = n <= STRETCH_ABOVE ? 1 : 1 + Math.ceil(Math.log2(n / STRETCH_ABOVE));
    const jitter = 0.8 + 0.4 * core.random.float();
    core.timers.add(core.now + core.options.syncIntervalMs * stretch * jitter, () => {
      this.#armPeriodic();
      const target = core.table.pick(core.random, 1, (entry) => entry.rank === ALIVE)[0];
      if (target !== undefined) this.request(target, "periodic");
    });
  }

  #greetNext(): void {
    const entry = this.#greeted < START_SYNCS ? this.#greet.pop() : undefined;
    if (entry !== undefined) this.request(entry, "start");
  }

  #run(entry: Entry, cause: SyncCause): void {
    const { profile } = entry;
    if (profile === undefined) return;
    const core = this.#core;
    core.count(`syncs-${cause}`);
    this.#running.add(entry);
    this.#links.dial({
      purpose: "sync",
      peer: entry.id,
      to: dialText(profile),
      onReady: (link) => this.#sendTable(link, cause === "join"),
      onEnd: (why) => {
        this.#running.delete(entry);
        if (why === "done") this.#greeted++;
        else core.count(`syncs-failed-${why}`);
        if (cause === "start") this.#greetNext();
        this.#runNext();
      },
    });
  }

  #runNext(): void {
    for (const [entry, cause] of this.#waiting) {
      if (this.#running.size >= SYNCS_AT_ONCE_MAX) return;
      this.#waiting.delete(entry);
      this.#run(entry, cause);
    }
  }

  #sendTable(link: Link, join: boolean): void {
    const { table } = this.#core;
    const records: Sync[] = [];
    let part: SyncEntry[] = [];
    const push = (last: boolean): void => {
      const { hashHigh, hashLow } = table;
      records.push({ kind: "sync", join, last, hashHigh, hashLow, entries: part });
      part = [];
    };
    for (const entry of table.all()) {
      if (part.length === SYNC_ENTRIES_MAX) push(false);
      part.push(syncEntry(entry));
    }
    push(true);
    this.#links.send(link, records, false);
  }
}

/** A name is dialled as a name, so that it is resolved anew each time. */
function dialText(profile: Profile): string {
  return profile.gossipText === "" ? formatHostPort(profile.gossip) : profile.gossipText;
}
