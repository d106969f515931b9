/**
 * When news leaves: on the gossip tick, and for urgent facts within 20 ms (gossip.md §8).
 *
 * The tick is always armed while there are others, also with nothing to say: a late tick is how a
 * stall is noticed. Eager sends have a budget per second; beyond it facts wait for the tick.
 */

import { EAGER_PER_SECOND, GOSSIP_TO_DEAD_MS } from "../limits.ts";
import { DEAD } from "../messages/message.ts";
import type { GossipRecord } from "../messages/registry.ts";
import type { MonoMs } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Entry } from "./table.ts";

/** Longest wait of an eager send, milliseconds. */
const EAGER_WAIT_MS = 20;

export class Spreader {
  readonly #core: Core;
  /** Sends records too large for a datagram; set by the owner of the connections. */
  sendLarge: (entry: Entry, records: readonly Uint8Array[]) => void = () => {};
  #ticking = false;
  #eagerArmed = false;
  #eagerTokens = EAGER_PER_SECOND;
  #tokensAt: MonoMs = 0;
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
    this.#core.enqueue(subject, record, record.kind === "note");
    if (eager) this.eager();
  }

  /** Sends news soon to a few random members, at most 20 packets a second. */
  eager(): void {
    if (this.#eagerArmed || this.#core.table.live.length === 0) return;
    this.#eagerArmed = true;
    const { timers, now, random } = this.#core;
    timers.add(now + random.float() * EAGER_WAIT_MS, () => {
      this.#eagerArmed = false;
      this.#sendEagerly();
    });
  }

  #sendEagerly(): void {
    const core = this.#core;
    const seconds = (core.now - this.#tokensAt) / 1_000;
    this.#tokensAt = core.now;
    this.#eagerTokens = Math.min(EAGER_PER_SECOND, this.#eagerTokens + seconds * EAGER_PER_SECOND);
    const wanted = core.options.gossipMembers;
    if (this.#eagerTokens < wanted) {
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
    const target = core.table.pick(core.random, 1)[0];
    if (target === undefined) return;
    const large = core.queue.takeLarge(room, core.sendLimit);
    if (large.length > 0) this.sendLarge(target, large);
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
