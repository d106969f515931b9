/**
 * Members are added and removed while alerts are raised all the time: each is told once, and none is lost.
 *
 * Nothing is raised on a member from the moment it is told to go, because a task there goes on by itself, as a cluster of
 * one; what others send it, not knowing yet, must not be told by it as well.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { SimMember } from "./sim-member.ts";
import { Town } from "./town.ts";

/** Alerts raised, one every few milliseconds on all members; the change comes among them. */
const ALERTS = 400;
const GAP_MS = 2;
const CHANGE_AT_MS = 300;
/** One in so many is raised only on the member that will be removed. */
const ALONE_EVERY = 7;
const SEEDS = 6;

setDefaultTimeout(120_000);

function formed(seed: number, members: number): Town {
  const town = new Town(seed, { members });
  town.form();
  expect(town.define(town.handler("t", "h"))).toBeUndefined();
  town.run(1_000);
  return town;
}

/** Raises all alerts from now on, each on the members that `on` names at that moment. */
function raiseAll(town: Town, on: (i: number) => readonly SimMember[]): void {
  for (let i = 0; i < ALERTS; i++) {
    const level = (1 + (Math.floor(i / 100) % 3)) as 1 | 2 | 3;
    town.clock.after(i * GAP_MS, () => town.raise({ id: `id${i % 100}`, level }, on(i)));
  }
}

/** How often each alert arrived: [once, more often, times beyond the first]. */
function told(town: Town): readonly [number, number] {
  const times = new Map<string, number>();
  for (const { id, time } of town.arrivals()) {
    const key = `${id} ${time}`;
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  const extra = [...times.values()].reduce((sum, count) => sum + count - 1, 0);
  return [times.size, extra];
}

/** What went wrong in any of the seeds; `play` raises all alerts and makes the change among them. */
function wrongOver(play: (seed: number) => Town): string[] {
  const wrong: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const town = play(seed);
    town.run(60_000);
    const [once, extra] = told(town);
    if (once !== ALERTS || extra > 0) wrong.push(`seed ${seed}: ${once} told, ${extra} extra`);
    wrong.push(...town.wrong);
  }
  return wrong;
}

const REMOVALS = [
  [3, "first"],
  [4, "first"],
  [4, "second"],
  [4, "itself"],
  [5, "last"],
] as const;

test.each(REMOVALS)("of %i members the %s owner is removed under load", (members, which) => {
  const wrong = wrongOver((seed) => {
    const town = formed(seed * 31 + members, members);
    const ranked = town.ranked();
    const place = which === "second" ? 1 : which === "last" ? members - 1 : 0;
    const gone = ranked[place] ?? town.at(0);
    const through = ranked[place === 0 ? 1 : 0] ?? town.at(1);
    const stay = town.members.filter((member) => member !== gone);
    let on = (i: number): readonly SimMember[] => (i % ALONE_EVERY === 0 ? [gone] : town.members);
    raiseAll(town, (i) => on(i));
    town.run(CHANGE_AT_MS + town.random.float() * 20);
    on = () => stay;
    // What was raised there up to now is the cluster's.
    town.run(5);
    expect(town.remove(which === "itself" ? gone : through, gone)).toBeUndefined();
    return town;
  });
  expect(wrong).toEqual([]);
});

test.each([1, 3, 4] as const)("to %i members one more is added under load", (members) => {
  const wrong = wrongOver((seed) => {
    const town = formed(seed * 37 + members, members);
    const there = [...town.members];
    raiseAll(town, () => there);
    town.run(CHANGE_AT_MS - 50);
    const fresh = town.newMember();
    fresh.start();
    town.run(50 + town.random.float() * 20);
    town.add(town.at(0), fresh);
    return town;
  });
  expect(wrong).toEqual([]);
});
