/**
 * The fault schedule of a run, drawn as data before anything happens, and its execution.
 *
 * Rates differ from run to run: many seeds tell a simple story with one or two faults, some have one
 * kind only, some are stormy. Uniform grey noise finds little.
 */

import type { MemberId } from "#cluster/ports.ts";
import type { SendFailure } from "#cluster/swim/io.ts";
import { type Random, shuffle } from "#lib/random.ts";
import { CALM, type NetworkFaults, pair } from "./network.ts";
import { add, connected, stopGracefully } from "./operator.ts";
import type { SimMember, World } from "./sim-member.ts";

export const FAULT_KINDS = [
  "crash",
  "host-down",
  "pause",
  "slow",
  "partition",
  "isolate",
  "one-way",
  "bridge",
  "udp-blocked",
  "tcp-blocked",
  "large-blocked",
  "send-error",
  "weather",
  "disk-slow",
  "disk-fails",
  "clock",
  "leave",
  "remove",
  "remove-self",
  "move",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly at: number;
  readonly kind: FaultKind;
  readonly target: number;
  readonly other: number;
  readonly lengthMs: number;
  /** A kind's own dice, 0 … 2^32−1. */
  readonly salt: number;
}

export interface Plan {
  readonly style: "few" | "one-kind" | "many" | "mild";
  readonly members: number;
  readonly sealed: boolean;
  readonly driftPpm: readonly number[];
  readonly safetyMs: number;
  readonly weather: NetworkFaults;
  readonly faults: readonly Fault[];
}

/** Everything about a run that comes from its seed. */
export function drawPlan(random: Random): Plan {
  const dice = random.below(100);
  const style = dice < 45 ? "few" : dice < 60 ? "one-kind" : dice < 70 ? "mild" : "many";
  const members = 3 + random.below(5);
  const safetyMs = 20_000 + random.below(60_000);
  const kinds: FaultKind[] =
    style === "mild"
      ? ["pause"]
      : style === "one-kind"
        ? [FAULT_KINDS[random.below(FAULT_KINDS.length)] ?? "crash"]
        : [...FAULT_KINDS];
  const count =
    style === "few"
      ? 1 + random.below(3)
      : style === "many"
        ? 5 + random.below(15)
        : style === "mild"
          ? 8
          : 4;
  const longestPause = random.below(2) === 0 ? 1_900 : 20_000;
  const faults: Fault[] = [];
  for (let i = 0; i < count; i++) {
    faults.push({
      at: random.below(safetyMs - 5_000),
      kind: kinds[random.below(kinds.length)] ?? "crash",
      target: random.below(members),
      other: random.below(members),
      lengthMs: style === "mild" ? 100 + random.below(longestPause) : drawLength(random),
      salt: random.u32(),
    });
  }
  faults.sort((a, b) => a.at - b.at);
  return {
    style,
    members,
    sealed: random.below(10) < 3,
    driftPpm: Array.from({ length: members }, () => random.below(1_001) - 500),
    safetyMs,
    weather: style === "mild" ? { ...CALM, loss: random.float() * 0.05 } : drawWeather(random),
    faults,
  };
}

/** Short faults are as likely as long ones. */
function drawLength(random: Random): number {
  return Math.round(100 * 10 ** (random.float() * 2.6));
}

function drawWeather(random: Random): NetworkFaults {
  const some = (max: number): number => (random.below(2) === 0 ? 0 : random.float() * max);
  const slow = random.below(4);
  return {
    loss: some(0.3),
    duplicate: some(0.2),
    reorder: some(0.3),
    corrupt: some(0.05),
    replay: some(0.1),
    delayMin: slow === 0 ? 40 : slow === 1 ? 5 : 0.1,
    delayMean: slow === 0 ? 10 : slow === 1 ? 20 : 0.2,
  };
}

export interface Stage {
  readonly world: World;
  readonly members: readonly SimMember[];
  readonly random: Random;
  readonly clusterId: string;
  /** Removals an operator tried. */
  readonly mayBeRemoved: Set<MemberId>;
  /** With the member that has it on disk: if that one is removed itself, the removal may be lost. */
  readonly mustBeRemoved: Map<MemberId, MemberId>;
  /** The one member that may change its address in this run. */
  mover: SimMember | undefined;
  /** Healing has begun: operators rest. */
  over: boolean;
  trace(text: string): void;
}

const SEND_ERRORS: readonly SendFailure[] = ["no-route", "not-permitted", "full", "too-large"];

/** Begins a fault and arranges its end. Ends that come after healing do no harm. */
export function begin(stage: Stage, fault: Fault): void {
  const { world, members } = stage;
  const target = members[fault.target];
  const other = members[fault.other];
  if (target === undefined || other === undefined) return;
  stage.trace(`fault ${fault.kind} member ${fault.target} for ${fault.lengthMs} ms`);
  const later = (run: () => void): void => world.clock.after(fault.lengthMs, run);
  const { network } = world;
  switch (fault.kind) {
    case "crash":
    case "host-down":
      target.crash(fault.kind === "host-down");
      if (fault.salt % 4 > 0) later(() => target.start());
      return;
    case "pause":
      target.pause();
      later(() => target.resume());
      return;
    case "slow":
      target.slowMs = 1 + (fault.salt % 200);
      later(() => {
        target.slowMs = 0;
      });
      return;
    case "partition":
    case "isolate":
    case "bridge":
    case "one-way":
      cutFor(stage, fault, network.cut, sides(stage, fault));
      return;
    case "udp-blocked":
      cutFor(stage, fault, network.cutUdp, aroundOne(members, target, fault.salt));
      return;
    case "tcp-blocked":
      cutFor(stage, fault, network.cutTcp, aroundOne(members, target, fault.salt));
      return;
    case "large-blocked":
      cutFor(stage, fault, network.cutLarge, aroundOne(members, target, fault.salt));
      return;
    case "send-error":
      network.sendErrors.set(target.index, SEND_ERRORS[fault.salt % 4] ?? "full");
      later(() => network.sendErrors.delete(target.index));
      return;
    case "weather": {
      const before = network.faults;
      network.faults = { ...before, loss: (fault.salt % 80) / 100 };
      later(() => {
        if (!stage.over) network.faults = before;
      });
      return;
    }
    case "disk-slow":
      target.diskDelayMs = fault.salt % 2_000;
      later(() => {
        target.diskDelayMs = 2;
      });
      return;
    case "disk-fails":
      target.diskFails = true;
      later(() => {
        target.diskFails = false;
      });
      return;
    case "clock":
      target.wallOffsetMs += ((fault.salt % 7_200) - 3_600) * 1_000;
      return;
    case "leave":
      stopGracefully(world, target);
      world.clock.after(fault.lengthMs + 2_000, () => target.start());
      return;
    case "remove":
      if (fault.target !== fault.other) remove(stage, other, target, fault);
      return;
    case "remove-self": {
      // As the daemon does it: another member that can be reached takes the removal.
      const taker = members.find((m) => m !== target && connected(world, target, m) && !m.paused);
      if (taker !== undefined && !target.paused) remove(stage, taker, target, fault);
      return;
    }
    case "move":
      // Two that move while they cannot hear each other have no way to meet without names.
      if ((stage.mover ?? target) !== target) return;
      stage.mover = target;
      target.crash(false);
      later(() => {
        const { index } = target;
        if (target.state === "up") return;
        target.moveTo({ host: `10.9.${fault.salt % 256}.${index}`, port: 9090 });
        target.start();
      });
      return;
  }
}

function remove(stage: Stage, by: SimMember, target: SimMember, fault: Fault): void {
  const { world } = stage;
  if (by.swim === undefined || by.paused || by.swim.clusterId !== stage.clusterId) return;
  // Two members stay at least, so that there is a cluster to compare with.
  if (stage.mayBeRemoved.size >= stage.members.length - 2) return;
  stage.mayBeRemoved.add(target.id);
  const epoch = by.swim.entry(target.id)?.epoch;
  by.whenDurable(() => sure(stage, by, target, epoch));
  by.input({ kind: "remove", id: target.id });
  if (fault.salt % 3 > 0) return;
  world.clock.after(fault.lengthMs, () => {
    if (stage.over || target.swim === undefined || target.swim.initialized) return;
    const adder = stage.members.find(
      (m) => m !== target && m.swim?.clusterId === stage.clusterId && m.swim.initialized,
    );
    if (adder === undefined) return;
    stage.mustBeRemoved.delete(target.id);
    stage.trace(`adding member ${target.index} again through ${adder.index}`);
    add(world, adder, target);
  });
}

/** On the remover's disk: this removal is for ever, unless the member was added again meanwhile. */
function sure(stage: Stage, by: SimMember, target: SimMember, epoch: number | undefined): void {
  if (target.swim?.clusterId === stage.clusterId && target.swim.epoch !== epoch) return;
  stage.mustBeRemoved.set(target.id, by.id);
}

function cutFor(stage: Stage, fault: Fault, cut: Set<string>, names: readonly string[]): void {
  for (const name of names) cut.add(name);
  stage.world.clock.after(fault.lengthMs, () => {
    for (const name of names) cut.delete(name);
  });
}

function aroundOne(members: readonly SimMember[], target: SimMember, salt: number): string[] {
  const names: string[] = [];
  for (const other of members) {
    if (other === target) continue;
    if (salt % 3 !== 1) names.push(pair(target, other));
    if (salt % 3 !== 2) names.push(pair(other, target));
  }
  return names;
}

function sides(stage: Stage, fault: Fault): string[] {
  const { members } = stage;
  const order = [...members];
  shuffle(stage.random, order);
  const names: string[] = [];
  if (fault.kind === "one-way") {
    if (fault.target !== fault.other) names.push(`${fault.target}>${fault.other}`);
    return names;
  }
  const bridge = fault.kind === "bridge" ? order.pop() : undefined;
  const size = fault.kind === "isolate" ? 1 : Math.max(1, order.length >> 1);
  const left = order.slice(0, size);
  const right = order.slice(size).filter((member) => member !== bridge);
  for (const a of left) for (const b of right) names.push(pair(a, b), pair(b, a));
  return names;
}
