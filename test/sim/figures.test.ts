/** A small share of the specification's figures, at sizes that are quick: the whole is `bun test/sim/figures.ts`. */

import { describe, expect, test } from "bun:test";
import { median } from "./figure-table.ts";
import {
  calm,
  detection,
  formed,
  healing,
  joined,
  left,
  pauseMarks,
  quietTraffic,
  reach,
  spread,
} from "./measures.ts";

const SEEDS = [1, 2, 3];
const SIZES = [
  { n: 3, formMs: 130, limit: 6, silentMs: 3_400, diedMs: 2_200 },
  { n: 10, formMs: 100, limit: 10, silentMs: 4_200, diedMs: 3_100 },
  { n: 30, formMs: 510, limit: 11, silentMs: 5_500, diedMs: 3_400 },
];

describe.each(SIZES)("$n members", ({ n, formMs, limit, silentMs, diedMs }) => {
  test("form at once through one, and take one more in, within the bounds", () => {
    for (const seed of SEEDS) {
      const { village, formMs: took } = formed(n, seed);
      expect(took).toBeLessThanOrEqual(formMs);
      expect(joined(village)).toBeLessThanOrEqual(100);
    }
  });

  test("hear of a fact within 60 ms, and send it no oftener than the limit", () => {
    const times = SEEDS.map((seed) => spread(formed(n, seed).village).allMs);
    expect(median(times)).toBeLessThanOrEqual(60);
    const { missed, sendsMax } = reach(formed(n, 1).village, 100, 0.05);
    expect(missed).toBe(0);
    expect(sendsMax).toBe(limit);
  });

  test("declare a failed member dead in time, sooner when its process died", () => {
    const { village } = formed(n, 1);
    const died = Array.from({ length: 5 }, () => detection(village, "died").firstMs);
    const silent = Array.from({ length: 5 }, () => detection(village, "silent").firstMs);
    expect(median(died)).toBeLessThanOrEqual(1_900);
    expect(Math.max(...died)).toBeLessThanOrEqual(1.2 * diedMs);
    expect(Math.max(...silent)).toBeLessThanOrEqual(1.1 * silentMs);
    expect(median(died)).toBeLessThan(median(silent));
  });

  test("see within 100 ms that a member left, and take it back", () => {
    const { village } = formed(n, 1);
    for (let i = 0; i < 3; i++) expect(left(village)).toBeLessThanOrEqual(100);
    expect(village.allSeeAll()).toBe(true);
  });

  test("send no more than 480 bytes in 4.2 datagrams a second when nothing happens", () => {
    const quiet = quietTraffic(formed(n, 1).village, 60_000);
    expect(quiet.bytes).toBeLessThanOrEqual(480);
    expect(quiet.datagrams).toBeLessThanOrEqual(4.2);
    // Equal tables are recognised by their hash: a sync is two small frames.
    expect(quiet.syncBytes).toBeLessThanOrEqual(20);
  });

  test("mark nobody for a pause of 2 s, and heal an even cut", () => {
    const { village } = formed(n, 1);
    for (let i = 0; i < 4; i++) expect(pauseMarks(village, 2_000).dead).toBe(0);
    const { healMs, datagramsPerSecond } = healing(village);
    expect(healMs).toBeLessThanOrEqual(43_000);
    expect(datagramsPerSecond).toBeLessThanOrEqual(20);
    calm(village);
    expect(village.allSeeAll()).toBe(true);
  });
});

test("steps and traffic per member do not grow with the cluster", () => {
  const [small, large] = [10, 60].map((n) => quietTraffic(formed(n, 1).village, 30_000));
  expect(large?.steps).toBeLessThan(1.1 * (small?.steps ?? 0));
  expect(large?.bytes).toBeLessThan(1.1 * (small?.bytes ?? 0));
});
