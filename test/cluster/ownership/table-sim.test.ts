import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { everyone, raise } from "./sim/mixed.ts";
import { Simulation } from "./sim/simulation.ts";

setDefaultTimeout(30_000);

const DELAY_MS = 10_000;

describe("members added and taken out", () => {
  test("a member that comes to own a topic learns what was told before it did", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = new Simulation({ seed, members: 4, redundancy: 2, delayMs: DELAY_MS });
      sim.run(12_000);
      const [first = 0, second = 1, , fourth = 3] = sim.ranking("t");
      for (let i = 0; i < 20; i++) raise(sim, "t", `id${i}`, 12_000 + i, [first, second]);
      // Full syncs happen, then both owners go; the next ones own the topic from then on.
      sim.at(80_000, () => sim.remove(first));
      sim.at(84_000, () => sim.remove(second));
      for (let i = 0; i < 20; i++) {
        sim.at(88_000, () => sim.publish(fourth, sim.event("t", `id${i}`, 12_000 + i)));
      }
      sim.run(150_000);
      expect(sim.sends.length).toBe(20);
      expect(sim.sends.every(({ member }) => member === first)).toBe(true);
    }
  });

  test("one is taken out and one comes in under load: nothing is lost, nothing twice", () => {
    for (let seed = 1; seed <= 15; seed++) {
      const sim = new Simulation({ seed, members: 4, redundancy: 2, delayMs: DELAY_MS });
      sim.setMembers([0, 1, 2]);
      sim.run(12_000);
      const wanted = new Set<string>();
      for (let i = 0; i < 300; i++) {
        const at = 12_000 + i * 40;
        const inside = at < 14_000 ? [0, 1, 2] : at < 20_000 ? [0, 1, 2, 3] : [1, 2, 3];
        raise(sim, `t${i % 5}`, `id${i}`, at, inside, 5);
        wanted.add(`t${i % 5} id${i}`);
      }
      sim.at(14_000, () => sim.setMembers([0, 1, 2, 3]));
      sim.at(20_000, () => sim.remove(0));
      sim.run(90_000);
      const told = sim.sends.map(({ topic, id }) => `${topic} ${id}`);
      expect(wanted.difference(new Set(told)).size).toBe(0);
      expect(told.length).toBe(wanted.size);
      for (const index of everyone(sim)) expect(sim.counter(index, "events_held")).toBe(0);
    }
  });
});
