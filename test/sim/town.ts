/**
 * A few members with alerts, moved on by hand: for scenarios whose steps depend on what has happened.
 *
 * The seed varies delays, phases, order and who owns what. Wrong is collected as sentences, so that a scenario can be
 * run over many seeds.
 */

import type { HandlerSpec } from "#alert/handler.ts";
import { IdTable, randomUuid } from "#cluster/messages/member-id.ts";
import type { PlantedBug } from "#cluster/swim/core.ts";
import { LAN } from "#cluster/swim/options.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { SeededRandom } from "#lib/random.ts";
import type { AlertProgram } from "./alert-program.ts";
import { AlertRun, programOf } from "./alert-run.ts";
import { Checker } from "./checker.ts";
import type { Endpoints, Send } from "./endpoints.ts";
import { CALM, Network, pair } from "./network.ts";
import type { Plan } from "./plan.ts";
import { Scheduler } from "./scheduler.ts";
import { SimMember, type World } from "./sim-member.ts";

export interface TownOptions {
  readonly members?: number;
  readonly redundancy?: number;
  readonly delayMs?: number;
  readonly answerMs?: number;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const FORM_MS = 30_000;

export class Town {
  readonly clock = new Scheduler();
  readonly random: SeededRandom;
  readonly members: SimMember[] = [];
  readonly world: World;
  readonly wrong: string[] = [];
  readonly delayMs: number;
  readonly #run: AlertRun;
  #times = 0;

  constructor(seed: number, options: TownOptions = {}) {
    const { members = 3, redundancy = 2, delayMs = 10_000, answerMs = 20 } = options;
    this.random = new SeededRandom(seed);
    this.delayMs = delayMs;
    const network = new Network(this.clock, new SeededRandom(seed ^ 0x5bd1e995));
    network.faults = {
      ...CALM,
      delayMin: 0.1 + this.random.float(),
      delayMean: this.random.float(),
    };
    const alerts = { delayMs, redundancy, answerMs, fullSyncMs: 20_000, topics: {}, events: [] };
    const plan: Plan = {
      ...{ seed, style: "many", members, sealed: false, mischief: false, driftPpm: [] },
      ...{ safetyMs: 0, weather: CALM, faults: [], core: [], alerts },
    };
    const checker = new Checker(LAN);
    const frame = { plan, checker, planted: new Set<string>(), trace: () => {} };
    this.#run = new AlertRun(alerts, frame);
    this.world = {
      ...{ clock: this.clock, network, crypto: systemCrypto, ids: new IdTable(), options: LAN },
      ...{ keys: [], seed, planted: new Set<PlantedBug>(), disks: true, onStep: () => {} },
      program: (member, boot) => this.#run.program(this.world, member, boot),
    };
    this.#run.open(this.world, this.members);
    for (let i = 0; i < members; i++) this.newMember(redundancy);
  }

  newMember(redundancy = 2): SimMember {
    const id = randomUuid(this.random.bytes(16));
    const cluster = randomUuid(this.random.bytes(16));
    const member = new SimMember(this.world, this.members.length, id, cluster);
    member.redundancy = redundancy;
    member.driftPpm = this.random.below(1_001) - 500;
    this.members.push(member);
    return member;
  }

  get endpoints(): Endpoints {
    const { endpoints } = this.#run;
    if (endpoints === undefined) throw new Error("not opened");
    return endpoints;
  }

  at(index: number): SimMember {
    const member = this.members[index];
    if (member === undefined) throw new Error(`no member ${index}`);
    return member;
  }

  program(member: SimMember): AlertProgram {
    const program = programOf(member);
    if (program === undefined) throw new Error(`member ${member.index} does not run`);
    return program;
  }

  /** Starts all, adds all to the first, and waits until they agree and sends are not held any more. */
  form(): void {
    for (const member of this.members) member.start();
    const [first, ...others] = this.members;
    for (const other of others) if (first !== undefined) this.#run.operator.add(first, other);
    this.until("forming", FORM_MS, () => this.agree());
    this.run(7_000 + this.random.float() * 3_000);
  }

  /** Do all running members see all members alive? */
  agree(): boolean {
    return this.members.every(
      ({ swim }) =>
        swim === undefined ||
        (swim.sizes.members === this.members.length &&
          this.members.every((m) => m.swim === undefined || swim.entry(m.id)?.rank === 0)),
    );
  }

  run(ms: number): void {
    this.clock.runUntil(this.clock.now + ms);
  }

  until(what: string, withinMs: number, holds: () => boolean): void {
    const end = this.clock.now + withinMs;
    while (!holds()) {
      if (this.clock.now >= end) {
        this.wrong.push(`${what}: not within ${withinMs / 1000} s`);
        return;
      }
      this.run(5);
    }
  }

  expect(what: string, holds: boolean): void {
    if (!holds) this.wrong.push(what);
  }

  /** Runs something in a member's process and waits for its end. */
  do<T>(member: SimMember, work: (program: AlertProgram) => Promise<T>): T | Error {
    let result: { readonly value: T | Error } | undefined;
    member.run(() => {
      work(this.program(member)).then(
        (value) => {
          result = { value };
        },
        (error: unknown) => {
          result = { value: error instanceof Error ? error : new Error(String(error)) };
        },
      );
    });
    this.until("an operation", 60_000, () => result !== undefined);
    return result === undefined ? new Error("no result") : result.value;
  }

  add(adder: SimMember, member: SimMember): void {
    this.#run.operator.add(adder, member);
  }

  /** `member remove`, as typed at `by`. */
  remove(by: SimMember, member: SimMember): Error | undefined {
    const result = this.do(by, (program) => program.join.remove(member.id));
    return result instanceof Error ? result : undefined;
  }

  stop(member: SimMember): void {
    this.#run.operator.stop(member);
  }

  handler(topic: string, id: string, match = ""): HandlerSpec {
    return { id, topic, kind: "endpoint", match, options: { name: id } };
  }

  /** Defines a handler through a member; the error line, if it was refused. */
  define(spec: HandlerSpec, through = this.at(0), force = false): string | undefined {
    const edit = this.do(through, ({ replication }) => replication.create(spec, force));
    if (edit instanceof Error) return edit.message;
    return edit.kind === "refused" ? edit.error : undefined;
  }

  /** Raises an event on members; `at` is its data time, default now and never twice the same. */
  raise(
    what: { topic?: string; id: string; level?: 0 | 1 | 2 | 3; at?: number },
    on: readonly SimMember[] = this.members,
    afterMs: (member: SimMember) => number = () => this.random.float() * 5,
  ): number {
    const at = what.at ?? Math.max(Math.round(this.clock.now), this.#times + 1);
    this.#times = Math.max(this.#times, at);
    const { topic = "t", id, level = 2 } = what;
    for (const member of on) {
      const raised = { at, topic, id, level, by: [] };
      this.clock.after(afterMs(member), () => this.#run.raise(member.index, raised));
    }
    return at;
  }

  /** Sends that an endpoint took. */
  arrivals(filter: { topic?: string; id?: string; handler?: string } = {}): readonly Send[] {
    return this.endpoints.sends.filter(
      (send) =>
        send.acceptedAt !== undefined &&
        (filter.topic ?? send.topic) === send.topic &&
        (filter.id ?? send.id) === send.id &&
        (filter.handler ?? send.handler) === send.handler,
    );
  }

  /** Owners of a topic in rank order, then the others. */
  ranked(topic = "t"): readonly SimMember[] {
    const some = this.members.find((member) => member.program !== undefined) ?? this.at(0);
    const { ranking } = this.program(some).ownership.owners(topic);
    return ranking.map((id) => this.members.find((member) => member.id === id) ?? this.at(0));
  }

  counter(name: string): number {
    let sum = 0;
    for (const member of this.members) {
      sum += programOf(member)?.ownership.counters()[name] ?? 0;
    }
    return sum;
  }

  cut(group: readonly SimMember[]): void {
    for (const a of group) {
      for (const b of this.members) {
        if (group.includes(b)) continue;
        this.world.network.cut.add(pair(a, b)).add(pair(b, a));
      }
    }
  }

  heal(): void {
    const { network } = this.world;
    for (const cut of [network.cut, network.cutUdp, network.cutTcp, network.cutLarge]) cut.clear();
    for (const member of this.members) member.resume();
  }

  /** Lets days pass on everybody's calendar, without the time between. */
  daysPass(days: number): void {
    for (const member of this.members) member.wallOffsetMs += days * DAY_MS;
  }
}
