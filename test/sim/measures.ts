/**
 * Single measurements of the membership protocol in a simulated cluster: what `figures.ts` holds against the
 * specification (simulation.md §12, gossip.md §15). All times are virtual milliseconds unless named otherwise.
 *
 * Sealed packets by their length, real codec bytes, links of 0.1 ms. A member that is killed comes back with its disk, so that
 * a cluster is formed once and measured many times.
 */

import { heapStats } from "bun:jsc";
import { ByteReader } from "#cluster/messages/bytes.ts";
import { DEAD, LEFT, type Rank, SUSPECT } from "#cluster/messages/message.ts";
import { readRecord } from "#cluster/messages/registry.ts";
import type { MemberId } from "#cluster/ports.ts";
import { encodeImage } from "#cluster/swim/image.ts";
import type { SwimOptions } from "#cluster/swim/options.ts";
import { HEADER_BYTES } from "#cluster/swim/packet.ts";
import { fakeCrypto } from "./fake-crypto.ts";
import { CALM } from "./network.ts";
import type { SimMember } from "./sim-member.ts";
import { LARGE } from "./small-heap.ts";
import { Village } from "./village.ts";

/** Bytes of a seal at the end of a packet. */
const SEAL = 16;
/** For a leaving member to hand over its work, as in the simulated operator's `stop`. */
const HANDOVER_MS = 200;
/** Room for the longest thing that is waited for. */
const WAIT_MAX_MS = 120_000;

export interface Formed {
  readonly village: Village;
  readonly formMs: number;
}

/** A cluster formed by everybody joining through the first member at once, and calm again. */
export function formed(n: number, seed: number, options: Partial<SwimOptions> = {}): Formed {
  const keys = [new Uint8Array(32)];
  const village = new Village(n, { seed, keys, crypto: fakeCrypto, disks: false, options });
  village.world.network.faults = { ...CALM, delayMean: 0 };
  const formMs = village.form(60_000);
  calm(village);
  return { village, formMs };
}

/** Runs until nobody has news. */
export function calm(village: Village): void {
  const quiet = (): boolean => village.members.every((m) => (m.swim?.sizes.queue ?? 0) === 0);
  // Large clusters collect garbage between phases, to stay within 2 GB.
  if (village.members.length >= LARGE) Bun.gc(true);
  const end = village.clock.now + WAIT_MAX_MS;
  while (!quiet() && village.clock.now < end) village.run(250);
  village.run(1_000);
  if (village.members.length >= LARGE) Bun.gc(true);
}

export interface Spread {
  /** Until half of the others, and all of them, know. */
  readonly halfMs: number;
  readonly allMs: number;
}

/** How a note from a random member spreads. Throws when it does not reach everybody. */
export function spread(village: Village): Spread {
  village.run(1_000 + 1_000 * village.random.float());
  const others = village.members.length - 1;
  const began = village.clock.now;
  let heard = 0;
  let halfMs = 0;
  let allMs = 0;
  const restore = watch(village, (_member, kind) => {
    if (kind !== "note") return;
    heard++;
    if (heard === Math.ceil(others / 2)) halfMs = village.clock.now - began;
    if (heard === others) allMs = village.clock.now - began;
  });
  randomMember(village).input({ kind: "note", noteKind: 1, bytes: new Uint8Array(20) });
  village.until(() => heard >= others, WAIT_MAX_MS);
  restore();
  return { halfMs, allMs };
}

export interface Reach {
  /** Share of the notes that somebody never heard. */
  readonly missed: number;
  /** Most often one member sent one note. */
  readonly sendsMax: number;
}

/** Between two notes, so that several ride on one packet. */
const NOTE_EVERY_MS = 50;

/** Sends notes at the given loss and counts those that gossip alone did not bring to everybody. */
export function reach(village: Village, notes: number, loss: number): Reach {
  calm(village);
  const { network } = village.world;
  const heard = new Uint32Array(notes);
  const sends = new Map<number, number>();
  network.faults = { ...network.faults, loss };
  const before = village.onStep;
  village.onStep = (_member, _input, actions) => {
    for (const action of actions) {
      if (action.kind === "note")
        heard[numberOf(action.bytes)] = 1 + (heard[numberOf(action.bytes)] ?? 0);
    }
  };
  network.onDatagram = (from, bytes) => {
    for (const note of notesIn(village, bytes)) {
      const key = from.index * notes + note;
      sends.set(key, (sends.get(key) ?? 0) + 1);
    }
  };
  for (let i = 0; i < notes; i++) {
    const bytes = new Uint8Array([i >> 8, i & 255]);
    randomMember(village).input({ kind: "note", noteKind: 1, bytes });
    village.run(NOTE_EVERY_MS);
  }
  calm(village);
  network.onDatagram = () => {};
  network.faults = { ...network.faults, loss: 0 };
  village.onStep = before;
  const others = village.members.length - 1;
  const missed = heard.filter((count) => count < others).length / notes;
  return { missed, sendsMax: [...sends.values()].reduce((a, b) => Math.max(a, b), 0) };
}

/** Random moments looked at for `probesUntilHit`. */
const MOMENTS = 5_000;

/** Of every member's probes after a random moment: the first that goes to a given member, counted from 1; mean. */
export function probesUntilHit(village: Village, forMs: number): number {
  const { network, ids } = village.world;
  const probes = village.members.map((): { at: number; target: MemberId }[] => []);
  network.onDatagram = (from, bytes) => {
    const records = new ByteReader(bytes, HEADER_BYTES, bytes.length - SEAL);
    const record = readRecord(records, ids);
    // What explores the way beside a probe is padded, and its first record is a ping, too.
    if (record?.kind !== "ping" || records.left > 0) return;
    probes[from.index]?.push({ at: village.clock.now, target: record.target });
  };
  const began = village.clock.now;
  village.run(forMs);
  network.onDatagram = () => {};
  let sum = 0;
  for (let i = 0; i < MOMENTS; i++) {
    const moment = began + village.random.float() * forMs * 0.5;
    sum += firstHit(probes, randomMember(village).id, moment);
  }
  return sum / MOMENTS;
}

function firstHit(
  probes: readonly (readonly { readonly at: number; readonly target: MemberId }[])[],
  target: MemberId,
  moment: number,
): number {
  let first = Number.POSITIVE_INFINITY;
  for (const own of probes) {
    let low = 0;
    for (let high = own.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((own[middle]?.at ?? 0) < moment) low = middle + 1;
      else high = middle;
    }
    for (let k = 0; k < first - 1 && low + k < own.length; k++) {
      if (own[low + k]?.target === target) first = k + 1;
    }
  }
  return first;
}

export interface Detection {
  readonly firstMs: number;
  readonly allMs: number;
}

/** From a failure until the first DEAD, and until it is dead in every view; the member comes back afterwards. */
export function detection(village: Village, how: "died" | "silent"): Detection {
  village.run(2_000 + 2_000 * village.random.float());
  const target = randomMember(village);
  const views = village.members.length - 1;
  const began = village.clock.now;
  let dead = 0;
  let firstMs = 0;
  const restore = watch(village, (_member, kind, id) => {
    if (kind !== "dead" || id !== target.id) return;
    if (++dead === 1) firstMs = village.clock.now - began;
  });
  target.disk = target.swim === undefined ? undefined : encodeImage(target.swim.image());
  target.crash(how === "silent");
  const allMs = village.until(() => dead >= views, WAIT_MAX_MS) - began;
  restore();
  target.start();
  village.until(() => village.allSeeAll(), WAIT_MAX_MS);
  calm(village);
  return { firstMs, allMs };
}

export interface Traffic {
  /** Per member and second: UDP with IP and UDP headers. */
  readonly bytes: number;
  readonly datagrams: number;
  /** Per member and second: frames of syncs. */
  readonly syncBytes: number;
  /** Inputs per member and second. */
  readonly steps: number;
}

/** What a cluster does when nothing happens. */
export function quietTraffic(village: Village, forMs: number): Traffic {
  const { network } = village.world;
  const n = village.members.length;
  const before = [
    network.bytes,
    network.datagrams,
    village.sum("frame-bytes-sent"),
    village.clock.steps,
  ];
  village.run(forMs);
  const after = [
    network.bytes,
    network.datagrams,
    village.sum("frame-bytes-sent"),
    village.clock.steps,
  ];
  const [bytes = 0, datagrams = 0, syncBytes = 0, steps = 0] = after.map(
    (value, i) => (value - (before[i] ?? 0)) / n / (forMs / 1_000),
  );
  return { bytes, datagrams, syncBytes, steps };
}

export interface Healing {
  readonly healMs: number;
  /** The busiest member's average while healing. */
  readonly datagramsPerSecond: number;
}

/** How long a smaller cluster stays cut after the halves gave each other up. */
const CUT_MS = 60_000;
/** Packets are counted over no less than this (A6). */
const BUDGET_MS = 10_000;

/** Cuts the cluster into halves until each holds the other for dead, then heals it. */
export function healing(village: Village): Healing {
  const { members, world } = village;
  const half = members.length >> 1;
  world.network.halvedAt = half;
  const parted = (): boolean =>
    members.every((m) => liveOf(m) === (m.index < half ? half : members.length - half));
  const latest = village.clock.now + WAIT_MAX_MS;
  while (!parted()) {
    if (village.clock.now >= latest) throw new Error("the halves do not give each other up");
    village.run(1_000);
  }
  if (members.length < LARGE) village.run(CUT_MS);
  world.network.halvedAt = undefined;
  const before = members.map(sentBy);
  const began = village.clock.now;
  const healMs = village.until(() => allAlive(village), WAIT_MAX_MS) - began;
  village.run(Math.max(0, BUDGET_MS - healMs));
  const most = Math.max(...members.map((m, i) => sentBy(m) - (before[i] ?? 0)));
  return { healMs, datagramsPerSecond: most / ((village.clock.now - began) / 1_000) };
}

/** By where they were noticed, as Lifeguard's authors count: a slow member misjudges first of all others. */
export interface FalseDeaths {
  readonly healthy: number;
  readonly slow: number;
}

/** Deaths of members that are well, while four others need 200 ms per step and 1 % of the packets is lost. */
export function falseDeaths(village: Village, forMs: number): FalseDeaths {
  const { members, world } = village;
  world.network.faults = { ...world.network.faults, loss: 0.01 };
  const slow = new Set<MemberId>(members.slice(0, 4).map((member) => member.id));
  for (const member of members.slice(0, 4)) member.slowMs = 200;
  const last = { healthy: new Map<MemberId, number>(), slow: new Map<MemberId, number>() };
  const counts = { healthy: 0, slow: 0 };
  const restore = watch(village, (member, kind, id) => {
    if (kind !== "dead" || slow.has(id)) return;
    const where = slow.has(member.id) ? "slow" : "healthy";
    // One death is many changes, one at each member: those within a spread's time count once.
    const known = last[where].get(id);
    last[where].set(id, village.clock.now);
    if (known === undefined || village.clock.now - known >= 5_000) counts[where]++;
  });
  village.run(forMs);
  restore();
  return counts;
}

/** Pauses a member for so long, and counts suspicions and deaths of anybody in any view. */
export function pauseMarks(village: Village, pauseMs: number): { suspect: number; dead: number } {
  village.run(1_000 + 1_000 * village.random.float());
  const target = randomMember(village);
  const marks = { suspect: 0, dead: 0 };
  const restore = watch(village, (_member, kind) => {
    if (kind === "suspect" || kind === "dead") marks[kind]++;
  });
  target.pause();
  village.run(pauseMs);
  target.resume();
  calm(village);
  restore();
  return marks;
}

/** From the `member add` of a stranger until every view has it, and it everybody. */
export function joined(village: Village): number {
  village.run(1_000 + 1_000 * village.random.float());
  const member = village.newMember();
  member.start();
  const began = village.clock.now;
  village.join(village.at(0), member);
  const took = village.until(() => village.allSeeAll(), WAIT_MAX_MS) - began;
  calm(village);
  return took;
}

/** From a member's LEFT, its work being handed over, until every view has it as left; it comes back afterwards. */
export function left(village: Village): number {
  village.run(1_000 + 1_000 * village.random.float());
  const target = randomMember(village);
  const views = village.members.length - 1;
  let seen = 0;
  const restore = watch(village, (_member, kind, id) => {
    if (kind === "left" && id === target.id) seen++;
  });
  target.input({ kind: "leave" });
  village.run(HANDOVER_MS);
  const began = village.clock.now;
  target.input({ kind: "depart" });
  const took = village.until(() => seen >= views, WAIT_MAX_MS) - began;
  restore();
  target.disk = target.swim === undefined ? undefined : encodeImage(target.swim.image());
  target.crash(false);
  target.start();
  village.until(() => village.allSeeAll(), WAIT_MAX_MS);
  calm(village);
  return took;
}

export interface Memory {
  /** What lives in the JavaScript heap, per member and per entry of its table. */
  readonly megabytesPerMember: number;
  readonly bytesPerEntry: number;
}

/** Memory of a cluster at rest, of the whole process with the simulator itself. */
export function memoryOf(village: Village): Memory {
  const n = village.members.length;
  Bun.gc(true);
  const { heapSize } = heapStats();
  return { megabytesPerMember: heapSize / 1e6 / n, bytesPerEntry: heapSize / n ** 2 };
}

type Watched = "note" | "suspect" | "dead" | "left";
type Watcher = (member: SimMember, kind: Watched, subject: MemberId) => void;
const WATCHED: Readonly<Partial<Record<Rank, Watched>>> = {
  [SUSPECT]: "suspect",
  [DEAD]: "dead",
  [LEFT]: "left",
};

/** Calls back for what members do; returns how to stop. */
function watch(village: Village, seen: Watcher): () => void {
  const before = village.onStep;
  village.onStep = (member, _input, actions) => {
    for (const action of actions) {
      if (action.kind === "note") seen(member, "note", action.origin);
      else if (action.kind === "change") {
        const kind = WATCHED[action.to];
        if (kind !== undefined) seen(member, kind, action.id);
      }
    }
  };
  return () => {
    village.onStep = before;
  };
}

function randomMember(village: Village): SimMember {
  return village.at(village.random.below(village.members.length));
}

/** The numbers of the notes on a packet. */
function notesIn(village: Village, bytes: Uint8Array): number[] {
  const records = new ByteReader(bytes, HEADER_BYTES, bytes.length - SEAL);
  const notes: number[] = [];
  while (records.left > 0) {
    const record = readRecord(records, village.world.ids);
    if (record?.kind === "note") notes.push(numberOf(record.bytes));
  }
  return notes;
}

function numberOf(bytes: Uint8Array): number {
  return ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
}

function sentBy(member: SimMember): number {
  return member.swim?.counters["datagrams-sent"] ?? 0;
}

/** Members a member holds for alive, itself included. */
function liveOf(member: SimMember): number {
  let live = 0;
  for (const entry of member.swim?.entries() ?? []) if (entry.rank === 0) live++;
  return live;
}

function allAlive(village: Village): boolean {
  const first = village.members[0];
  return first !== undefined && liveOf(first) === village.members.length && village.allSeeAll();
}
