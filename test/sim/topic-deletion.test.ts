/** A topic is deleted while members' clocks differ and one of them is away: the whole way of an event, in virtual time. */

import { describe, expect, test } from "bun:test";
import type { SimMember } from "./sim-member.ts";
import { Town } from "./town.ts";

/** Clock of each member against the others', ms. */
const SKEWS: readonly (readonly number[])[] = [
  [0, 0, 0],
  [0, 30_000, -30_000],
  [0, 3_600_000, -3_600_000],
];
const SEEDS = 4;

function formed(seed: number, skews: readonly number[]): Town {
  const town = new Town(seed);
  for (const member of town.members) member.wallOffsetMs += skews[member.index] ?? 0;
  town.form();
  expect(town.define(town.handler("t", "h"))).toBeUndefined();
  town.run(1_000);
  return town;
}

const told = (town: Town): string[] =>
  town
    .arrivals()
    .map(({ id }) => id)
    .sort();

const remove = (town: Town, by: SimMember): unknown =>
  town.do(by, ({ replication }) => replication.deleteTopic("t"));

const sum = (town: Town, count: (member: SimMember) => number): number =>
  town.members.reduce((all, member) => all + count(member), 0);

const states = (town: Town): readonly string[] =>
  town.members.map((member) => [...town.program(member).states().keys()].sort().join());

describe.each(SKEWS.map((skews) => [skews] as const))("clocks apart by %p ms", (skews) => {
  test("what is raised after the deletion, at once, is told once each; by whoever it was deleted", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const town = formed(seed, skews);
      town.raise({ id: "old" });
      town.run(2_000);
      const by = town.at(seed % town.members.length);
      expect(remove(town, by)).toBeUndefined();
      town.run(100);
      expect(states(town)).toEqual(["", "", ""]);
      for (let i = 0; i < 20; i++) {
        town.raise({ id: `new${10 + i}` });
        town.run(10);
      }
      town.run(30_000);
      const wanted = ["old", ...Array.from({ length: 20 }, (_, i) => `new${10 + i}`)].sort();
      expect([seed, told(town)]).toEqual([seed, wanted]);
      expect(sum(town, (member) => town.program(member).alerts.discarded())).toBe(0);
      expect(town.wrong).toEqual([]);
    }
  });

  test("a clamp is counted only where clocks differ by more than a minute", () => {
    const town = formed(1, skews);
    town.raise({ id: "a" });
    town.run(5_000);
    const clamps = sum(town, (member) => town.program(member).stamps.counters()["hlc_clamps"] ?? 0);
    const isWide = Math.max(...skews) - Math.min(...skews) > 60_000;
    expect(clamps > 0).toBe(isWide);
  });
});

test("what a member raised while it was cut off, before the topic was deleted elsewhere, is discarded after it", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const town = formed(seed, [0, 20_000, -20_000]);
    const away = town.ranked("t")[2] ?? town.at(2);
    const there = town.members.filter((member) => member !== away);
    town.cut([away]);
    town.run(50);
    town.raise({ id: "before" }, [away]);
    town.run(200);
    // Later than anything that was stamped, by any of the clocks.
    town.run(45_000 * (skewOf(away) > 0 ? 1 : 0));
    expect(remove(town, there[0] ?? town.at(0))).toBeUndefined();
    town.raise({ id: "after" }, there);
    town.run(3_000);
    town.heal();
    town.run(60_000);
    expect([seed, states(town)]).toEqual([seed, ["t/after", "t/after", "t/after"]]);
    expect(town.wrong).toEqual([]);
  }
});

function skewOf({ index }: SimMember): number {
  return [0, 20_000, -20_000][index] ?? 0;
}
