import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HybridClock, lastOf, millisOf } from "#cluster/ownership/hybrid-clock.ts";
import { HLC_AHEAD_MAX_MS } from "#cluster/ownership/limits.ts";

const NOW = 1_800_000_000_000;

describe("stamps of one member", () => {
  test("follow the wall clock while it moves", () => {
    const clock = new HybridClock();
    expect([NOW, NOW + 1, NOW + 500].map((ms) => millisOf(clock.tick(ms)))).toEqual([
      ...[NOW, NOW + 1, NOW + 500],
    ]);
  });

  test("rise while the clock stands, and while it has stepped back", () => {
    const clock = new HybridClock();
    const stamps = [NOW, NOW, NOW - 3_600_000, NOW - 3_600_000].map((ms) => clock.tick(ms));
    expect(stamps.slice(1).map((stamp, i) => stamp - (stamps[i] ?? 0))).toEqual([1, 1, 1]);
    expect(millisOf(clock.tick(NOW + 1))).toBe(NOW + 1);
  });

  test("a full counter runs over into the next millisecond, and the wall clock catches up", () => {
    const clock = new HybridClock();
    let last = clock.tick(NOW);
    for (let i = 0; i < 3_000; i++) {
      const next = clock.tick(NOW);
      expect(next).toBeGreaterThan(last);
      last = next;
    }
    expect(millisOf(last)).toBe(NOW + 2);
    expect(millisOf(clock.tick(NOW + 3))).toBe(NOW + 3);
  });

  test("are never 0, even where time begins, and stay exact where it ends", () => {
    expect(new HybridClock().tick(0)).toBeGreaterThan(0);
    expect(new HybridClock().tick(-5)).toBeGreaterThan(0);
    const late = new HybridClock();
    for (const ms of [1e13, 1e300, Number.MAX_SAFE_INTEGER]) {
      expect(Number.isSafeInteger(late.tick(ms))).toBe(true);
    }
  });

  test("start after what an earlier start may have used", () => {
    const clock = new HybridClock(NOW);
    expect(clock.tick(NOW - 3_600_000)).toBe(lastOf(NOW - 1) + 1);
    expect(millisOf(clock.tick(NOW + 7))).toBe(NOW + 7);
  });

  test("after a millisecond was closed, the next stamp is of a later one", () => {
    const clock = new HybridClock();
    clock.tick(NOW);
    const before = clock.close(NOW);
    expect(before).toBe(lastOf(NOW));
    expect(millisOf(clock.tick(NOW))).toBe(NOW + 1);
  });
});

describe("stamps of others", () => {
  test.each([
    ["behind", NOW - 1_000, NOW - 1_000, 0],
    ["ahead", NOW + 1_000, NOW + 1_000, 0],
    ["ahead by just as much as is believed", NOW + HLC_AHEAD_MAX_MS, NOW + HLC_AHEAD_MAX_MS, 0],
    ["one millisecond further", NOW + HLC_AHEAD_MAX_MS + 1, NOW + HLC_AHEAD_MAX_MS, 1],
    ["years ahead", NOW * 2, NOW + HLC_AHEAD_MAX_MS, 1],
  ])("%s", (_title, heardMs, believedMs, clamps) => {
    const clock = new HybridClock();
    const own = clock.tick(NOW);
    const believed = clock.hear(lastOf(heardMs), NOW);
    expect(believed).toBe(lastOf(believedMs));
    expect(clock.clamps).toBe(clamps);
    const next = clock.tick(NOW);
    expect(next).toBeGreaterThan(own);
    expect(next).toBeGreaterThan(believed);
  });

  test("what is heard again is believed as before, however far ahead this member's own time is", () => {
    const clock = new HybridClock();
    const own = clock.tick(NOW + 3_600_000);
    expect(clock.hear(own, NOW)).toBe(own);
    expect(clock.hear(own + 1, NOW)).toBe(own);
    expect(clock.clamps).toBe(1);
  });

  test("any history: own stamps rise, are later than what was heard, and stay within the bound", () => {
    const step = fc.record({
      wall: fc.integer({ min: -100_000, max: 100_000 }),
      heard: fc.option(fc.integer({ min: -200_000, max: 200_000 })),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const clock = new HybridClock();
        let last = 0;
        let latest = 0;
        for (const { wall, heard } of steps) {
          const now = NOW + wall;
          latest = Math.max(latest, now + HLC_AHEAD_MAX_MS);
          if (heard !== null) {
            const stamp = lastOf(NOW + heard);
            const believed = clock.hear(stamp, now);
            expect(believed).toBeLessThanOrEqual(stamp);
            last = Math.max(last, believed);
          }
          const next = clock.tick(now);
          expect(next).toBeGreaterThan(last);
          expect(millisOf(next)).toBeLessThanOrEqual(latest + 1);
          last = next;
        }
      }),
    );
  });
});
