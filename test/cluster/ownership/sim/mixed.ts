/**
 * Workloads for the simulation, single events or random ones under random faults, and the checker of their outcome.
 *
 * The checker knows what was published, by whom, which faults were made and what endpoints saw; it never looks inside
 * a member.
 */

import type { Level } from "#alert/level.ts";
import { type Send, Simulation } from "./simulation.ts";

export const everyone = (sim: Simulation): number[] => sim.sims.map(({ index }) => index);

/** Publishes one event on the given members within `skewMs`. */
export function raise(
  sim: Simulation,
  topic: string,
  id: string,
  at: number,
  on: number[],
  skewMs = 0,
  level: Level = 3,
) {
  for (const member of on) {
    sim.at(at + sim.random.float() * skewMs, () => {
      if (sim.sim(member).core !== undefined) sim.publish(member, sim.event(topic, id, at, level));
    });
  }
}

interface Fault {
  readonly from: number;
  readonly to: number;
}

interface Published {
  readonly topic: string;
  readonly id: string;
  readonly time: number;
  /** Members that published it, with the start of the process that did. */
  readonly by: Map<number, number>;
}

export interface MixedRun {
  readonly sim: Simulation;
  readonly published: ReadonlyMap<string, Published>;
  readonly faults: readonly Fault[];
}

const LEVELS: readonly Level[] = [3, 0, 2, 1];

/** One to five faults of any kind among random events; everything is well again after 55 s. */
export function mixed(seed: number): MixedRun {
  const sim = new Simulation({
    seed,
    members: 2 + (seed % 4),
    redundancy: seed % 3,
    delayMs: 2000,
    handlers: seed % 2 === 0 ? ["h"] : ["h", "k"],
    endpointMs: seed % 5 === 0 ? 3000 : 20,
    ackLoss: seed % 7 === 0 ? 0.1 : 0,
  });
  const published = new Map<string, Published>();
  const publish = sim.publish.bind(sim);
  sim.publish = (member, event) => {
    const { topic, id, time } = event;
    const name = `${topic} ${id} ${time.ms}`;
    const one = published.get(name) ?? { topic, id, time: time.ms, by: new Map() };
    one.by.set(member, sim.sim(member).boot);
    published.set(name, one);
    publish(member, event);
  };
  const { random } = sim;
  const times = Array.from({ length: 150 }, () => 3000 + random.float() * 40_000);
  times.sort((a, b) => a - b);
  const counts = new Map<string, number>();
  for (const at of times) {
    const [topic, id] = [`t${random.below(4)}`, `id${random.below(13)}`];
    // Each event of an ID changes its level: the same level at two times is another matter (leads-sim.test.ts).
    const count = counts.get(`${topic} ${id}`) ?? 0;
    counts.set(`${topic} ${id}`, count + 1);
    const level = LEVELS[count % LEVELS.length] ?? 3;
    const on = everyone(sim).filter(() => random.below(3) > 0);
    raise(sim, topic, id, Math.round(at), on.length > 0 ? on : [0], 500, level);
  }
  const faults = Array.from({ length: 1 + (seed % 5) }, () => randomFault(sim));
  sim.at(55_000, () => {
    sim.heal();
    for (const index of everyone(sim)) {
      sim.resume(index);
      sim.restart(index);
    }
  });
  return { sim, published, faults };
}

function randomFault(sim: Simulation): Fault {
  const { random } = sim;
  const n = sim.sims.length;
  const member = random.below(n);
  const from = 3000 + random.float() * 38_000;
  const to = from + 100 + random.float() * 9000;
  const kind = random.below(4);
  sim.at(from, () => {
    if (kind === 0) sim.kill(member);
    else if (kind === 1) sim.pause(member);
    else if (kind === 2) sim.isolate([member]);
    else sim.cut(member, (member + 1) % n);
  });
  sim.at(to, () => {
    if (kind === 0) sim.restart(member);
    else if (kind === 1) sim.resume(member);
    else sim.heal();
  });
  return { from, to };
}

/** Everything the run did wrong, as sentences; empty when all invariants hold. */
export function violations(run: MixedRun): string[] {
  return [...lost(run), ...outOfOrder(run.sim), ...unexplained(run)];
}

/** E5: published by a process that lived on, and neither told nor superseded by a newer event of the same ID. */
function lost({ sim, published }: MixedRun): string[] {
  const newest = new Map<string, number>();
  for (const send of sim.sends) {
    if (!send.accepted) continue;
    const lane = `${send.topic} ${send.id} ${send.handler}`;
    newest.set(lane, Math.max(newest.get(lane) ?? 0, send.time));
  }
  const out: string[] = [];
  for (const [name, { topic, id, time, by }] of published) {
    if (![...by].some(([member, boot]) => sim.sim(member).boot === boot)) continue;
    for (const handler of sim.options.handlers ?? ["h"]) {
      const reached = (newest.get(`${topic} ${id} ${handler}`) ?? 0) >= time;
      if (!reached) out.push(`${name} was never told to ${handler}`);
    }
  }
  return out;
}

/** A12: no member starts an older event after it completed a newer one of the same ID and handler. */
function outOfOrder(sim: Simulation): string[] {
  const earlier = new Map<string, Send[]>();
  const out: string[] = [];
  for (const send of sim.sends) {
    const lane = `member ${send.member}: ${send.topic} ${send.id} ${send.handler}`;
    const known = earlier.get(lane) ?? [];
    for (const other of known) {
      const completed = other.accepted && (other.ended ?? Number.POSITIVE_INFINITY) < send.at;
      if (completed && other.time > send.time)
        out.push(`${lane}: ${send.time} after ${other.time}`);
    }
    earlier.set(lane, [...known, send]);
  }
  return out;
}

/** How long after a fault its consequences may last: detection, one round of waits, and a slow endpoint. */
const AFTERMATH_MS = 15_000;

/** A11: an extra send with no fault anywhere near it. */
function unexplained({ sim, faults }: MixedRun): string[] {
  const first = new Map<string, Send>();
  const out: string[] = [];
  for (const send of sim.sends) {
    const name = `${send.topic} ${send.id} ${send.time} ${send.handler}`;
    const before = first.get(name);
    if (before === undefined) first.set(name, send);
    else {
      const touched = faults.some(
        ({ from, to }) => from <= send.at && to + AFTERMATH_MS >= before.at,
      );
      if (!touched) out.push(`${name} was sent again at ${send.at}`);
    }
  }
  return out;
}
