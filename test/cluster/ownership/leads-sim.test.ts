import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Level } from "#alert/level.ts";
import { everyone } from "./sim/mixed.ts";
import { type Send, Simulation } from "./sim/simulation.ts";

setDefaultTimeout(30_000);

const DELAY_MS = 10_000;

function cluster(seed: number, redundancy = 0): Simulation {
  const sim = new Simulation({ seed, members: 3, redundancy, delayMs: DELAY_MS });
  sim.run(7000);
  return sim;
}

/** A member raises an event at a moment; its data time is that moment unless told otherwise. */
function say(sim: Simulation, member: number, at: number, level: Level, time = at): void {
  sim.at(at, () => {
    if (sim.sim(member).core !== undefined) sim.publish(member, sim.event("t", "a", time, level));
  });
}

const levels = (sim: Simulation): number[] => sim.sends.map(({ level }) => level);

function expectQuiet(sim: Simulation): void {
  for (const name of ["events_held", "outbox_size", "lanes", "sends_in_flight"]) {
    expect([name, sim.total(name)]).toEqual([name, 0]);
  }
}

/** Who owns the topic first, and the other two. */
function roles(sim: Simulation): readonly [number, number, number] {
  const [owner = 0, second = 1, third = 2] = sim.ranking("t");
  return [owner, second, third];
}

describe("batch tasks on unaligned schedules", () => {
  test.each([
    [0, "the first owner leads"],
    [1, "the second owner leads"],
    [2, "the third member leads, with two owners"],
  ])("each change is told once, whoever leads (%i: %s)", (who) => {
    for (let seed = 1; seed <= 10; seed++) {
      const sim = cluster(seed, who === 2 ? 2 : 0);
      const all = roles(sim);
      const lead = all[who] ?? 0;
      const others = all.filter((member) => member !== lead);
      const changes: readonly Level[] = [2, 3, 2, 0, 3, 0];
      changes.forEach((level, i) => {
        const at = 8000 + i * 30_000;
        say(sim, lead, at, level);
        others.forEach((member, k) => say(sim, member, at + 3000 * (k + 1), level));
      });
      sim.run(300_000);
      expect(levels(sim)).toEqual([...changes]);
      expect(sim.sends.every((send) => send.at - send.time < 100)).toBe(true);
      expect(sim.total("lead_said_same")).toBeGreaterThan(changes.length);
      expectQuiet(sim);
    }
  });

  test("what only another one sees is told after the wait, and it leads from then on", () => {
    const sim = cluster(1);
    const [lead, other] = roles(sim);
    say(sim, lead, 8000, 3);
    say(sim, other, 10_000, 3);
    say(sim, other, 40_000, 0);
    say(sim, other, 80_000, 3);
    sim.run(200_000);
    expect(levels(sim)).toEqual([3, 0, 3]);
    const waits = sim.sends.map(({ at, time }) => at - time);
    expect(waits[1]).toBeGreaterThan(DELAY_MS / 2);
    expect(waits[1]).toBeLessThan(DELAY_MS);
    expect(waits[2]).toBeLessThan(100);
    expectQuiet(sim);
  });

  test("a lead that dies is not waited for", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const sim = cluster(seed);
      const [owner, second, lead] = roles(sim);
      say(sim, lead, 8000, 3);
      say(sim, second, 10_000, 3);
      say(sim, second, 30_000, 0);
      sim.at(31_000, () => sim.kill(lead));
      sim.run(200_000);
      expect(sim.sends.map(({ level, member }) => [level, member])).toEqual([
        [3, owner],
        [0, owner],
      ]);
      expect(sim.sends[1]?.at).toBeLessThan(32_000);
      expectQuiet(sim);
    }
  });

  test("the first owner dies while it keeps an event: the next one tells it", () => {
    const sim = cluster(3);
    const [owner, second, third] = roles(sim);
    say(sim, second, 8000, 3);
    say(sim, third, 10_000, 3);
    say(sim, third, 30_000, 0);
    sim.at(33_000, () => sim.kill(owner));
    sim.run(200_000);
    expect(levels(sim)).toEqual([3, 0]);
    expect(sim.sends[1]?.at).toBeLessThan(35_000);
    expectQuiet(sim);
  });
});

describe("repeats of one level", () => {
  test("counted from different starts they are told once per interval", () => {
    const sim = cluster(2);
    const [lead, other] = roles(sim);
    for (let i = 0; i < 10; i++) {
      say(sim, lead, 8000 + i * 60_000, 3);
      if (i > 0) say(sim, other, 8000 + i * 60_000 + 25_000, 3);
    }
    sim.run(1_000_000);
    const byLead = sim.sends.filter(({ time }) => (time - 8000) % 60_000 === 0).length;
    expect(byLead).toBeGreaterThanOrEqual(9);
    expect(sim.sends.length).toBeLessThanOrEqual(11);
    expectQuiet(sim);
  });
});

describe("producers that agree", () => {
  test("are never waited for, however far apart they are and however often one misses an event", () => {
    for (let seed = 1; seed <= 15; seed++) {
      const sim = cluster(seed, seed % 3);
      const changes: readonly Level[] = [2, 3, 1, 0];
      let raised = 0;
      for (let i = 0; i < 60; i++) {
        const at = 8000 + i * 700;
        const by = everyone(sim).filter(() => sim.random.below(5) > 0);
        if (by.length > 0) raised++;
        for (const member of by) {
          say(sim, member, at + sim.random.float() * 500, changes[i % 4] ?? 3, at);
        }
      }
      sim.run(200_000);
      expect(new Set(sim.sends.map((send: Send) => send.time)).size).toBe(raised);
      expect(sim.sends.length).toBe(raised);
      expect(sim.sends.every((send) => send.at - send.time < 600)).toBe(true);
      expect(sim.total("kept_for_lead")).toBe(0);
      expectQuiet(sim);
    }
  });

  test("are not waited for at every point either, when a member starts anew", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = cluster(seed);
      const [, second] = roles(sim);
      for (let i = 0; i < 200; i++) {
        const at = 8000 + i * 100;
        for (const member of everyone(sim)) {
          say(sim, member, at + sim.random.float() * 30, 3, at);
        }
      }
      sim.at(14_000, () => sim.kill(second));
      sim.at(18_000, () => sim.restart(second));
      sim.run(200_000);
      expect(new Set(sim.sends.map(({ time }) => time)).size).toBe(200);
      expect(sim.sends.filter((send) => send.at - send.time > 1500)).toEqual([]);
      expect(sim.total("lead_said_same")).toBe(0);
      expectQuiet(sim);
    }
  });
});

test("what was dropped when another one raised it is told when the lead raises it after a change", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const sim = cluster(seed, 1);
    const [, lead, other] = roles(sim);
    say(sim, lead, 8_000, 1);
    // It missed the change to 2 and comes early with the next one, which looks like the level that was told.
    say(sim, other, 9_000, 1, 8_900);
    say(sim, lead, 30_000, 2, 8_500);
    say(sim, lead, 31_000, 1, 8_900);
    sim.run(120_000);
    expect([seed, levels(sim)]).toEqual([seed, [1, 2, 1]]);
    expectQuiet(sim);
  }
});
