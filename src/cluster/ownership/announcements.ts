/**
 * Telling the other members which inline topics run here, and keeping what they were told true.
 *
 * Each member is the only author of its own list, so a list is a sequence of changes: a peer gets those after the last
 * one it took, or everything when it does not know where it stands (a new start on either side). Every full-sync interval,
 * and on every new connection, a peer says the digest of what it has; a list that differs is sent anew.
 */

import type { Random } from "#lib/random.ts";
import type { MemberId } from "../ports.ts";
import {
  ANNOUNCE_PAGE_MAX,
  ANNOUNCE_RETRY_MS,
  INLINE_TOPICS_MAX,
  WITHDRAWN_KEPT_MAX,
} from "./limits.ts";
import { digestOf } from "./ranking.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { Runners } from "./runners.ts";
import type { TimerHeap } from "./timer-heap.ts";

/** One page of a list. */
export interface Announcement {
  /** Start of the telling process. */
  readonly boot: string;
  /** The change up to which the receiver must know the list; -1 = forget what is known of it. */
  readonly after: number;
  /** The change up to which it knows it then. */
  readonly upTo: number;
  /** Topic and fingerprint; an empty fingerprint withdraws. */
  readonly topics: readonly (readonly [topic: string, fingerprint: string])[];
}

export interface AnnouncementAnswer {
  /** False: the receiver does not know the list up to `after`. */
  readonly taken: boolean;
  /** Of the list as the receiver now has it. */
  readonly digest: string;
}

export interface AnnouncementHost {
  readonly boot: string;
  readonly fullSyncMs: number;
  readonly random: Random;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  readonly runners: Runners;
  /** Core time. */
  now(): number;
  others(): readonly MemberId[];
  isLinked(member: MemberId): boolean;
  tell(member: MemberId, announcement: Announcement): void;
  /** Who runs these topics has changed. */
  changed(topics: ReadonlySet<string>): void;
}

interface Peer {
  /** The change up to which it knows our list; `undefined` = nothing is known. */
  known: number | undefined;
  /** The page on its way. */
  flight: Announcement | undefined;
  /** It is to be asked even when there is nothing new. */
  check: boolean;
  waiting: boolean;
}

interface Author {
  boot: string;
  upTo: number;
  digest: bigint;
}

export class Announcements {
  readonly #host: AnnouncementHost;
  readonly #peers = new Map<MemberId, Peer>();
  /** What is known of the others' lists. */
  readonly #authors = new Map<MemberId, Author>();
  /** Topic → fingerprint and number of its last change, in order of change. */
  readonly #log = new Map<string, { readonly fingerprint: string; readonly change: number }>();
  #changes = 0;
  /** Withdrawals up to this change are forgotten. */
  #floor = 0;
  #withdrawn = 0;
  #digest = 0n;
  /** Tasks have been started: before, an empty list would only say that the process is new. */
  #ready = false;

  constructor(host: AnnouncementHost) {
    this.#host = host;
    this.#armSync();
  }

  /** The list is complete as far as this start goes: others may be told. */
  ready(): void {
    if (this.#ready) return;
    this.#ready = true;
    for (const member of this.#host.others()) this.#tell(member);
  }

  /** A topic runs here with these handlers; empty = not any more. */
  put(topic: string, fingerprint: string): void {
    const before = this.#log.get(topic);
    if ((before?.fingerprint ?? "") === fingerprint) return;
    this.#log.delete(topic);
    if (before !== undefined && before.fingerprint !== "") {
      this.#digest ^= digestOf(topic, before.fingerprint);
    } else if (before !== undefined) this.#withdrawn--;
    if (fingerprint !== "") this.#digest ^= digestOf(topic, fingerprint);
    else this.#withdrawn++;
    this.#log.set(topic, { fingerprint, change: ++this.#changes });
    if (this.#withdrawn > WITHDRAWN_KEPT_MAX) this.#forgetWithdrawn();
    for (const member of this.#host.others()) this.#tell(member);
  }

  linked(member: MemberId): void {
    this.#peer(member).check = true;
    this.#tell(member);
  }

  /** Members that are in the table no longer run anything as far as we are concerned. */
  retain(members: readonly MemberId[]): void {
    for (const member of this.#peers.keys()) {
      if (!members.includes(member)) this.#peers.delete(member);
    }
    for (const member of [...this.#authors.keys()]) {
      if (members.includes(member)) continue;
      this.#authors.delete(member);
      this.#apply(member, [], "anew");
    }
  }

  /** What another member says it runs. */
  received(from: MemberId, { boot, after, upTo, topics }: Announcement): AnnouncementAnswer {
    const known = this.#authors.get(from);
    if (after >= 0 && (known?.boot !== boot || known.upTo !== after)) {
      return { taken: false, digest: "" };
    }
    const author = after < 0 ? { boot, upTo, digest: 0n } : (known ?? { boot, upTo, digest: 0n });
    this.#authors.set(from, author);
    author.upTo = upTo;
    author.digest = this.#apply(from, topics, after < 0 ? "anew" : "more");
    return { taken: true, digest: author.digest.toString(16) };
  }

  /** The answer to a page; `undefined` when there was none, `refused` when the peer does not know the call. */
  answered(from: MemberId, answer: AnnouncementAnswer | undefined | "refused"): void {
    const peer = this.#peers.get(from);
    const { flight } = peer ?? {};
    if (peer === undefined || flight === undefined) return;
    peer.flight = undefined;
    if (answer === "refused") return;
    if (answer === undefined) {
      this.#retry(from, peer);
      return;
    }
    if (!answer.taken) {
      // One that does not take a full list is asked again later, not at once.
      if (flight.after < 0) this.#retry(from, peer);
      else {
        peer.known = undefined;
        this.#tell(from);
      }
      return;
    }
    peer.known = flight.upTo;
    if (peer.known === this.#changes && answer.digest !== this.#digest.toString(16)) {
      this.#host.counts.add("inline_list_repaired");
      peer.known = undefined;
      if (flight.after < 0) this.#retry(from, peer);
      else this.#tell(from);
      return;
    }
    this.#tell(from);
  }

  #tell(member: MemberId): void {
    const peer = this.#peer(member);
    if (!this.#ready || peer.flight !== undefined || peer.waiting) return;
    if (!this.#host.isLinked(member)) return;
    if (peer.known === this.#changes && !peer.check) return;
    peer.check = false;
    const page = this.#page(peer.known);
    peer.flight = page;
    this.#host.tell(member, page);
  }

  #page(known: number | undefined): Announcement {
    const { boot } = this.#host;
    const after = known === undefined || known < this.#floor ? -1 : known;
    const topics: [string, string][] = [];
    let upTo = this.#changes;
    for (const [topic, { fingerprint, change }] of this.#log) {
      if (change <= after || (after < 0 && fingerprint === "")) continue;
      if (topics.length >= ANNOUNCE_PAGE_MAX) break;
      topics.push([topic, fingerprint]);
      upTo = change;
    }
    if (topics.length < ANNOUNCE_PAGE_MAX) upTo = this.#changes;
    return { boot, after, upTo, topics };
  }

  #retry(member: MemberId, peer: Peer): void {
    peer.waiting = true;
    peer.check = true;
    const { timers, now } = this.#host;
    timers.set(now() + ANNOUNCE_RETRY_MS, () => {
      peer.waiting = false;
      if (this.#peers.get(member) === peer) this.#tell(member);
    });
  }

  #peer(member: MemberId): Peer {
    let peer = this.#peers.get(member);
    if (peer === undefined) {
      peer = { known: undefined, flight: undefined, check: false, waiting: false };
      this.#peers.set(member, peer);
    }
    return peer;
  }

  #forgetWithdrawn(): void {
    for (const [topic, { fingerprint }] of this.#log) {
      if (fingerprint === "") this.#log.delete(topic);
    }
    this.#withdrawn = 0;
    this.#floor = this.#changes;
  }

  /** Takes a part of a list, or a new list; returns its digest. */
  #apply(from: MemberId, topics: Announcement["topics"], how: "anew" | "more"): bigint {
    const { runners } = this.#host;
    const changed = new Set<string>();
    let digest = this.#authors.get(from)?.digest ?? 0n;
    const listed = new Set(topics.map(([topic]) => topic));
    const before = new Map(runners.ofMember(from));
    if (how === "anew") {
      digest = 0n;
      for (const topic of before.keys()) {
        if (!listed.has(topic) && runners.learn(from, topic, "")) changed.add(topic);
      }
    }
    for (const [topic, fingerprint] of topics) {
      const known = before.get(topic) ?? "";
      if (how === "more" && known !== "") digest ^= digestOf(topic, known);
      if (fingerprint !== "") digest ^= digestOf(topic, fingerprint);
      if (before.size + listed.size > 2 * INLINE_TOPICS_MAX) continue;
      if (runners.learn(from, topic, fingerprint)) changed.add(topic);
      before.set(topic, fingerprint);
    }
    if (changed.size > 0) this.#host.changed(changed);
    return digest;
  }

  #armSync(): void {
    const { timers, random, fullSyncMs } = this.#host;
    timers.set(this.#host.now() + fullSyncMs * (0.9 + 0.2 * random.float()), () => {
      const linked = this.#host.others().filter((member) => this.#host.isLinked(member));
      const member = linked[random.below(Math.max(1, linked.length))];
      if (member !== undefined) this.linked(member);
      this.#armSync();
    });
  }
}
