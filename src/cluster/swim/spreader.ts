/**
 * When news leaves: on the gossip tick, and for urgent facts within 20 ms (gossip.md §8).
 *
 * The tick is always armed while there are others, also with nothing to say: a late tick is how a
 * stall is noticed. Eager sends have a budget per second; beyond it facts wait for the tick.
 */

import { GOSSIP_TO_DEAD_MS } from "../limits.ts";
import { DEAD } from "../messages/message.ts";
import type { GossipRecord } from "../messages/registry.ts";
import type { MonoMs } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Entry } from "./table.ts";

/** Longest wait of an eager send, milliseconds. */
const EAGER_WAIT_MS = 20;
/** Members that eager rounds may leave without a fact on average; they hear it on a tick. */
const EAGER_MISSED = 0.3;

/** With more facts waiting than this, about three packets, news is no single event and eager sends only add load. */
const EAGER_QUEUE_MAX = 64;

export class Spreader {
  readonly #core: Core;
  /** Sends records too large for a datagram; set by the owner of the connections. */
  sendLarge: (entry: Entry, records: readonly Uint8Array[]) => void = () => {};
  #ticking = false;
  #eagerArmed = false;
  /** Eager rounds still to come. */
  #eagerRounds = 0;
  #eagerTokens = 0;
  #tokensAt: MonoMs | undefined;
  /** Members that died less than 30 s ago, oldest first. */
  #recentlyDead: Entry[] = [];
  #crowdedSince: MonoMs | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Starts the tick; does nothing when it runs. */
  start(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    const { random, options } = this.#core;
    this.#arm(random.float() * options.gossipIntervalMs);
  }

  /** Timers were cleared. */
  reset(): void {
    this.#ticking = false;
    this.#eagerArmed = false;
    this.#recentlyDead = [];
  }

  died(entry: Entry): void {
    this.#recentlyDead.push(entry);
  }

  /** A fact about a member. Eager ones do not wait for the tick. */
  spread(record: GossipRecord, subject: string, eager: boolean): void {
    this.#core.enqueue(subject, record, record.kind === "note" ? "note" : "fact");
    if (eager) this.eager();
  }

  /** A fact that stood in somebody's table. */
  spreadFromTable(record: GossipRecord, subject: string): void {
    this.#core.enqueue(subject, record, "from-table");
    this.eager();
  }

  /**
   * Sends news soon to a few random members, within a budget of packets a second. One such round at each member
   * leaves e^−fan-out of the members out: the round is repeated until hardly anybody is left.
   */
  eager(): void {
    const { live } = this.#core.table;
    if (live.length === 0) return;
    const rounds = Math.log(live.length / EAGER_MISSED) / this.#core.options.gossipMembers;
    this.#eagerRounds = Math.ceil(rounds);
    this.#armEager();
  }

  #armEager(): void {
    if (this.#eagerArmed) return;
    this.#eagerArmed = true;
    const { timers, now, random } = this.#core;
    timers.add(now + random.float() * EAGER_WAIT_MS, () => {
      this.#eagerArmed = false;
      this.#sendEagerly();
      if (--this.#eagerRounds > 0 && this.#core.queue.size > 0) this.#armEager();
    });
  }

  #sendEagerly(): void {
    const core = this.#core;
    const { eagerPerSecond, gossipMembers } = core.options;
    const seconds = (core.now - (this.#tokensAt ?? core.now - 1_000)) / 1_000;
    this.#tokensAt = core.now;
    this.#eagerTokens = Math.min(eagerPerSecond, this.#eagerTokens + seconds * eagerPerSecond);
    const wanted = Math.min(gossipMembers, eagerPerSecond);
    const crowded = core.queue.size > EAGER_QUEUE_MAX;
    if (wanted === 0 || crowded || this.#eagerTokens < wanted) {
      core.count("eager-left-to-tick");
      return;
    }
    this.#eagerTokens -= this.#gossip(wanted, "eager-packets");
  }

  #arm(delay: number): void {
    const core = this.#core;
    core.timers.add(core.now + delay, () => {
      this.#arm(core.options.gossipIntervalMs);
      this.#tick();
    });
  }

  #tick(): void {
    const core = this.#core;
    if (core.queue.size === 0) {
      this.#crowdedSince = undefined;
      return;
    }
    this.#gossip(core.options.gossipMembers, "gossip-packets");
    this.#watchQueue();
    this.#large();
  }

  /** Packets to `count` random members that may still listen; returns how many were sent. */
  #gossip(count: number, counter: string): number {
    const core = this.#core;
    const targets = core.table.pick(core.random, count);
    const recent = this.#pickRecentlyDead();
    // A dead one takes its share of the targets, so that it can refute without costing packets.
    if (recent !== undefined && core.random.below(core.table.live.length + 1) < count) {
      targets[core.random.below(count)] = recent;
    }
    let sent = 0;
    for (const target of targets) {
      if (target === undefined || core.queue.size === 0) continue;
      core.send(target, []);
      sent++;
    }
    core.count(counter, sent);
    return sent;
  }

  #pickRecentlyDead(): Entry | undefined {
    const { now, random } = this.#core;
    if (this.#recentlyDead.length === 0) return undefined;
    this.#recentlyDead = this.#recentlyDead.filter(
      (entry) => entry.rank === DEAD && now - entry.changedAt < GOSSIP_TO_DEAD_MS,
    );
    return this.#recentlyDead[random.below(Math.max(1, this.#recentlyDead.length))];
  }

  /** Records no datagram holds go to one random member per tick by TCP. */
  #large(): void {
    const core = this.#core;
    const room = core.options.packetMax - core.codec.overhead;
    const large = core.queue.takeLarge(room, core.sendLimit);
    const target = large.length === 0 ? undefined : core.table.pick(core.random, 1)[0];
    if (target !== undefined) this.sendLarge(target, large);
  }

  #watchQueue(): void {
    const core = this.#core;
    if (core.queue.size <= Math.max(core.table.members, 64)) {
      this.#crowdedSince = undefined;
      return;
    }
    this.#crowdedSince ??= core.now;
    if (core.now - this.#crowdedSince < 30_000) return;
    this.#crowdedSince = core.now;
    core.log("warn", "gossip queue stays long", { entries: core.queue.size });
  }
}
