/** When queries run: intervals, multiples, cron (the tests' local time is UTC), and clocks that are set. */

import { describe, expect, test } from "bun:test";
import { makeSchedule, type ScheduleSpec } from "#engine/batch-schedule.ts";
import { type Cancel, type Clock, VirtualClock } from "#lib/clock.ts";
import { formatTime, type Time } from "#lib/time.ts";

const SECOND = 1_000_000_000;
const at = (text: string): Time => ({ ms: Date.parse(text), ns: 0 });

/** A virtual clock whose wall time can be set. */
class SetClock implements Clock {
  readonly #inner: VirtualClock;
  shiftMs = 0;

  constructor(start: Time) {
    this.#inner = new VirtualClock(start);
  }

  monoMs(): number {
    return this.#inner.monoMs();
  }

  now(): Time {
    const { ms, ns } = this.#inner.now();
    return { ms: ms + this.shiftMs, ns };
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.#inner.after(delayMs, run);
  }

  advance(ms: number): void {
    this.#inner.advance(ms);
  }
}

function start(spec: Partial<ScheduleSpec>, from: string) {
  const clock = new SetClock(at(from));
  const ticks: string[] = [];
  const schedule = makeSchedule({ every: 0, cron: "", align: false, ...spec });
  const timers = { clock, after: (ms: number, run: () => void) => clock.after(ms, run) };
  schedule.start(timers, ({ ms, ns }) => ticks.push(formatTime(ms, ns).slice(11)));
  return { clock, ticks };
}

const DAY = "2026-11-22T";

test("an interval counts from the start, in wall time", () => {
  const { clock, ticks } = start({ every: 20 * SECOND }, `${DAY}05:44:37.5Z`);
  clock.advance(60_000);
  expect(ticks).toEqual(["05:44:57.5Z", "05:45:17.5Z", "05:45:37.5Z"]);
});

test("an interval does not mind a clock that is set", () => {
  const { clock, ticks } = start({ every: 20 * SECOND }, `${DAY}05:00:00Z`);
  clock.shiftMs = -3_600_000;
  clock.advance(40_000);
  expect(ticks).toEqual(["04:00:20Z", "04:00:40Z"]);
});

describe("aligned", () => {
  const spec = { every: 20 * SECOND, align: true };

  test("ticks are multiples, the first the next one", () => {
    const { clock, ticks } = start(spec, `${DAY}05:44:37.5Z`);
    clock.advance(65_000);
    expect(ticks).toEqual(["05:44:40Z", "05:45:00Z", "05:45:20Z", "05:45:40Z"]);
  });

  test("at a multiple the first is a whole interval away", () => {
    const { clock, ticks } = start(spec, `${DAY}05:44:40Z`);
    clock.advance(20_000);
    expect(ticks).toEqual(["05:45:00Z"]);
  });

  test("a clock set forward leaves ticks out", () => {
    const { clock, ticks } = start(spec, `${DAY}05:00:10Z`);
    clock.shiftMs = 3_600_000;
    clock.advance(40_000);
    expect(ticks).toEqual(["05:00:20Z", "06:00:40Z"]);
  });

  test("a clock set back does not mean an hour without ticks", () => {
    const { clock, ticks } = start(spec, `${DAY}05:00:10Z`);
    clock.shiftMs = -3_600_000;
    clock.advance(60_000);
    expect(ticks).toEqual(["04:00:40Z", "04:01:00Z"]);
  });
});

describe("cron", () => {
  test.each([
    ["*/15 * * * *", ["05:45:00Z", "06:00:00Z", "06:15:00Z", "06:30:00Z"]],
    ["0,30 6 * * SUN", ["06:00:00Z", "06:30:00Z"]],
    ["5/20 * * * * 2026", ["05:45:00Z", "06:05:00Z", "06:25:00Z"]],
    ["10 0 6 * * * *", ["06:00:10Z"]],
    ["@hourly", ["06:00:00Z"]],
    ["0 6 * * MON", []],
    ["* * * * * 2025", []],
  ])("%s", (cron, expected) => {
    const { clock, ticks } = start({ cron }, `${DAY}05:44:37.5Z`);
    clock.advance(3_600_000);
    expect(ticks).toEqual(expected);
  });

  test.each(["", "* * * *", "* * * * * * * *", "60 * * * *", "* * * * x", "@never"])(
    "%p is none",
    (cron) => {
      const spec = { every: 0, cron, align: false };
      expect(() => makeSchedule(spec)).toThrow(
        cron === "" ? "must define one of" : "invalid cron expression",
      );
    },
  );
});

test("a negative interval is refused", () => {
  expect(() => makeSchedule({ every: -1, cron: "", align: false })).toThrow(
    "'every' must be greater than zero",
  );
});
