/** Durations in Go's, InfluxQL's and TICKscript's spelling. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as duration from "#lib/duration.ts";
import { fromBigInt, INT64_MAX, INT64_MIN } from "#lib/int64.ts";

describe("durations", () => {
  test.each([
    ["0", 0],
    ["1m30s", 90_000_000_000],
    ["1.5s", 1_500_000_000],
    ["-1ms", -1_000_000],
    ["5m0s", 300_000_000_000],
    ["1h0m0s", 3_600_000_000_000],
    [".5s", 500_000_000],
    ["1us", 1_000],
    ["1µs", 1_000],
    ["1d", undefined],
    ["10", undefined],
    ["", undefined],
    ["s", undefined],
    [".s", undefined],
    ["10 s", undefined],
    ["9999999h", undefined],
  ])("Go's form: %p is %p ns", (text, expected) => {
    expect(duration.parseGoDuration(text)).toBe(expected as never);
  });

  test.each([
    ["1h30m", 5_400_000_000_000],
    ["10s", 10_000_000_000],
    ["2w", 1_209_600_000_000_000],
    ["5u", 5_000],
    ["1.5s", undefined],
    ["0", undefined],
    ["10x", undefined],
  ])("InfluxQL's form: %p is %p ns", (text, expected) => {
    expect(duration.parseInfluxDuration(text)).toBe(expected as never);
  });

  test.each([
    [0, "0s", "0s"],
    [90_000_000_000, "1m30s", "90s"],
    [3_600_000_000_000, "1h0m0s", "1h"],
    [1_500_000, "1.5ms", "1500u"],
    [1_733, "1.733µs", "1733ns"],
    [-500_000_000, "-500ms", "-500ms"],
    [604_800_000_000_000, "168h0m0s", "1w"],
  ])("%d ns prints as %s and %s", (ns, go, tick) => {
    expect(duration.formatGoDuration(ns)).toBe(go);
    expect(duration.formatTickDuration(ns)).toBe(tick);
  });

  test("Go's form round-trips", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: INT64_MIN + 1n, max: INT64_MAX }), (ns) => {
        const value = fromBigInt(ns);
        expect(duration.parseGoDuration(duration.formatGoDuration(value))).toBe(value);
      }),
    );
  });
});
