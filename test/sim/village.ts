/** A small simulated cluster for stories and figures: made, formed and moved on by hand. */

import { IdTable, randomUuid } from "#cluster/messages/member-id.ts";
import type { PlantedBug } from "#cluster/swim/core.ts";
import type { Crypto } from "#cluster/swim/crypto.ts";
import type { Action, Input } from "#cluster/swim/io.ts";
import { LAN, type SwimOptions } from "#cluster/swim/options.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { SeededRandom } from "#lib/random.ts";
import { Network } from "./network.ts";
import { add } from "./operator.ts";
import { Scheduler } from "./scheduler.ts";
import { SimMember, type World } from "./sim-member.ts";

export interface VillageOptions {
  readonly seed?: number;
  readonly keys?: readonly Uint8Array[];
  readonly crypto?: Crypto;
  readonly options?: Partial<SwimOptions>;
  readonly planted?: readonly PlantedBug[];
  readonly disks?: boolean;
}

export class Village {
  readonly clock = new Scheduler();
  readonly world: World;
  readonly members: SimMember[] = [];
  readonly random: SeededRandom;
  onStep: (member: SimMember, input: Input, actions: readonly Action[]) => void = () => {};

  constructor(count: number, options: VillageOptions = {}) {
    const seed = options.seed ?? 1;
    this.random = new SeededRandom(seed);
    this.world = {
      clock: this.clock,
      network: new Network(this.clock, new SeededRandom(seed ^ 0x5bd1e995)),
      crypto: options.crypto ?? systemCrypto,
      ids: new IdTable(),
      options: { ...LAN, ...options.options },
      keys: options.keys ?? [],
      seed,
      planted: new Set(options.planted ?? []),
      disks: options.disks ?? true,
      onStep: (member, input, actions) => this.onStep(member, input, actions),
    };
    for (let i = 0; i < count; i++) this.newMember();
  }

  newMember(): SimMember {
    const id = randomUuid(this.random.bytes(16));
    const cluster = randomUuid(this.random.bytes(16));
    const member = new SimMember(this.world, this.members.length, id, cluster);
    this.members.push(member);
    return member;
  }

  at(index: number): SimMember {
    const member = this.members[index];
    if (member === undefined) throw new Error(`no member ${index}`);
    return member;
  }

  /** Starts everybody and adds all through the first; returns how long until all saw all, ms. */
  form(withinMs = 10_000): number {
    for (const member of this.members) member.start();
    const began = this.clock.now;
    for (const member of this.members.slice(1)) add(this.world, this.at(0), member);
    return this.until(() => this.allSeeAll(), withinMs) - began;
  }

  join(adder: SimMember, member: SimMember): void {
    add(this.world, adder, member);
  }

  run(ms: number): void {
    this.clock.runUntil(this.clock.now + ms);
  }

  /** Runs until the predicate holds, looked at every 5 ms; returns the time. Throws at the bound. */
  until(holds: () => boolean, withinMs: number): number {
    const end = this.clock.now + withinMs;
    while (!holds()) {
      if (this.clock.now >= end) throw new Error(`not within ${withinMs} virtual ms`);
      this.clock.runUntil(this.clock.now + 5);
    }
    return this.clock.now;
  }

  allSeeAll(): boolean {
    const running = this.members.filter((member) => member.swim !== undefined);
    const first = running[0]?.swim?.viewHash;
    return running.every((member) => {
      const hash = member.swim?.viewHash;
      const n = member.swim?.sizes.members ?? 0;
      return n === this.members.length && hash?.high === first?.high && hash?.low === first?.low;
    });
  }

  /** Rank of one member in another's view. */
  rank(of: number, inViewOf: number): number | undefined {
    return this.at(inViewOf).swim?.entry(this.at(of).id)?.rank;
  }

  sum(counter: string): number {
    return this.members.reduce((sum, m) => sum + (m.swim?.counters[counter] ?? 0), 0);
  }
}
