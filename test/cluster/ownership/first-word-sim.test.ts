/** Who tells the owners of what several members raise: copies that are not sent, and what happens when the first is silent. */

import { describe, expect, test } from "bun:test";
import { FIRST_WORD_WAIT_MS, WORDS_AFTER_MISS } from "#cluster/ownership/limits.ts";
import { everyone, raise } from "./sim/mixed.ts";
import { type Send, Simulation } from "./sim/simulation.ts";

/** From raising to sending where nothing waits: the way to the owner and back, ms. */
const SOON_MS = 60;

const delays = (sends: readonly Send[]): readonly number[] =>
  sends.map(({ at, time }) => at - time);

/** Raises one event each 20 ms from `from` on. */
function stream(sim: Simulation, name: string, from: number, count: number, on: number[]): void {
  for (let i = 0; i < count; i++) raise(sim, "t", `${name}${i}`, from + i * 20, on, 5);
}

function started(members: number, redundancy = 0): { sim: Simulation; others: number[] } {
  const sim = new Simulation({ seed: 7, members, redundancy });
  sim.run(7000);
  const first = sim.ranking("t")[0];
  return { sim, others: everyone(sim).filter((index) => index !== first) };
}

describe("members that all raise the same", () => {
  test.each([2, 3, 5])("%i: copies of all but the first owner stay at home", (members) => {
    const { sim } = started(members);
    const first = sim.ranking("t")[0] ?? 0;
    stream(sim, "id", 7000, 200, everyone(sim));
    sim.run(30_000);
    expect(sim.sends.length).toBe(200);
    for (const delay of delays(sim.sends)) expect(delay).toBeLessThan(SOON_MS);
    expect(sim.total("first_owner_missed")).toBe(0);
    expect(sim.total("events_held")).toBe(0);
    // The first owner hears from the others only until they heard from it.
    const copies =
      sim.counter(first, "duplicate_pending") + sim.counter(first, "duplicate_settled");
    expect(copies).toBeLessThan(5 * members);
  });

  test("owners that are not told by the first are told when it dies", () => {
    const { sim, others } = started(3);
    const first = sim.ranking("t")[0] ?? 0;
    stream(sim, "id", 7000, 100, everyone(sim));
    sim.at(8000, () => sim.kill(first));
    stream(sim, "later", 9000, 100, others);
    sim.run(60_000);
    const told = new Set(sim.sends.filter(({ accepted }) => accepted).map(({ id }) => id));
    expect(told.size).toBe(200);
    expect(sim.total("events_held")).toBe(0);
  });
});

describe("a first owner that stops raising them", () => {
  test("is waited for once in a while at most, and not for long", () => {
    const { sim, others } = started(3);
    stream(sim, "both", 7000, 50, everyone(sim));
    stream(sim, "others", 9000, 100, others);
    sim.run(60_000);
    const late = delays(sim.sends).filter((delay) => delay >= SOON_MS);
    for (const delay of late) expect(delay).toBeLessThan(FIRST_WORD_WAIT_MS + SOON_MS);
    expect(sim.sends.length).toBe(150);
    // Once by each of the two: what comes in the same moment waits too.
    expect(sim.total("first_owner_missed")).toBeGreaterThan(0);
    expect(late.length).toBeLessThan(5);
  });

  test("is relied on again after so many in a row", () => {
    const { sim, others } = started(3);
    stream(sim, "both", 7000, 10, everyone(sim));
    stream(sim, "others", 8000, 10, others);
    sim.run(9000);
    const missed = sim.total("first_owner_missed");
    // Some are settled before the others raise them, and say nothing about the first.
    stream(sim, "again", 10_000, 4 * WORDS_AFTER_MISS, everyone(sim));
    sim.run(14_000);
    stream(sim, "alone", 14_000, 1, others);
    sim.run(20_000);
    expect(sim.total("first_owner_missed")).toBe(missed + others.length);
  });
});

test("a member that leaves sends what it kept back", () => {
  const { sim, others } = started(3);
  const [one = 0, other = 0] = others;
  stream(sim, "both", 7000, 10, everyone(sim));
  raise(sim, "t", "last", 8000, [one]);
  sim.at(8001, () => sim.leave(one));
  sim.run(9000);
  expect(sim.sends.filter(({ id }) => id === "last").length).toBe(1);
  expect(sim.counter(other, "events_held")).toBe(0);
});

test("with one owner per topic there is nothing to wait for", () => {
  const { sim } = started(3, 1);
  stream(sim, "id", 7000, 50, everyone(sim));
  sim.run(30_000);
  expect(sim.sends.length).toBe(50);
  expect(sim.total("left_to_first_owner")).toBe(0);
});

test("word is passed on once when owners changed since the event, also while more of the event is open", () => {
  const EVENTS = 20;
  const sim = new Simulation({
    seed: 7,
    members: 5,
    redundancy: 0,
    delayMs: 60_000,
    handlers: ["h", "k"],
    endpointMs: 10_000,
    hangs: ({ handler }) => handler === "k",
  });
  sim.run(7000);
  const [, ...others] = sim.ranking("t");
  const last = others.pop() ?? 0;
  // Not by the first owner: so each of the three tells all.
  stream(sim, "id", 7000, EVENTS, others);
  sim.at(7500, () => sim.kill(last));
  sim.run(30_000);
  const done = sim.sends.filter(({ handler, accepted }) => handler === "h" && accepted);
  expect(done.length).toBe(EVENTS);
  const forwarded = sim.total("settled_forwarded");
  expect(forwarded).toBeGreaterThan(0);
  // Each of the three tells the two others once.
  expect(forwarded).toBeLessThanOrEqual(EVENTS * 3 * 2);
});
