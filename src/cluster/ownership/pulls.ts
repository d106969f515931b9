/**
 * Asks other members what they sent, and holds sends back until they said so.
 *
 * Each peer has a cursor, the last change of its table that is known here, so a pull after a short cut carries little. A
 * pull is a run of pages; a failed one is repeated while sends wait for it. Every full-sync interval one member is
 * asked without holding anything back. Source: reference gossip.md §14.5, §14.7.
 */

import type { Random } from "#lib/random.ts";
import type { MemberId } from "../ports.ts";
import { PULL_PAGES_MAX, PULL_RETRY_MS, PULL_WAIT_MAX_MS, SETTLE_WAIT_MAX_MS } from "./limits.ts";
import type { PullAnswer, PullRequest } from "./notices.ts";
import { PullGate } from "./pull-gate.ts";
import type { ReasonCounts } from "./reasons.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface PullHost {
  readonly delayMs: number;
  readonly fullSyncMs: number;
  readonly random: Random;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  /** Members of the table besides this one. */
  others(): readonly MemberId[];
  /** Gone, or not in the table. */
  isAway(member: MemberId): boolean;
  isLinked(member: MemberId): boolean;
  /** Had a connection, and has none. */
  isLost(member: MemberId): boolean;
  /** Digest of the completion table. */
  digest(): string;
  /** Does the answering member know the same members and redundancy as this one? */
  sameOwners(answer: PullAnswer): boolean;
  ask(member: MemberId, request: PullRequest): void;
  /** Takes what a page says into account. */
  learn(from: MemberId, answer: PullAnswer): void;
  /** Sends may start again. */
  opened(): void;
}

interface Cursor {
  readonly boot: string;
  readonly upTo: number;
}

interface Run {
  /** What its first page was an answer of; another one on a later page spoils the cursor. */
  readonly boot: string | undefined;
  readonly pages: number;
  readonly upTo: number | undefined;
  readonly request: PullRequest;
  /** Change of the table in which it began. */
  readonly table: number;
}

export class Pulls {
  readonly #host: PullHost;
  readonly #gate = new PullGate();
  readonly #cursors = new Map<MemberId, Cursor>();
  readonly #runs = new Map<MemberId, Run>();
  readonly #syncedAt = new Map<MemberId, number>();
  /** End of the gate for which a timer runs. */
  #armedFor: number | undefined;
  /** Changes of the table so far. */
  #table = 0;
  /** Until then members whose connection was lost are waited for too; core time. */
  #patientUntil = Number.NEGATIVE_INFINITY;
  /** Until then what is remembered of members that went is old news: they may be back; core time. */
  #startedUntil = Number.NEGATIVE_INFINITY;

  constructor(host: PullHost) {
    this.#host = host;
  }

  /** Are sends held back? */
  get isShut(): boolean {
    return this.#gate.isShut;
  }

  /** Since when nothing was learned from each other member, ms; those never heard are left out. */
  ages(): ReadonlyMap<MemberId, number> {
    const ages = new Map<MemberId, number>();
    for (const member of this.#host.others()) {
      const at = this.#syncedAt.get(member);
      if (at !== undefined) ages.set(member, this.#host.now() - at);
    }
    return ages;
  }

  /** U30: after a start, until one has answered and the others had a moment, or nobody is there to answer. */
  started(): void {
    const wait = Math.min(SETTLE_WAIT_MAX_MS, this.#host.delayMs);
    const until = this.#host.now() + wait;
    this.#startedUntil = until;
    this.#shut({ until, expect: this.#present(), extend: true, afterFirstMs: this.#waitMs() });
    this.#armSync();
  }

  /** A connection came up; `again`: there was one before, so something may have been missed. */
  linked(member: MemberId, again: boolean): void {
    if (again) {
      const until = this.#host.now() + this.#waitMs();
      this.#shut({ until, expect: [member], extend: false });
    }
    this.#ask(member);
  }

  stalled(): void {
    const until = this.#host.now() + this.#waitMs();
    this.#shut({ until, expect: this.#present(), extend: true });
    this.#askAll();
  }

  /**
   * Owners change: everybody is asked until it answers by the same table. Then it begins nothing any more that is this
   * member's now, and said what it did and does.
   */
  tableChanged(): void {
    const until = this.#host.now() + SETTLE_WAIT_MAX_MS;
    this.#shut({ until, expect: this.#present(), extend: true });
    // What was answered so far left out the topics that this member did not own.
    this.#table++;
    this.#cursors.clear();
    this.#askAll();
  }

  /** The answer to an ask; `undefined` when it failed. */
  answered(from: MemberId, answer: PullAnswer | undefined): void {
    const run = this.#runs.get(from);
    if (run === undefined) return;
    if (answer === undefined) {
      const { counts, timers } = this.#host;
      counts.add("pull_failed");
      this.#runs.delete(from);
      this.openIfAllowed();
      timers.set(this.#host.now() + PULL_RETRY_MS, () => this.#askAgain(from));
      return;
    }
    this.#host.learn(from, answer);
    const upTo = run.upTo ?? answer.upTo;
    const boot = run.boot ?? answer.boot;
    if (answer.next !== 0 && run.pages < PULL_PAGES_MAX) {
      const request = { ...run.request, before: answer.next };
      this.#runs.set(from, { ...run, boot, pages: run.pages + 1, upTo, request });
      this.#host.ask(from, request);
      return;
    }
    this.#runs.delete(from);
    if (run.table !== this.#table) {
      this.#ask(from);
      return;
    }
    if (!this.#host.sameOwners(answer)) {
      this.#gate.heard(this.#host.now());
      this.#armGate();
      this.#host.timers.set(this.#host.now() + PULL_RETRY_MS, () => this.#askAgain(from));
      return;
    }
    if (answer.next === 0) {
      if (boot === answer.boot) this.#cursors.set(from, { boot, upTo });
      this.#syncedAt.set(from, this.#host.now());
    }
    this.#gate.heard(this.#host.now());
    this.#gate.answered(from);
    this.#armGate();
    this.openIfAllowed();
  }

  /** Also called when members go: nobody waits for the answer of one that is gone. */
  openIfAllowed(): void {
    const isPatient = this.#host.now() < this.#patientUntil;
    const isAway = (member: MemberId): boolean =>
      this.#isAway(member) || (!isPatient && this.#host.isLost(member));
    if (this.#gate.tryOpen(isAway)) this.#host.opened();
  }

  #present(): readonly MemberId[] {
    return this.#host.others().filter((member) => !this.#isAway(member));
  }

  /** After a start only what was seen since counts (U30): who had left before may have come back meanwhile. */
  #isAway(member: MemberId): boolean {
    if (this.#host.now() >= this.#startedUntil) return this.#host.isAway(member);
    return !this.#host.others().includes(member);
  }

  #waitMs(): number {
    return Math.min(PULL_WAIT_MAX_MS, this.#host.delayMs);
  }

  #shut(how: Parameters<PullGate["shut"]>[0]): void {
    if (how.expect.length === 0) return;
    this.#gate.shut(how);
    this.#armGate();
    const at = this.#host.now() + this.#waitMs();
    this.#patientUntil = at;
    this.#host.timers.set(at, () => this.openIfAllowed());
  }

  #armGate(): void {
    const { until } = this.#gate;
    if (until === undefined || until === this.#armedFor) return;
    this.#armedFor = until;
    this.#host.timers.set(until, () => {
      if (this.#armedFor === until) this.#armedFor = undefined;
      if (this.#gate.until !== until) return;
      this.#host.counts.add("pull_timeout");
      this.#gate.open();
      this.#host.opened();
    });
  }

  #askAll(): void {
    for (const member of this.#host.others()) {
      if (this.#host.isLinked(member)) this.#ask(member);
    }
  }

  #ask(member: MemberId): void {
    if (this.#runs.has(member) || !this.#host.others().includes(member)) return;
    const { boot, upTo } = this.#cursors.get(member) ?? { boot: "", upTo: 0 };
    const request = { boot, since: upTo, before: 0, digest: this.#host.digest() };
    const nothing = { boot: undefined, upTo: undefined };
    this.#runs.set(member, { ...nothing, pages: 1, request, table: this.#table });
    this.#host.ask(member, request);
  }

  #askAgain(member: MemberId): void {
    if (this.#gate.isShut && this.#host.isLinked(member)) this.#ask(member);
  }

  /** Every full-sync interval ± 10 % one member is asked for what changed. */
  #armSync(): void {
    const { timers, random, fullSyncMs } = this.#host;
    timers.set(this.#host.now() + fullSyncMs * (0.9 + 0.2 * random.float()), () => {
      const linked = this.#host.others().filter((member) => this.#host.isLinked(member));
      const member = linked[random.below(Math.max(1, linked.length))];
      if (member !== undefined) this.#ask(member);
      this.#armSync();
    });
  }
}
