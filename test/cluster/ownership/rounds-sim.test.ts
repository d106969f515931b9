import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Lanes, newHeld } from "#cluster/ownership/held.ts";
import { ROUND_LANES_MAX } from "#cluster/ownership/limits.ts";
import { Rounds } from "#cluster/ownership/rounds.ts";
import { sampleAlert } from "./sample-alert.ts";
import { everyone, raise } from "./sim/mixed.ts";
import { type Send, Simulation } from "./sim/simulation.ts";

setDefaultTimeout(30_000);

const DELAY_MS = 10_000;

function cluster(seed: number, accepts: (send: Send) => boolean, redundancy = 0): Simulation {
  const sim = new Simulation({
    seed,
    members: 3,
    redundancy,
    delayMs: DELAY_MS,
    retries: true,
    accepts,
  });
  sim.run(7000);
  return sim;
}

const accepted = (sim: Simulation): Send[] => sim.sends.filter((send) => send.accepted);

function expectQuiet(sim: Simulation): void {
  for (const name of ["events_held", "outbox_size", "lanes", "sends_in_flight"]) {
    expect([name, sim.total(name)]).toEqual([name, 0]);
  }
}

describe("owners whose endpoint fails", () => {
  test("the first one fails, the next one tells it within two seconds, once", () => {
    for (let seed = 1; seed <= 20; seed++) {
      let bad = -1;
      const sim = cluster(seed, ({ member }) => member !== bad);
      bad = sim.ranking("t")[0] ?? -1;
      for (let i = 0; i < 20; i++) raise(sim, "t", `id${i % 5}`, 7000 + i * 100, everyone(sim), 5);
      sim.run(40_000);
      const told = accepted(sim);
      expect(told.length).toBe(20);
      expect(new Set(told.map(({ id, time }) => `${id} ${time}`)).size).toBe(20);
      expect(told.every(({ member }) => member === sim.ranking("t")[1])).toBe(true);
      expectQuiet(sim);
    }
  });

  test("two fail, the third one tells it", () => {
    let good = -1;
    const sim = cluster(3, ({ member }) => member === good);
    good = sim.ranking("t")[2] ?? -1;
    raise(sim, "t", "a", 7000, everyone(sim));
    sim.run(20_000);
    const [told, ...more] = accepted(sim);
    expect(more).toEqual([]);
    expect(told?.at).toBeLessThan(7000 + 2 * 2000);
    expectQuiet(sim);
  });

  test("all fail for half a minute: the turn goes round, resting longer, until one send succeeds", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = cluster(seed, ({ at }) => at > 37_000);
      raise(sim, "t", "a", 7000, everyone(sim));
      sim.run(200_000);
      expect(accepted(sim).length).toBe(1);
      expect(accepted(sim)[0]?.at).toBeLessThan(37_000 + 35_000);
      // Three attempts of each of the three members in rounds 1, 2, 4, 8 and 16 s apart.
      expect(sim.sends.length).toBeLessThanOrEqual(60);
      for (const member of everyone(sim)) {
        expect(sim.sends.filter((send) => send.member === member).length).toBeGreaterThan(5);
      }
      expectQuiet(sim);
    }
  });

  test("while all fail a newer event of the ID takes the place of the older ones", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = cluster(seed, ({ at }) => at > 60_000);
      for (let i = 0; i < 50; i++) raise(sim, "t", "a", 7000 + i * 1000, everyone(sim), 5);
      sim.run(300_000);
      const told = accepted(sim);
      expect(told.at(-1)?.time).toBe(56_000);
      expect(told.length).toBeLessThanOrEqual(3);
      const times = told.map(({ time }) => time);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(sim.total("superseded_in_trouble")).toBeGreaterThan(20);
      expectQuiet(sim);
    }
  });

  test("an endpoint that never answers well ends after an hour", () => {
    const sim = cluster(1, () => false);
    raise(sim, "t", "a", 7000, everyone(sim));
    sim.run(5_000_000);
    expect(accepted(sim)).toEqual([]);
    expect(sim.total("rounds_over")).toBeGreaterThan(0);
    expect(sim.sends.at(-1)?.at).toBeLessThan(7000 + 3_600_000 + 120_000);
    expectQuiet(sim);
  });

  test("more IDs than may rest are given up, not kept for ever; one that calms down makes room", () => {
    const lanes = new Lanes();
    const rounds = new Rounds();
    const works = Array.from({ length: ROUND_LANES_MAX + 1 }, (_, i) => {
      const event = { ...sampleAlert, id: `id${i}` };
      const how = { solo: false, local: false, inline: false, producer: true };
      return lanes.add(newHeld({ key: `${i}`, event, receivedAt: 0, ...how }), "h");
    });
    const over = works.map((work) => rounds.begin(work, 1, 0));
    expect(over.filter((reason) => reason === undefined).length).toBe(ROUND_LANES_MAX);
    expect(over.at(-1)).toBe("rounds_full");
    const [first] = works;
    const last = works.at(-1);
    if (first === undefined || last === undefined) throw new Error("works");
    rounds.calm(first.lane);
    expect(rounds.begin(last, 1, 0)).toBeUndefined();
  });

  test("the next one dies before its turn: the first one tries again", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const sim = cluster(seed, ({ at }) => at > 12_000, 2);
      const [, second = 0] = sim.ranking("t");
      sim.at(7700, () => sim.kill(second));
      raise(sim, "t", "a", 7000, everyone(sim));
      sim.run(120_000);
      expect(accepted(sim).length).toBe(1);
      expectQuiet(sim);
    }
  });

  test("an owner that is refused for good is left out of the rounds", () => {
    for (let seed = 1; seed <= 10; seed++) {
      let never = -1;
      const sim = new Simulation({
        ...{ seed, members: 3, delayMs: DELAY_MS, retries: true },
        accepts: ({ member, at }) => member !== never && at > 20_000,
        rejects: ({ member }) => member === never,
      });
      sim.run(7000);
      never = sim.ranking("t")[0] ?? -1;
      raise(sim, "t", "a", 7000, everyone(sim));
      sim.run(120_000);
      expect(accepted(sim).length).toBe(1);
      expect(sim.sends.filter(({ member }) => member === never).length).toBe(1);
      expectQuiet(sim);
    }
  });

  test("all refused for good: it is given up at once", () => {
    const sim = new Simulation({
      ...{ seed: 4, members: 3, delayMs: DELAY_MS, retries: true },
      accepts: () => false,
      rejects: () => true,
    });
    sim.run(7000);
    raise(sim, "t", "a", 7000, everyone(sim));
    sim.run(9000);
    expect(sim.sends.length).toBe(3);
    sim.run(60_000);
    expect(sim.sends.length).toBe(3);
    expectQuiet(sim);
  });
});
