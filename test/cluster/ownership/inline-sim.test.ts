import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { everyone } from "./sim/mixed.ts";
import { type Send, type SimOptions, Simulation } from "./sim/simulation.ts";

setDefaultTimeout(30_000);

const TOPIC = "main:task:alert2";

const named = ({ id, time, handler }: Send): string => `${id} ${time} ${handler}`;
const accepted = (sim: Simulation): string[] =>
  sim.sends
    .filter((send) => send.accepted || send.ended === undefined)
    .map(named)
    .sort();

/** Members that all run the topic; settled. */
function running(options: SimOptions, sets: readonly string[] = []): Simulation {
  const sim = new Simulation(options);
  for (const index of everyone(sim)) sim.openInline(index, TOPIC, sets[index] ?? "slack");
  sim.run(8000);
  return sim;
}

function raise(sim: Simulation, id: string, at: number, on: readonly number[], skewMs = 5): void {
  for (const member of on) {
    sim.at(at + sim.random.float() * skewMs, () => {
      if (sim.sim(member).core !== undefined) {
        sim.publish(member, sim.event(TOPIC, id, at), "local");
      }
    });
  }
}

const keys = (ids: readonly string[]): string[] => [...ids].sort();

/** Who sends first of those that run the topic. */
const first = (sim: Simulation): number => sim.ranking(TOPIC)[0] ?? 0;

function expectQuiet(sim: Simulation): void {
  for (const name of ["events_held", "outbox_size", "lanes", "sends_in_flight"]) {
    expect([name, sim.total(name)]).toEqual([name, 0]);
  }
}

describe("a task with inline handlers on several members", () => {
  test.each([
    [2, 0],
    [3, 0],
    [3, 2],
    [3, 1],
    [5, 2],
  ])(
    "%i members, redundancy %i: each alert is told once, and recorded on each",
    (members, redundancy) => {
      for (let seed = 1; seed <= 10; seed++) {
        const sim = running({ seed, members, redundancy });
        const wanted: string[] = [];
        for (let i = 0; i < 60; i++) {
          raise(sim, `id${i % 7}`, 8000 + i * 20, everyone(sim));
          wanted.push(`id${i % 7} ${8000 + i * 20} h`);
        }
        sim.run(30_000);
        expect(accepted(sim)).toEqual(keys(wanted));
        expect(sim.sends.every((send) => send.at - send.time < 60)).toBe(true);
        for (const { recorded } of sim.sims) expect(recorded.length).toBe(60);
        expectQuiet(sim);
      }
    },
  );

  test("run by one member alone it takes the way of one member", () => {
    const sim = new Simulation({ seed: 1, members: 3 });
    sim.openInline(0, TOPIC);
    sim.run(8000);
    for (let i = 0; i < 10; i++) raise(sim, "a", 8000 + i, [0]);
    sim.run(20_000);
    expect(accepted(sim).length).toBe(10);
    expect(sim.sim(0).recorded).toEqual([]);
    expect(sim.core(0).counters()["completion_ids"]).toBe(0);
    expectQuiet(sim);
  });

  test("other handlers make it another topic: both sets are told", () => {
    const sim = running({ seed: 2, members: 3 }, ["slack", "slack", "pagerduty"]);
    raise(sim, "a", 8000, everyone(sim));
    sim.run(30_000);
    expect(accepted(sim)).toEqual(["a 8000 h", "a 8000 h"]);
    expect(sim.sends.filter(({ member }) => member === 2).length).toBe(1);
    expectQuiet(sim);
  });

  test("the first of them dies: the next one sends, and nothing twice", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = running({ seed, members: 3 });
      const dies = first(sim);
      const others = everyone(sim).filter((index) => index !== dies);
      sim.at(8000, () => sim.kill(dies));
      for (let i = 0; i < 20; i++) raise(sim, `id${i}`, 8001 + i * 10, others);
      sim.run(30_000);
      expect(accepted(sim).length).toBe(20);
      for (const send of sim.sends) expect(send.at - send.time).toBeLessThan(500);
      expectQuiet(sim);
    }
  });

  test("killed while alerts come: nothing is lost", () => {
    for (let seed = 1; seed <= 15; seed++) {
      const sim = running({ seed, members: 3, redundancy: 2 });
      const dies = first(sim);
      const wanted = new Set<string>();
      for (let i = 0; i < 100; i++) {
        raise(sim, `id${i}`, 8000 + i * 10, everyone(sim));
        wanted.add(`id${i} ${8000 + i * 10} h`);
      }
      sim.at(8500, () => sim.kill(dies));
      sim.at(12_000, () => sim.restart(dies));
      sim.run(40_000);
      expect(wanted.difference(new Set(accepted(sim))).size).toBe(0);
      expect(accepted(sim).length - wanted.size).toBeLessThanOrEqual(2);
      expectQuiet(sim);
    }
  });

  test("a member whose task is stopped under load passes on at once, and nothing is told twice", () => {
    for (let seed = 1; seed <= 15; seed++) {
      const sim = running({ seed, members: 3, endpointMs: 100 });
      const stops = first(sim);
      const wanted: string[] = [];
      for (let i = 0; i < 100; i++) {
        const at = 8000 + i * 20;
        const on = at < 9000 ? everyone(sim) : everyone(sim).filter((index) => index !== stops);
        raise(sim, `id${i}`, at, on);
        wanted.push(`id${i} ${at} h`);
      }
      sim.at(9000, () => sim.closeInline(stops, TOPIC));
      sim.run(40_000);
      expect(accepted(sim)).toEqual(keys(wanted));
      expect(Math.max(...sim.sends.map((send) => send.at - send.time))).toBeLessThan(1000);
      expectQuiet(sim);
    }
  });

  test("a task that starts on one more member under load costs no second telling", () => {
    for (let seed = 1; seed <= 15; seed++) {
      const sim = new Simulation({ seed, members: 3 });
      sim.openInline(0, TOPIC);
      sim.openInline(1, TOPIC);
      sim.run(8000);
      const wanted: string[] = [];
      for (let i = 0; i < 100; i++) {
        const at = 8000 + i * 20;
        raise(sim, `id${i}`, at, at < 9000 ? [0, 1] : everyone(sim), 15);
        wanted.push(`id${i} ${at} h`);
      }
      sim.at(9000, () => sim.openInline(2, TOPIC));
      sim.run(40_000);
      expect(accepted(sim)).toEqual(keys(wanted));
      expectQuiet(sim);
    }
  });

  test("a second member that starts the task of the first raises the same again and tells nothing", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = new Simulation({ seed, members: 2 });
      sim.openInline(0, TOPIC);
      sim.run(8000);
      for (let i = 0; i < 20; i++) raise(sim, `id${i}`, 8000 + i, [0]);
      sim.at(8100, () => sim.openInline(1, TOPIC));
      for (let i = 0; i < 20; i++) {
        sim.at(8200, () => sim.publish(1, sim.event(TOPIC, `id${i}`, 8000 + i), "local"));
      }
      sim.run(40_000);
      expect(accepted(sim).length).toBe(20);
      expectQuiet(sim);
    }
  });

  test("reloading with other handlers on one member after the other loses nothing", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = running({ seed, members: 3 });
      const wanted = new Set<string>();
      for (let i = 0; i < 200; i++) {
        raise(sim, `id${i}`, 8000 + i * 20, everyone(sim));
        wanted.add(`id${i} ${8000 + i * 20} h`);
      }
      for (const index of everyone(sim)) {
        sim.at(8500 + index * 1000, () => {
          sim.closeInline(index, TOPIC);
          sim.openInline(index, TOPIC, "teams");
        });
      }
      sim.run(60_000);
      expect(wanted.difference(new Set(accepted(sim))).size).toBe(0);
      expectQuiet(sim);
    }
  });

  test("a member taken out of the cluster tells its alerts by itself", () => {
    const sim = running({ seed: 5, members: 3 });
    sim.at(8000, () => sim.setMembers([0, 1]));
    raise(sim, "a", 12_000, everyone(sim));
    sim.run(40_000);
    expect(accepted(sim)).toEqual(["a 12000 h", "a 12000 h"]);
    expect(sim.sends.filter(({ member }) => member === 2).length).toBe(1);
  });
});
