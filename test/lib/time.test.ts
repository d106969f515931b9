/** Exact nanosecond times: splitting, arithmetic, truncation from year 1, text. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { INT64_MAX, INT64_MIN } from "#lib/int64.ts";
import * as time from "#lib/time.ts";

const nanos = fc.bigInt({ min: INT64_MIN, max: INT64_MAX });
const at = (text: string): time.Time => {
  const parsed = time.parseTime(text);
  if (parsed === undefined) throw new Error(`not a time: ${text}`);
  return parsed;
};

describe("time", () => {
  test("splits and joins every int64 nanosecond exactly", () => {
    fc.assert(
      fc.property(nanos, (value) => {
        const { ms, ns } = time.timeFromNanos(value);
        expect(ns >= 0 && ns <= 999_999).toBe(true);
        expect(time.timeToNanos(ms, ns)).toBe(value);
      }),
    );
  });

  test.each([0n, 1n, -1n, 999_999n, 1_000_000n, 1_000_001n, -1_000_000n, INT64_MAX, INT64_MIN])(
    "nanoseconds as text: %p",
    (value) => {
      const { ms, ns } = time.timeFromNanos(value);
      expect(time.nanosText(ms, ns)).toBe(String(value));
    },
  );

  test("nanoseconds as text are exact for every int64", () => {
    fc.assert(
      fc.property(nanos, (value) => {
        const { ms, ns } = time.timeFromNanos(value);
        expect(time.nanosText(ms, ns)).toBe(String(value));
      }),
    );
  });

  test("text round-trips to the nanosecond", () => {
    fc.assert(
      fc.property(nanos, (value) => {
        const { ms, ns } = time.timeFromNanos(value);
        expect(at(time.formatTime(ms, ns))).toEqual({ ms, ns });
      }),
    );
  });

  test("difference and sum are inverse", () => {
    fc.assert(
      fc.property(nanos, nanos, (a, b) => {
        const [x, y] = [time.timeFromNanos(a), time.timeFromNanos(b)];
        const difference = time.timeDifference(x.ms, x.ns, y.ms, y.ns);
        expect(BigInt(difference)).toBe(a - b);
        expect(time.addDuration(y.ms, y.ns, difference)).toEqual(x);
      }),
    );
  });

  test.each([
    ["1970-01-01T00:00:47Z", 10_000_000_000, "1970-01-01T00:00:40Z", "1970-01-01T00:00:50Z"],
    // Weeks start on Monday: year 1 began on one, 1970 did not.
    ["2026-11-22T12:00:00Z", 604_800_000_000_000, "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"],
    [
      "1970-01-01T00:00:00.000000007Z",
      5,
      "1970-01-01T00:00:00.000000005Z",
      "1970-01-01T00:00:00.000000005Z",
    ],
    ["1969-12-31T23:59:58Z", 5_000_000_000, "1969-12-31T23:59:55Z", "1970-01-01T00:00:00Z"],
    ["1970-01-01T00:00:05Z", 10_000_000_000, "1970-01-01T00:00:00Z", "1970-01-01T00:00:10Z"],
    ["1970-01-01T00:00:05Z", 0, "1970-01-01T00:00:05Z", "1970-01-01T00:00:05Z"],
  ])("%s in steps of %d ns truncates to %s and rounds to %s", (text, step, down, near) => {
    const { ms, ns } = at(text);
    const truncated = time.truncateTime(ms, ns, step);
    const rounded = time.roundTime(ms, ns, step);
    expect(time.formatTime(truncated.ms, truncated.ns)).toBe(down);
    expect(time.formatTime(rounded.ms, rounded.ns)).toBe(near);
  });

  test.each([
    ["2020-09-13T12:26:40+02:00", "2020-09-13T10:26:40Z"],
    ["2020-09-13T12:26:40.123456789Z", "2020-09-13T12:26:40.123456789Z"],
    ["2020-09-13T12:26:40.100Z", "2020-09-13T12:26:40.1Z"],
  ])("reads %s as %s", (text, expected) => {
    const { ms, ns } = at(text);
    expect(time.formatTime(ms, ns)).toBe(expected);
  });

  test.each(["", "2020-09-13", "2020-09-13 12:26:40Z", "2020-13-13T12:26:40Z", "x"])(
    "refuses %p",
    (text) => {
      expect(time.parseTime(text)).toBeUndefined();
    },
  );

  test("the unset time prints as year 1", () => {
    expect(time.formatTime(time.ZERO_TIME.ms, 0)).toBe("0001-01-01T00:00:00Z");
  });
});
