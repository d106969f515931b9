/**
 * Faults happening: each kind begins at a member of the run and arranges its end.
 *
 * Which ones happen is data (`plan.ts`); a fault's own dice come from its salt, so that leaving one out moves nothing
 * else. Once the run settles, members of the core are well and the others stay as they are: ends that come later are
 * left to the healing.
 */

import { randomUuid } from "#cluster/messages/member-id.ts";
import type { MemberId } from "#cluster/ports.ts";
import type { SendFailure } from "#cluster/swim/io.ts";
import { SeededRandom, shuffle } from "#lib/random.ts";
import type { Endpoints } from "./endpoints.ts";
import { lie } from "./liar.ts";
import { pair } from "./network.ts";
import type { Operator } from "./operator.ts";
import type { Fault } from "./plan.ts";
import { SimMember, type World } from "./sim-member.ts";

export interface Stage {
  readonly world: World;
  /** All that are or were in the cluster, new ones at the end. */
  readonly members: SimMember[];
  readonly clusterId: string;
  readonly operator: Operator;
  /** Removals an operator tried. */
  readonly mayBeRemoved: Set<MemberId>;
  /** With the member that has it on disk: if that one is removed or loses its disk, the removal may be lost. */
  readonly mustBeRemoved: Map<MemberId, MemberId>;
  /** Members whose disk was rolled back, or whose identity was used by another process. */
  readonly unsteady: Set<MemberId>;
  /** Members, also such that do not exist, of whom a liar spoke. */
  readonly liedAbout: Set<MemberId>;
  /** The one member that may change its address in this run. */
  mover: SimMember | undefined;
  /** Copies of members that run somewhere. */
  readonly clones: SimMember[];
  /** Two members of another cluster, in runs that need them. */
  readonly strangers: SimMember[];
  /** `safety`: faults begin and end. `settling`: the core is well. `healed`: everything is, operators rest. */
  phase: "safety" | "settling" | "healed";
  readonly endpoints: Endpoints | undefined;
  count(what: string): void;
  /** A crash that waited for a disk write has happened. */
  died(fault: Fault): void;
  trace(text: string): void;
}

const SEND_ERRORS: readonly SendFailure[] = ["no-route", "not-permitted", "full", "too-large"];

/** Begins a fault and arranges its end. */
export function begin(stage: Stage, fault: Fault): void {
  const { world, members } = stage;
  const target = members[fault.target];
  const other = members[fault.other];
  if (target === undefined || other === undefined) return;
  stage.trace(`fault ${fault.kind} member ${fault.target} for ${fault.lengthMs} ms`);
  const later = (run: () => void): void =>
    world.clock.after(fault.lengthMs, () => {
      if (stage.phase === "safety") run();
    });
  const { network } = world;
  switch (fault.kind) {
    case "crash":
    case "host-down":
      crash(stage, target, fault, later);
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
      cutFor(fault, network.cut, sides(stage, fault), later);
      return;
    case "udp-blocked":
      cutFor(fault, network.cutUdp, aroundOne(members, target, fault.salt), later);
      return;
    case "tcp-blocked":
      cutFor(fault, network.cutTcp, aroundOne(members, target, fault.salt), later);
      return;
    case "large-blocked":
      cutFor(fault, network.cutLarge, aroundOne(members, target, fault.salt), later);
      return;
    case "clog":
      clog(stage, fault, target);
      return;
    case "send-error":
      network.sendErrors.set(target.index, SEND_ERRORS[fault.salt % 4] ?? "full");
      later(() => network.sendErrors.delete(target.index));
      return;
    case "weather": {
      const before = network.faults;
      network.faults = { ...before, loss: (fault.salt % 80) / 100 };
      later(() => {
        network.faults = before;
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
    case "old-disk":
      oldDisk(stage, target, later);
      return;
    case "empty-disk":
      replaceMachine(stage, target, fault, later);
      return;
    case "clone":
      clone(stage, target, fault, later);
      return;
    case "foreign":
      strangerAt(stage, target, later);
      return;
    case "clock":
      target.wallOffsetMs += ((fault.salt % 7_200) - 3_600) * 1_000;
      return;
    case "leave":
      stage.operator.stop(target);
      world.clock.after(fault.lengthMs + 2_000, () => {
        if (stage.phase === "safety") target.start();
      });
      return;
    case "remove":
      if (fault.target !== fault.other) remove(stage, other, target, fault);
      return;
    case "remove-self":
      remove(stage, target, target, fault);
      return;
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
    case "note": {
      // A hint of any size to everybody; losing one matters to nobody.
      const bytes = new Uint8Array(fault.salt % 513);
      target.input({ kind: "note", noteKind: 200, bytes });
      return;
    }
    case "liar":
      lie(stage, target, other, fault);
      return;
    case "rotate":
      rotate(stage, target, fault);
      return;
    case "endpoint-slow":
    case "endpoint-refuses":
    case "endpoint-hangs":
    case "endpoint-mute":
      upset(stage, fault, later);
      return;
    case "edit-handler":
      stage.operator.editHandler(target, fault.salt);
      return;
  }
}

type Later = (run: () => void) => void;

/** In one crash of four a disk write is hit: the share of it that survives. `undefined` for the others. */
export function tornShare({ kind, salt }: Fault): number | undefined {
  if (kind !== "crash" && kind !== "host-down") return undefined;
  return (salt >>> 8) % 4 === 0 ? ((salt >>> 16) % 1_000) / 1_000 : undefined;
}

function crash(stage: Stage, target: SimMember, fault: Fault, later: Later): void {
  const silent = fault.kind === "host-down";
  const comesBack = (): void => {
    if (fault.salt % 4 > 0) later(() => target.start());
  };
  const share = tornShare(fault);
  if (share === undefined) {
    target.crash(silent);
    comesBack();
    return;
  }
  const died = (): void => {
    stage.died(fault);
    comesBack();
  };
  if (target.state === "up") target.crashWriting({ silent, share, died });
  else died();
}

function cutFor(_fault: Fault, cut: Set<string>, names: readonly string[], later: Later): void {
  for (const name of names) cut.add(name);
  later(() => {
    for (const name of names) cut.delete(name);
  });
}

/** Nothing of a member's datagrams leaves for a while, then everything does. */
function clog(stage: Stage, fault: Fault, target: SimMember): void {
  const { network, clock } = stage.world;
  const names = stage.members
    .filter((member) => member !== target && (fault.salt >> member.index) % 2 === 0)
    .map((member) => pair(target, member));
  for (const name of names) network.clogged.add(name);
  clock.after(Math.min(fault.lengthMs, 10_000), () => network.unclog(names, fault.salt % 3 === 0));
}

/** The member comes back with what its disk held when the fault began. */
function oldDisk(stage: Stage, target: SimMember, later: Later): void {
  target.keepOldDisk();
  if (target.disk === undefined) return;
  later(() => {
    target.crash(false);
    stage.unsteady.add(target.id);
    for (const [id, by] of stage.mustBeRemoved) {
      if (by === target.id) stage.mustBeRemoved.delete(id);
    }
    // A boot number that was raised above a lie is known to the others; who forgets it gives way to itself for ever.
    target.start(!stage.liedAbout.has(target.id));
  });
}

/** The machine is lost and another one with an empty disk takes its address; the operator adds it. */
function replaceMachine(stage: Stage, target: SimMember, fault: Fault, later: Later): void {
  if (target.retired || stage.members.some((member) => member.retired)) return;
  target.crash(true);
  target.retired = true;
  stage.unsteady.add(target.id);
  for (const [id, by] of stage.mustBeRemoved) {
    if (by === target.id) stage.mustBeRemoved.delete(id);
  }
  later(() => {
    const { world, members } = stage;
    const random = new SeededRandom(fault.salt);
    const ids = [randomUuid(random.bytes(16)), randomUuid(random.bytes(16))] as const;
    const fresh = new SimMember(world, members.length, ids[0], ids[1]);
    fresh.redundancy = target.redundancy;
    fresh.keys = target.keys;
    target.moveTo({ host: `10.7.0.${target.index}`, port: 9090 });
    fresh.moveTo({ host: `10.${fault.salt % 2 === 0 ? 0 : 6}.0.${target.index}`, port: 9090 });
    members.push(fresh);
    fresh.start();
    stage.trace(`member ${fresh.index} stands at the place of ${target.index}`);
    const taker = members.find((m) => m.swim?.clusterId === stage.clusterId && !m.paused);
    if (taker === undefined) return;
    if (fault.salt % 3 === 0) remove(stage, taker, target, { ...fault, salt: 1 });
    stage.operator.add(taker, fresh);
  });
}

/** A process with a copy of the member's disk runs on another machine (U31). */
function clone(stage: Stage, target: SimMember, fault: Fault, later: Later): void {
  // Nobody copies a disk that fails; and what is insisted on against a copy must get to the disk.
  if (target.diskFails) return;
  const { world } = stage;
  if (target.state !== "up" || target.disk === undefined || stage.clones.length > 0) return;
  // Its address changes too, for a while: see `move`.
  if ((stage.mover ?? target) !== target) return;
  stage.mover = target;
  const index = 1_000 + stage.clones.length;
  const copy = new SimMember(world, index, target.id, randomUuid(new Uint8Array(16)));
  copy.role = "clone";
  copy.disk = target.disk;
  copy.keys = target.keys;
  copy.moveTo({ host: `10.8.0.${fault.salt % 200}`, port: 9090 });
  stage.clones.push(copy);
  stage.unsteady.add(target.id);
  copy.start();
  later(() => copy.crash(false));
}

/** Two members of another cluster, for later. */
export function formStrangers(stage: Stage): void {
  for (let i = 0; i < 2; i++) {
    const bytes = new Uint8Array(16).fill(0x70 + i);
    const stranger = new SimMember(stage.world, 2_000 + i, randomUuid(bytes), randomUuid(bytes));
    stranger.role = "stranger";
    stranger.start();
    stage.strangers.push(stranger);
  }
  const [first, second] = stage.strangers;
  if (first !== undefined && second !== undefined) stage.operator.add(first, second);
}

/** A member of another cluster stands at the address of one of ours for a while. */
function strangerAt(stage: Stage, target: SimMember, later: Later): void {
  const { world } = stage;
  const [first] = stage.strangers;
  if (first === undefined || target.retired || stage.mover === target) return;
  stage.mover ??= target;
  if (stage.mover !== target) return;
  const { address } = target;
  target.crash(false);
  world.network.unbind(target);
  first.crash(false);
  const home = first.address;
  first.moveTo({ ...address });
  first.start();
  const back = (): void => {
    first.crash(false);
    first.moveTo(home);
    first.start();
    world.network.bind(target);
  };
  world.clock.after(8_000, back);
  later(() =>
    world.clock.after(8_000, () => {
      if (stage.phase === "safety") target.start();
    }),
  );
}

/** New key everywhere as second, then as first, then the old one goes; sometimes one member is forgotten for long. */
function rotate(stage: Stage, target: SimMember, fault: Fault): void {
  const { world, members } = stage;
  const [old] = world.keys;
  if (old === undefined) return;
  const fresh = new SeededRandom(fault.salt).bytes(32);
  const steps = [[old, fresh], [fresh, old], [fresh]];
  steps.forEach((keys, step) => {
    members.forEach((member, i) => {
      if (fault.salt % 3 === 0 && member === target) return;
      world.clock.after(200 + step * 4_000 + i * 300, () => {
        if (stage.phase !== "safety") return;
        member.keys = keys;
        member.input({ kind: "keys", keys, acceptPlain: false });
      });
    });
  });
}

/** Everything healed: all open with every key that was ever in use, so that nobody is left outside. */
export function settleKeys(stage: Stage): void {
  const all: Uint8Array[] = [];
  for (const member of stage.members) {
    for (const key of member.keys ?? stage.world.keys) {
      if (!all.some((known) => Buffer.compare(known, key) === 0)) all.push(key);
    }
  }
  if (all.length < 2) return;
  for (const member of stage.members) {
    member.keys = all;
    member.input({ kind: "keys", keys: all, acceptPlain: false });
  }
}

/** One member's way to the endpoints of a topic, or everybody's, goes bad. */
function upset(stage: Stage, fault: Fault, later: Later): void {
  const { endpoints } = stage;
  if (endpoints === undefined) return;
  const mood =
    fault.kind === "endpoint-slow"
      ? { kind: "slow" as const, ms: 10 ** (2 + (fault.salt % 300) / 100) }
      : fault.kind === "endpoint-refuses"
        ? { kind: "refuses" as const }
        : fault.kind === "endpoint-hangs"
          ? { kind: "hangs" as const }
          : { kind: "mute" as const };
  const member = fault.salt % 2 === 0 ? fault.target : undefined;
  const name = endpoints.names[fault.salt % Math.max(1, endpoints.names.length)] ?? "";
  endpoints.setMood(name, member, mood);
  later(() => endpoints.setMood(name, member, undefined));
}

function remove(stage: Stage, by: SimMember, target: SimMember, fault: Fault): void {
  const { world } = stage;
  if (by.swim === undefined || by.paused || by.swim.clusterId !== stage.clusterId) return;
  // Two members stay at least, so that there is a cluster to compare with.
  if (stage.mayBeRemoved.size >= stage.members.length - 2) return;
  if (stage.members.filter((m) => m.swim?.clusterId === stage.clusterId).length <= 2) return;
  if (target.swim !== undefined && target.swim.clusterId !== stage.clusterId) return;
  stage.mayBeRemoved.add(target.id);
  stage.operator.remove(by, target, (taker, epoch) => sure(stage, taker, target, epoch));
  if (fault.salt % 3 > 0) return;
  world.clock.after(fault.lengthMs, () => {
    if (stage.phase !== "safety" || target.swim === undefined || target.swim.initialized) return;
    const adder = stage.members.find(
      (m) => m !== target && m.swim?.clusterId === stage.clusterId && m.swim.initialized,
    );
    if (adder === undefined) return;
    stage.mustBeRemoved.delete(target.id);
    stage.trace(`adding member ${target.index} again through ${adder.index}`);
    stage.operator.add(adder, target);
  });
}

/** On the remover's disk: this removal is for ever, unless the member was added again meanwhile. */
function sure(stage: Stage, by: SimMember, target: SimMember, epoch: number | undefined): void {
  if (target.swim?.clusterId === stage.clusterId && target.swim.epoch !== epoch) return;
  if (stage.unsteady.has(by.id)) return;
  stage.mustBeRemoved.set(target.id, by.id);
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
  const order = [...stage.members];
  shuffle(new SeededRandom(fault.salt), order);
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
