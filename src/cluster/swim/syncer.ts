/**
 * Full syncs: two members compare their whole tables over TCP (gossip.md §9, §10 heal).
 *
 * Gossip is fast and may lose; a sync is slow and complete. It happens now and then with a random member, when
 * view hashes differ, with members that turn alive, and, for ever, with members that are not alive, so
 * that a healed network joins again by itself. Where many could dial one, only three do.
 *
 * Who dials says its view hash; whose hash is the same says so and both are done. Otherwise the dialled one
 * sends its table, and the dialler sends back what the other does not hold already: both then know what
 * both knew, as if each had sent its whole table.
 */

import { shuffle } from "#lib/random.ts";
import { SYNCS_AT_ONCE_MAX, SYNCS_WAITING_MAX } from "../limits.ts";
import { formatHostPort } from "../messages/ip.ts";
import { ALIVE, DEAD, LEFT, type Profile, REMOVED, SUSPECT } from "../messages/message.ts";
import { sameProfile } from "../messages/profile.ts";
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
/** Between dials of a member that is gone for longer than `dead-time`. */
const DIAL_SELDOM_MS = 600_000;
/** Successful syncs after a start; then the usual rules take over. */
const START_SYNCS = 3;

/** Of the syncs at once, those because a member turned alive: in a storm of joins most of them become needless. */
const ALIVE_AT_ONCE = 2;

/** One connection's comparison. */
interface Exchange {
  readonly entry: Entry | undefined;
  readonly join: boolean;
  /** What the other side sent and we hold just so. */
  readonly same: Set<Entry>;
  /** We sent what we had to send. */
  answered: boolean;
}

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
  readonly #running = new Map<Entry, SyncCause>();
  readonly #exchanges = new Map<Link, Exchange>();
  #hashSyncAt: MonoMs = Number.NEGATIVE_INFINITY;
  /** Successive differing view hashes, whoever sent them. */
  #differences = 0;
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
    this.#exchanges.clear();
    this.#differences = 0;
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
    if (this.#mayRun(cause)) this.#run(entry, cause);
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
    const wait = this.#dialWait(entry, path.dials);
    path.dials++;
    const jitter = 0.7 + 0.6 * core.random.float();
    path.dialTimer = core.timers.add(core.now + wait * jitter, () => {
      path.dialTimer = undefined;
      if (core.table.get(entry.id) !== entry) return;
      if (entry.rank !== DEAD && entry.rank !== LEFT) return;
      // Where a cut has healed in part, the three may all be on the wrong side: every other time it is others' turn.
      const turn = path.dials % 2 === 0 ? path.dials : 0;
      if (core.table.amongFirst(entry, DIALLERS, turn)) this.request(entry, "heal");
      this.heal(entry);
    });
  }

  #dialWait(entry: Entry, dials: number): number {
    const core = this.#core;
    const goneFor = core.now - entry.changedAt;
    const { deadTimeMs } = core.options;
    if (goneFor <= deadTimeMs) {
      return Math.min(DIAL_MAX_MS, DIAL_FIRST_MS * 2 ** Math.min(dials, 10));
    }
    core.count("dials-seldom");
    // Said once: the dial before this one was within the time.
    if (goneFor - DIAL_SELDOM_MS / 2 <= deadTimeMs) {
      core.log(
        "warn",
        "member is gone for longer than dead-time; remove it if it does not return",
        {
          member: entry.id,
        },
      );
    }
    return DIAL_SELDOM_MS;
  }

  /**
   * A ping or ack carried nothing but its own view hash. Three differing ones in a row from one member, or from anybody,
   * mean a sync: in a large cluster a pair meets rarely, and who differs from three that come by chance is the odd one.
   */
  compareHash(entry: Entry, high: number, low: number): void {
    const core = this.#core;
    const { table } = core;
    if (high === table.hashHigh && low === table.hashLow) {
      this.#differences = 0;
      if (entry.path !== undefined) entry.path.hashDifferences = 0;
      return;
    }
    if (core.queue.size > 0 || (entry.rank !== ALIVE && entry.rank !== SUSPECT)) return;
    const path = core.path(entry);
    if (Math.max(++path.hashDifferences, ++this.#differences) < HASH_DIFFERENCES) return;
    if (core.now - this.#hashSyncAt < HASH_SYNC_EVERY_MS) return;
    path.hashDifferences = 0;
    this.#differences = 0;
    this.#hashSyncAt = core.now;
    this.request(entry, "hash");
  }

  /** A view hash, or a part of somebody's table. */
  onSync(record: Sync, origin: Origin): void {
    const link = origin.link;
    if (link === undefined) {
      this.#core.count("syncs-outside-connection");
      return;
    }
    const exchange = this.#exchangeOf(link, origin);
    const { life } = this.#core;
    for (const entry of record.entries) {
      this.#facts.merge(entry, origin.sender);
      // The table said that we are removed; the rest of it is of no concern to us.
      if (this.#core.life !== life) return;
      if (!link.inbound) this.#compare(entry, exchange);
    }
    if (!record.last) return;
    if (link.inbound) this.#answer(record, link, exchange);
    else this.#complete(record, link, exchange);
  }

  #exchangeOf(link: Link, origin: Origin): Exchange {
    const known = this.#exchanges.get(link);
    if (known !== undefined) return known;
    const exchange = { entry: origin.entry, join: false, same: new Set<Entry>(), answered: false };
    this.#exchanges.set(link, exchange);
    link.onEnd = () => this.#exchanges.delete(link);
    return exchange;
  }

  #compare(theirs: SyncEntry, exchange: Exchange): void {
    const id = theirs.rank === REMOVED ? theirs.id : theirs.profile.id;
    const ours = this.#core.table.get(id);
    if (ours !== undefined && holds(ours, theirs)) exchange.same.add(ours);
  }

  /** We were dialled. What comes after our answer is what we did not have. */
  #answer(record: Sync, link: Link, exchange: Exchange): void {
    const { table } = this.#core;
    const asks = record.entries.length === 0;
    const isEqual = asks && record.hashHigh === table.hashHigh && record.hashLow === table.hashLow;
    if (exchange.answered || isEqual) this.#synced(exchange);
    if (exchange.answered) return;
    exchange.answered = true;
    this.#core.count(isEqual ? "syncs-equal" : "syncs-answered");
    this.#send(link, record.join, isEqual ? [] : table.all());
  }

  /** We dialled: the other side's table is complete, or it says that there is no difference. */
  #complete(record: Sync, link: Link, exchange: Exchange): void {
    const isEqual = record.entries.length === 0 && exchange.same.size === 0;
    const missing = isEqual
      ? []
      : this.#core.table.all().filter((entry) => !exchange.same.has(entry));
    if (missing.length > 0) this.#send(link, exchange.join, missing);
    this.#core.count("syncs-completed");
    this.#synced(exchange);
    this.#links.finish(link);
  }

  #synced(exchange: Exchange): void {
    if (exchange.entry !== undefined) exchange.entry.syncedAt = this.#core.now;
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

  #mayRun(cause: SyncCause): boolean {
    if (this.#running.size >= SYNCS_AT_ONCE_MAX) return false;
    if (cause !== "alive") return true;
    let alive = 0;
    for (const other of this.#running.values()) if (other === "alive") alive++;
    return alive < ALIVE_AT_ONCE;
  }

  #run(entry: Entry, cause: SyncCause): void {
    const { profile } = entry;
    if (profile === undefined) return;
    const core = this.#core;
    core.count(`syncs-${cause}`);
    this.#running.set(entry, cause);
    const join = cause === "join";
    let link: Link | undefined;
    this.#links.dial({
      purpose: "sync",
      peer: entry.id,
      to: dialText(profile),
      onReady: (ready) => {
        link = ready;
        this.#exchanges.set(ready, { entry, join, same: new Set(), answered: true });
        this.#send(ready, join, []);
      },
      onEnd: (why) => {
        if (link !== undefined) this.#exchanges.delete(link);
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
      if (!this.#mayRun(cause)) continue;
      this.#waiting.delete(entry);
      if (cause === "alive" && !this.#isWorthwhile(entry)) this.#core.count("syncs-spared");
      else this.#run(entry, cause);
    }
  }

  /** Whether the table that has grown while the sync waited still makes it ours to do. */
  #isWorthwhile(entry: Entry): boolean {
    const isLive = entry.rank === ALIVE || entry.rank === SUSPECT;
    return (
      isLive && entry.syncedAt < entry.changedAt && this.#core.table.amongFirst(entry, DIALLERS)
    );
  }

  #send(link: Link, join: boolean, entries: readonly Entry[]): void {
    const { hashHigh, hashLow } = this.#core.table;
    const records: Sync[] = [];
    for (let at = 0; at === 0 || at < entries.length; at += SYNC_ENTRIES_MAX) {
      const part = entries.slice(at, at + SYNC_ENTRIES_MAX).map(syncEntry);
      const last = at + SYNC_ENTRIES_MAX >= entries.length;
      records.push({ kind: "sync", join, last, hashHigh, hashLow, entries: part });
    }
    this.#links.send(link, records, false);
  }
}

/** Whether an entry of ours says just what the other side's says. */
function holds(ours: Entry, theirs: SyncEntry): boolean {
  if (ours.rank !== theirs.rank) return false;
  if (theirs.rank === REMOVED) return ours.epoch === theirs.epoch;
  const { version, reason, profile } = theirs;
  return (
    ours.epoch === version.epoch &&
    ours.incarnation === version.incarnation &&
    ours.reason === reason &&
    ours.profile?.boot === profile.boot &&
    sameProfile(ours.profile, profile)
  );
}

/** A name is dialled as a name, so that it is resolved anew each time. */
function dialText(profile: Profile): string {
  return profile.gossipText === "" ? formatHostPort(profile.gossip) : profile.gossipText;
}
