/**
 * One run: form a cluster, let the faults of the seed loose, heal, and check (simulation.md §8).
 *
 * Everything is drawn from the seed; the same seed gives the same bytes at the same virtual times,
 * which `traceHash` shows.
 */

import { IdTable, randomUuid } from "#cluster/messages/member-id.ts";
import type { MemberId } from "#cluster/ports.ts";
import type { PlantedBug } from "#cluster/swim/core.ts";
import type { Action, Input } from "#cluster/swim/io.ts";
import { LAN } from "#cluster/swim/options.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { SeededRandom } from "#lib/random.ts";
import { Checker } from "./checker.ts";
import { begin, drawPlan, type Plan, type Stage } from "./faults.ts";
import { CALM, Network } from "./network.ts";
import { add } from "./operator.ts";
import { Scheduler } from "./scheduler.ts";
import { SimMember, type World } from "./sim-member.ts";

export interface RunOptions {
  readonly planted?: ReadonlySet<PlantedBug>;
  readonly trace?: (line: string) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly plan: Plan;
  readonly failures: readonly string[];
  readonly traceHash: string;
  readonly steps: number;
  readonly virtualMs: number;
  /** Sums over all members and boots. */
  readonly counters: Readonly<Record<string, number>>;
  readonly healthPeak: number;
}

const FORM_MS = 10_000;
/** E2's bound: dials (39 s), two full syncs (72 s), the longest suspicion and a probe round. */
const HEAL_MS_MAX = 140_000;
const QUIET_MS = 20_000;

export function run(seed: number, options: RunOptions = {}): RunResult {
  const simulation = new Simulation(seed, options);
  try {
    simulation.play();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    simulation.checker.fail(`A1: exception ${text}`);
  }
  return simulation.result();
}

class Simulation {
  readonly checker = new Checker(LAN);
  readonly #seed: number;
  readonly #plan: Plan;
  readonly #world: World;
  readonly #members: SimMember[] = [];
  readonly #stage: Stage;
  readonly #counters: Record<string, number> = {};
  readonly #last = new Map<number, Readonly<Record<string, number>>>();
  #healthPeak = 0;
  readonly #trace: (line: string) => void;

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed;
    const random = new SeededRandom(seed);
    this.#plan = drawPlan(random);
    const clock = new Scheduler();
    const write = options.trace;
    this.#trace = (line) => write?.(`${(clock.now / 1000).toFixed(3).padStart(9)}  ${line}`);
    this.#world = {
      clock,
      network: new Network(clock, new SeededRandom(seed ^ 0x5bd1e995)),
      crypto: systemCrypto,
      ids: new IdTable(),
      options: LAN,
      keys: this.#plan.sealed ? [random.bytes(32)] : [],
      seed,
      planted: options.planted ?? new Set(),
      disks: true,
      onStep: (member, input, actions) => this.#onStep(member, input, actions),
    };
    for (let i = 0; i < this.#plan.members; i++) {
      const id = randomUuid(random.bytes(16));
      const member = new SimMember(this.#world, i, id, randomUuid(random.bytes(16)));
      member.driftPpm = this.#plan.driftPpm[i] ?? 0;
      this.#members.push(member);
    }
    this.#stage = {
      world: this.#world,
      members: this.#members,
      random: new SeededRandom(seed ^ 0x2545f491),
      clusterId: "",
      mayBeRemoved: new Set<MemberId>(),
      mustBeRemoved: new Map<MemberId, MemberId>(),
      mover: undefined,
      over: false,
      trace: this.#trace,
    };
    this.checker.mild = this.#plan.style === "mild";
  }

  play(): void {
    if (!this.#form()) return;
    this.#suffer();
    this.#heal();
  }

  result(): RunResult {
    for (const index of this.#last.keys()) this.#collect(index);
    return {
      seed: this.#seed,
      plan: this.#plan,
      failures: this.checker.failures,
      traceHash: this.#world.clock.traceHash,
      steps: this.#world.clock.steps,
      virtualMs: this.#world.clock.now,
      counters: this.#counters,
      healthPeak: this.#healthPeak,
    };
  }

  #form(): boolean {
    const { clock } = this.#world;
    const [first, ...others] = this.#members;
    if (first === undefined) return false;
    for (const member of this.#members) member.start();
    Object.assign(this.#stage, { clusterId: first.swim?.clusterId });
    let at = 100;
    for (const other of others) {
      clock.at(at, () => {
        const adder = this.#members.find((m) => m.swim?.initialized && m !== other) ?? first;
        add(this.#world, adder, other);
      });
      at += this.#stage.random.below(300);
    }
    const formed = this.#until(FORM_MS);
    if (formed !== undefined) this.checker.fail(`forming: ${formed}`);
    this.#trace(`formed ${this.#plan.members} members`);
    return formed === undefined;
  }

  #suffer(): void {
    const { clock, network } = this.#world;
    network.faults = this.#plan.weather;
    const start = clock.now;
    for (const fault of this.#plan.faults) {
      clock.at(start + fault.at, () => {
        const { now } = clock;
        const target = this.#members[fault.target];
        if (fault.kind === "pause" && fault.lengthMs > 2_000 && target !== undefined) {
          this.checker.longPauses.set(target.id, { from: now, to: now + fault.lengthMs });
        }
        begin(this.#stage, fault);
      });
    }
    const end = start + this.#plan.safetyMs;
    while (clock.now < end && this.checker.failures.length === 0) {
      clock.runUntil(Math.min(end, clock.now + 250));
      this.checker.inspect(this.#members, clock.now);
    }
  }

  #heal(): void {
    if (this.checker.failures.length > 0) return;
    const { clock, network } = this.#world;
    this.#trace("healing everything");
    this.#stage.over = true;
    network.faults = { ...CALM };
    for (const cut of [network.cut, network.cutUdp, network.cutTcp, network.cutLarge]) cut.clear();
    network.sendErrors.clear();
    for (const member of this.#members) {
      member.diskDelayMs = 2;
      member.diskFails = false;
      member.slowMs = 0;
      member.resume();
    }
    // What was arranged by late faults happens now and is over.
    clock.runUntil(clock.now + 3_000);
    for (const member of this.#members) {
      member.resume();
      member.start();
    }
    const wrong = this.#until(HEAL_MS_MAX);
    if (wrong !== undefined) {
      this.checker.fail(`${wrong}, ${HEAL_MS_MAX / 1000} s after healing`);
      return;
    }
    this.#trace("all agree");
    clock.runUntil(clock.now + 2_000);
    this.checker.quiet = true;
    clock.runUntil(clock.now + QUIET_MS);
    this.checker.inspect(this.#members, clock.now);
    for (const member of this.#members) {
      const queue = member.swim?.sizes.queue ?? 0;
      if (queue > 0) this.checker.fail(`E7: member ${member.index} still gossips ${queue} facts`);
      const { relays = 0, links = 0 } = member.swim?.sizes ?? {};
      if (relays > 0 || links > 8) {
        this.checker.fail(
          `E7: member ${member.index} keeps ${relays} relays, ${links} connections`,
        );
      }
    }
  }

  /** Runs until all agree; the first disagreement left at the bound. */
  #until(boundMs: number): string | undefined {
    const { clock } = this.#world;
    const end = clock.now + boundMs;
    let wrong: string | undefined;
    while (clock.now < end && this.checker.failures.length === 0) {
      clock.runUntil(clock.now + 250);
      this.checker.inspect(this.#members, clock.now);
      const { clusterId, mayBeRemoved, mustBeRemoved } = this.#stage;
      wrong = this.checker.disagreement(this.#members, clusterId, mayBeRemoved, mustBeRemoved);
      if (wrong === undefined) return undefined;
    }
    return this.checker.failures.length > 0 ? undefined : wrong;
  }

  #onStep(member: SimMember, input: Input, actions: readonly Action[]): void {
    const { swim } = member;
    if (swim === undefined) return;
    this.checker.step(member, input, actions, this.#world.clock.now);
    if (this.#last.get(member.index) !== swim.counters) {
      this.#collect(member.index);
      this.#last.set(member.index, swim.counters);
    }
    this.#healthPeak = Math.max(this.#healthPeak, swim.health.peak);
    for (const action of actions) {
      if (action.kind === "change") {
        const subject = this.#members.findIndex((m) => m.id === action.id);
        const words = ["alive", "suspect", "dead", "left", "removed"];
        const from = action.from === undefined ? "unknown" : words[action.from];
        this.#trace(`${member.index}: ${subject} ${from} → ${words[action.to]} (${action.reason})`);
      } else if (action.kind === "reset" || action.kind === "stalled" || action.kind === "gone") {
        this.#trace(`${member.index}: ${action.kind}`);
      }
    }
  }

  /** A process ended or the run did: its counters join the sums. */
  #collect(index: number): void {
    const counters = this.#last.get(index);
    for (const [name, value] of Object.entries(counters ?? {})) {
      this.#counters[name] = (this.#counters[name] ?? 0) + value;
    }
    this.#last.delete(index);
  }
}
