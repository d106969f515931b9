/**
 * One run: form a cluster, let the faults of the plan loose, let a core settle, heal all, be quiet (simulation.md §8).
 *
 * Everything follows from the plan and the plan from the seed; the same plan gives the same bytes at the same virtual
 * times, which `traceHash` shows.
 */

import { IdTable, randomUuid } from "#cluster/messages/member-id.ts";
import { ALIVE, REMOVED } from "#cluster/messages/message.ts";
import type { MemberId } from "#cluster/ports.ts";
import type { PlantedBug } from "#cluster/swim/core.ts";
import type { Action, Input } from "#cluster/swim/io.ts";
import { LAN, type SwimOptions } from "#cluster/swim/options.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { errorMessage } from "#lib/errors.ts";
import { SeededRandom } from "#lib/random.ts";
import { AlertRun, type PlantedAlertBug } from "./alert-run.ts";
import { Checker } from "./checker.ts";
import { begin, formStrangers, type Stage, settleKeys, tornShare } from "./faults.ts";
import { CALM, Network, pair } from "./network.ts";
import { plainOperator } from "./operator.ts";
import { drawPlan, type Plan, type Theme } from "./plan.ts";
import { Scheduler } from "./scheduler.ts";
import { SimMember, type World } from "./sim-member.ts";

export type AnyBug = PlantedBug | PlantedAlertBug;

export interface RunOptions {
  readonly planted?: ReadonlySet<AnyBug>;
  readonly trace?: (line: string) => void;
  readonly theme?: Theme;
}

export interface RunResult {
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
/** Until the last change of the table is forgotten, ms. */
const ALERTS_FORM_MS = 7_000;
const QUIET_MS = 60_000;
/** Between looks at tables and views. */
const LOOK_MS = 250;
/** Longest pause between two dials of somebody who is away, with jitter. */
const DIAL_MS_MAX = 39_000;
/** What a long run of the same plan may take at most; beyond it something loops. */
const STEPS_MAX = 20_000_000;

export function run(seed: number, options: RunOptions = {}): RunResult {
  return play(drawPlan(seed, options.theme), options);
}

export function play(plan: Plan, options: RunOptions = {}): RunResult {
  const simulation = new Simulation(plan, options);
  try {
    simulation.play();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error);
    simulation.checker.fail(`A1: exception ${text}`);
  }
  return simulation.result();
}

/** E2: dials and spread, two full syncs, the longest suspicion, and two probe rounds. */
export function agreeBoundMs(options: SwimOptions, members: number): number {
  const { gossipIntervalMs, syncIntervalMs, probeIntervalMs, suspicionMult } = options;
  const e1 = DIAL_MS_MAX + 10 * gossipIntervalMs + 2_000 + 2 * 1.2 * syncIntervalMs;
  return e1 + 6 * suspicionMult * probeIntervalMs + 2 * probeIntervalMs * members;
}

/** One in ten times, from dice of its own, so that no other choice moves. */
function mischief(seed: number): () => boolean {
  const random = new SeededRandom(seed ^ 0x7feb352d);
  return () => random.below(10) === 0;
}

class Simulation {
  readonly checker: Checker;
  readonly #plan: Plan;
  readonly #world: World;
  readonly #stage: Stage;
  readonly #alerts: AlertRun | undefined;
  readonly #counters: Record<string, number> = {};
  readonly #last = new Map<number, Readonly<Record<string, number>>>();
  #healthPeak = 0;
  readonly #trace: (line: string) => void;

  constructor(plan: Plan, options: RunOptions) {
    this.#plan = plan;
    this.checker = new Checker({ ...LAN, packetMax: plan.packetMax ?? LAN.packetMax });
    const { seed } = plan;
    const random = new SeededRandom(seed ^ 0x1b873593);
    const clock = new Scheduler();
    const write = options.trace;
    this.#trace = (line) => write?.(`${(clock.now / 1000).toFixed(3).padStart(9)}  ${line}`);
    const planted = options.planted ?? new Set<AnyBug>();
    const alerts =
      plan.alerts === undefined
        ? undefined
        : new AlertRun(plan.alerts, { plan, checker: this.checker, planted, trace: this.#trace });
    this.#alerts = alerts;
    const members: SimMember[] = [];
    this.#world = {
      clock,
      network: new Network(clock, new SeededRandom(seed ^ 0x5bd1e995)),
      crypto: systemCrypto,
      ids: new IdTable(),
      options: { ...LAN, packetMax: plan.packetMax ?? LAN.packetMax },
      keys: plan.sealed ? [random.bytes(32)] : [],
      seed,
      planted: planted as ReadonlySet<PlantedBug>,
      disks: true,
      onStep: (member, input, actions) => this.#onStep(member, input, actions),
      ...(plan.mischief ? { mischief: () => mischief(plan.seed) } : {}),
      ...(alerts === undefined
        ? {}
        : { program: (member, boot) => alerts.program(this.#world, member, boot) }),
    };
    alerts?.open(this.#world, members);
    for (let i = 0; i < plan.members; i++) {
      const id = randomUuid(random.bytes(16));
      const member = new SimMember(this.#world, i, id, randomUuid(random.bytes(16)));
      member.driftPpm = plan.driftPpm[i] ?? 0;
      member.redundancy = plan.alerts?.redundancy ?? 0;
      members.push(member);
    }
    this.#stage = {
      world: this.#world,
      members,
      clusterId: "",
      operator: alerts?.operator ?? plainOperator(this.#world, members),
      mayBeRemoved: new Set<MemberId>(),
      mustBeRemoved: new Map<MemberId, MemberId>(),
      unsteady: new Set<MemberId>(),
      liedAbout: new Set<MemberId>(),
      mover: undefined,
      clones: [],
      strangers: [],
      phase: "safety",
      endpoints: alerts?.endpoints,
      count: (what) => {
        this.#counters[what] = (this.#counters[what] ?? 0) + 1;
      },
      died: (fault) => alerts?.faultBegins(fault),
      trace: this.#trace,
    };
    this.checker.mild = plan.style === "mild";
    this.checker.pausedLately = (id) => this.#pausedLately(id);
    this.checker.calm = plan.style === "none";
    this.checker.sealed = plan.sealed;
    this.checker.unsteady = this.#stage.unsteady;
    this.checker.liedAbout = this.#stage.liedAbout;
  }

  play(): void {
    for (const phase of [this.#form, this.#suffer, this.#settle, this.#heal, this.#rest]) {
      phase.call(this);
      if (this.checker.failures.length > 0) return;
    }
  }

  result(): RunResult {
    for (const index of this.#last.keys()) this.#collect(index);
    this.#alerts?.collect(this.#counters);
    for (const { tornLogs, tornFiles } of this.#members) {
      this.#counters["torn-logs"] = (this.#counters["torn-logs"] ?? 0) + tornLogs;
      this.#counters["torn-files"] = (this.#counters["torn-files"] ?? 0) + tornFiles;
    }
    return {
      plan: this.#plan,
      failures: this.checker.failures,
      traceHash: this.#world.clock.traceHash,
      steps: this.#world.clock.steps,
      virtualMs: this.#world.clock.now,
      counters: this.#counters,
      healthPeak: this.#healthPeak,
    };
  }

  get #members(): readonly SimMember[] {
    return this.#stage.members;
  }

  #form(): void {
    const { clock } = this.#world;
    const [first, ...others] = this.#members;
    if (first === undefined) return;
    for (const member of this.#members) member.start();
    const random = new SeededRandom(this.#plan.seed ^ 0x2545f491);
    if (this.#plan.crossing === true) this.#cross(first, others.shift());
    Object.assign(this.#stage, { clusterId: first.swim?.clusterId });
    let at = clock.now + 100;
    for (const other of others) {
      clock.at(at, () => {
        // The first cluster is the one that grows: who is in it already may add.
        const inside = this.#members.filter(
          (m) => m !== other && m.swim?.initialized && m.swim.clusterId === this.#stage.clusterId,
        );
        this.#stage.operator.add(inside[random.below(Math.max(1, inside.length))] ?? first, other);
      });
      at += random.below(300);
    }
    if (this.#plan.faults.some(({ kind }) => kind === "foreign")) formStrangers(this.#stage);
    const formed = this.#until(FORM_MS, () => this.#disagreement());
    if (formed !== undefined) this.checker.fail(`forming: ${formed}`);
    const ready = this.#until(FORM_MS, () => this.#alerts?.unready());
    if (ready !== undefined) this.checker.fail(`forming: ${ready}`);
    // Sends are held for a moment after every change of the table.
    if (this.#alerts !== undefined) this.#runTo(clock.now + ALERTS_FORM_MS);
    this.#trace(`formed ${this.#plan.members} members`);
  }

  /** Two members that are alone add each other at once: one cluster comes of it (U6). */
  #cross(a: SimMember, b: SimMember | undefined): void {
    if (b === undefined) return;
    this.#stage.operator.add(a, b);
    this.#stage.operator.add(b, a);
    const apart = this.#until(FORM_MS, () =>
      a.swim?.clusterId === b.swim?.clusterId ? undefined : "two that add each other stay apart",
    );
    if (apart !== undefined) this.checker.fail(`forming: ${apart}`);
    this.#counters["joins-crossed"] = (this.#counters["joins-crossed"] ?? 0) + 1;
  }

  #suffer(): void {
    const { clock, network } = this.#world;
    network.faults = { ...this.#plan.weather };
    const start = clock.now;
    this.#alerts?.begin(start);
    for (const fault of this.#plan.faults) {
      clock.at(start + fault.at, () => {
        if (tornShare(fault) === undefined) this.#alerts?.faultBegins(fault);
        begin(this.#stage, fault);
      });
    }
    this.#runTo(start + this.#plan.safetyMs);
  }

  /** A core is well from now on, everybody else stays as they are (livelocks show here). */
  #settle(): void {
    const { network } = this.#world;
    const core = this.#plan.core.flatMap((index) => this.#members[index] ?? []);
    this.#trace(`settling; the core is ${core.map((m) => m.index).join(", ")}`);
    this.#stage.phase = "settling";
    this.#alerts?.settles(core);
    network.faults = { ...CALM };
    settleKeys(this.#stage);
    for (const member of core) this.#mend(member);
    // Who gave way to a copy of itself is well when the operator has stopped the copy and started it again.
    for (const copy of this.#stage.clones)
      if (core.some((m) => m.id === copy.id)) copy.crash(false);
    for (const member of core) if (member.halted) member.crash(false);
    for (const a of core) for (const b of core) this.#open(pair(a, b));
    this.#runTo(this.#world.clock.now + 1_500);
    for (const member of core) member.start();
    this.#alerts?.settling();
    const gone = this.#members.filter((m) => !core.includes(m) && m.state !== "up");
    const bound = agreeBoundMs(LAN, this.#members.length);
    const wrong = this.#until(bound, () => this.checker.coreDisagreement(core, gone, this.#stage));
    if (wrong !== undefined) this.checker.fail(`${wrong}, ${bound / 1000} s after settling`);
    const untold = this.#until(this.#alerts?.tellBoundMs ?? 0, () => this.#alerts?.untold(core));
    if (untold !== undefined) this.checker.fail(`${untold} in the core`);
  }

  #heal(): void {
    const { clock, network } = this.#world;
    this.#trace("healing everything");
    this.#stage.phase = "healed";
    for (const cut of [network.cut, network.cutUdp, network.cutTcp, network.cutLarge]) cut.clear();
    network.unclog([...network.clogged], false);
    network.sendErrors.clear();
    for (const copy of this.#stage.clones) copy.crash(false);
    for (const member of this.#members) this.#mend(member);
    this.#alerts?.healed();
    // What was arranged by late faults happens now and is over.
    this.#runTo(clock.now + 12_000);
    for (const member of this.#members) {
      this.#mend(member);
      if (member.halted) member.crash(false);
      member.start();
    }
    settleKeys(this.#stage);
    this.#bringBack();
    const bound = agreeBoundMs(LAN, this.#members.length);
    const wrong = this.#until(bound, () => this.#disagreement());
    if (wrong !== undefined) this.checker.fail(`${wrong}, ${bound / 1000} s after healing`);
    else this.#trace("all agree");
    const alerts = this.#alerts;
    if (alerts === undefined || wrong !== undefined) return;
    const unsettled = this.#until(alerts.settleBoundMs, () => alerts.unsettled(this.#stage));
    if (unsettled !== undefined) this.checker.fail(unsettled);
    else this.#trace("alerts are settled");
  }

  /**
   * Machines that took the place of lost ones are added until they are in, and who removed itself while nobody heard of
   * it is removed elsewhere too.
   */
  #bringBack(): void {
    const { clock } = this.#world;
    const { clusterId, mayBeRemoved, operator } = this.#stage;
    const taker = this.#members.find((m) => m.swim?.clusterId === clusterId);
    for (const member of this.#members) {
      if (member.swim === undefined || member.swim.clusterId === clusterId) continue;
      if (!mayBeRemoved.has(member.id) || taker === undefined) continue;
      const known = taker.swim?.entry(member.id);
      if (known !== undefined && known.rank !== REMOVED) operator.remove(taker, member, () => {});
    }
    const outside = this.#members.filter(
      (m) =>
        m.index >= this.#plan.members &&
        m.swim?.clusterId !== this.#stage.clusterId &&
        !this.#stage.mayBeRemoved.has(m.id),
    );
    if (taker !== undefined) for (const member of outside) operator.add(taker, member);
    clock.after(5_000, () => {
      if (!this.checker.quiet) this.#bringBack();
    });
  }

  #rest(): void {
    const { clock } = this.#world;
    this.#runTo(clock.now + 2_000);
    this.checker.quiet = true;
    this.#alerts?.quiet();
    this.#runTo(clock.now + QUIET_MS);
    for (const member of this.#members) {
      const { queue = 0, relays = 0, links = 0 } = member.swim?.sizes ?? {};
      // Who sees nobody alive has nobody to tell; what it keeps is replaced by the sync when one comes back.
      const hears = [...(member.swim?.entries() ?? [])].some(
        (e) => e.id !== member.id && e.rank === ALIVE,
      );
      if (queue > 0 && hears)
        this.checker.fail(`E7: member ${member.index} still gossips ${queue} facts`);
      if (relays > 0 || links > 8) {
        this.checker.fail(
          `E7: member ${member.index} keeps ${relays} relays, ${links} connections`,
        );
      }
    }
    for (const stranger of this.#stage.strangers) {
      if ((stranger.swim?.sizes.members ?? 2) !== 2) {
        this.checker.fail("E2: the other cluster has other members than its own");
      }
    }
    this.#alerts?.rested(this.#stage);
  }

  /** Pauses up to 2 s must not lead to a death; a longer one may, until a moment after its end, asleep again or not. */
  #pausedLately(id: MemberId): boolean {
    const member = this.#members.find((one) => one.id === id);
    if (member === undefined) return false;
    const { now } = this.#world.clock;
    const until = member.paused ? member.pausedAt : now;
    if (member.sleptMs > 2_000 && until - member.wokeAt < 3_000) return true;
    return member.paused && now - member.pausedAt > 2_000;
  }

  #mend(member: SimMember): void {
    member.diskDelayMs = 2;
    member.diskFails = false;
    member.slowMs = 0;
    this.#world.network.sendErrors.delete(member.index);
    member.resume();
  }

  #open(name: string): void {
    const { cut, cutUdp, cutTcp, cutLarge } = this.#world.network;
    for (const names of [cut, cutUdp, cutTcp, cutLarge]) names.delete(name);
    this.#world.network.unclog([name], false);
  }

  #disagreement(): string | undefined {
    return this.checker.disagreement(this.#members, this.#stage);
  }

  /** Runs on, looking at tables now and then; stops early at a failure. */
  #runTo(end: number): void {
    const { clock } = this.#world;
    while (clock.now < end && this.checker.failures.length === 0) {
      clock.runUntil(Math.min(end, clock.now + LOOK_MS));
      this.checker.inspect(this.#members, clock.now);
      if (clock.steps > STEPS_MAX) this.checker.fail("A1: the run does not come to an end");
    }
  }

  /** Runs until nothing is wrong; what is wrong at the bound. */
  #until(boundMs: number, wrong: () => string | undefined): string | undefined {
    const end = this.#world.clock.now + boundMs;
    for (;;) {
      if (this.checker.failures.length > 0) return undefined;
      const what = wrong();
      if (what === undefined || this.#world.clock.now >= end) return what;
      this.#runTo(Math.min(end, this.#world.clock.now + LOOK_MS));
    }
  }

  #onStep(member: SimMember, input: Input, actions: readonly Action[]): void {
    const { swim } = member;
    if (swim === undefined) return;
    if (this.#last.get(member.index) !== swim.counters) {
      this.#collect(member.index);
      this.#last.set(member.index, swim.counters);
    }
    for (const action of actions) if (action.kind === "duplicate") this.#duplicate(member);
    if (member.role !== "member") return;
    this.checker.step(member, input, actions, this.#world.clock.now);
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

  /** U31: of two processes the one that started later, by its own clock, gives way. */
  #duplicate(member: SimMember): void {
    this.#trace(`${member.role} ${member.index}: duplicate`);
    member.halted = true;
    this.#counters["duplicates-stopped"] = (this.#counters["duplicates-stopped"] ?? 0) + 1;
    const copy = this.#stage.clones.find((one) => one.id === member.id);
    if (member.role !== "member" || copy === undefined) {
      const isLie = this.checker.liedAbout.has(member.id);
      if (member.role === "member" && !isLie) {
        this.checker.fail(`A1: ${member.index} gave way to nobody`);
      }
      return;
    }
    // Numbers at the start: who insists on the identity takes a larger one than the other has.
    if (member.firstBoot < copy.firstBoot)
      this.checker.fail(`A1: member ${member.index} gave way to a younger copy`);
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
