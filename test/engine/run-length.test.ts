/** Runs grow and shrink with what points cost, and stay between their bounds. */

import { describe, expect, test } from "bun:test";
import { RUN_MS, RUN_POINTS_MAX, RUN_POINTS_MIN } from "#engine/limits.ts";
import { RunLength } from "#engine/run-length.ts";

/** What comes after so many runs whose points cost `ms` each. */
function after(runs: number, ms: number, run = new RunLength()): number {
  for (let i = 0; i < runs; i++) run.took(run.points, run.points * ms);
  return run.points;
}

describe("the length of runs", () => {
  test.each([
    [0, RUN_POINTS_MIN],
    [1, 2 * RUN_POINTS_MIN],
    [2, 4 * RUN_POINTS_MIN],
    [20, RUN_POINTS_MAX],
  ])("after %p runs that cost nothing is %p", (runs, points) => {
    expect(after(runs, 0)).toBe(points);
  });

  test.each([
    [RUN_MS / RUN_POINTS_MAX / 2, RUN_POINTS_MAX],
    [RUN_MS / 100, 100],
    [RUN_MS / (RUN_POINTS_MIN + 1), RUN_POINTS_MIN + 1],
    [RUN_MS / RUN_POINTS_MIN, RUN_POINTS_MIN],
    [RUN_MS, RUN_POINTS_MIN],
    [RUN_MS * 1_000, RUN_POINTS_MIN],
  ])("fits the time of a run when a point costs %p ms", (ms, points) => {
    expect(after(20, ms)).toBe(points);
  });

  test("falls at once and recovers", () => {
    const run = new RunLength();
    after(20, 0, run);
    run.took(RUN_POINTS_MAX, RUN_MS * 10);
    expect(run.points).toBe(Math.floor(RUN_POINTS_MAX / 10));
    run.took(1, RUN_MS);
    expect(run.points).toBe(RUN_POINTS_MIN);
    expect(after(20, 0, run)).toBe(RUN_POINTS_MAX);
  });
});
