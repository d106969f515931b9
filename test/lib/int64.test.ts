/** Canonical int64 arithmetic agrees with bigint wrap-around over the full range. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as int64 from "#lib/int64.ts";

const edge = fc.constantFrom(
  0n,
  1n,
  -1n,
  9007199254740991n,
  9007199254740992n,
  -9007199254740991n,
  -9007199254740992n,
  int64.INT64_MAX,
  int64.INT64_MIN,
);
const any64 = fc.oneof(edge, fc.bigInt({ min: int64.INT64_MIN, max: int64.INT64_MAX }));

describe("int64", () => {
  const operations = [
    ["add", int64.add, (a: bigint, b: bigint) => a + b],
    ["sub", int64.sub, (a: bigint, b: bigint) => a - b],
    ["mul", int64.mul, (a: bigint, b: bigint) => a * b],
    ["div", int64.div, (a: bigint, b: bigint) => (b === 0n ? undefined : a / b)],
    ["rem", int64.rem, (a: bigint, b: bigint) => (b === 0n ? undefined : a % b)],
  ] as const;

  test.each(operations)("%s wraps around exactly like int64", (_, ours, exact) => {
    fc.assert(
      fc.property(any64, any64, (a, b) => {
        const expected = exact(a, b);
        if (expected === undefined) return;
        const got = ours(int64.fromBigInt(a), int64.fromBigInt(b));
        expect(got).toBe(int64.fromBigInt(expected));
        expect(Object.is(got, -0)).toBe(false);
      }),
    );
  });

  test("a value is a number exactly while it is a safe integer", () => {
    expect(int64.fromBigInt(9007199254740991n)).toBe(9007199254740991);
    expect(int64.fromBigInt(9007199254740992n)).toBe(9007199254740992n);
    expect(int64.add(9007199254740991, 1)).toBe(9007199254740992n);
    expect(int64.sub(9007199254740992n, 1)).toBe(9007199254740991);
  });

  test.each([
    ["0", 0],
    ["-9223372036854775808", int64.INT64_MIN],
    ["9223372036854775807", int64.INT64_MAX],
    ["+7", 7],
    ["9223372036854775808", undefined],
    ["-9223372036854775809", undefined],
    ["1.0", undefined],
    ["", undefined],
    ["1e3", undefined],
  ])("parses %p as %p", (text, expected) => {
    expect(int64.parseInt64(text)).toBe(expected as never);
  });

  test.each([
    [1.9, 1],
    [-1.9, -1],
    [Number.NaN, int64.INT64_MIN],
    [1e300, int64.INT64_MIN],
    [2 ** 60, 1152921504606846976n],
  ])("converts the float %p to %p", (value, expected) => {
    expect(int64.fromFloat(value)).toBe(expected as never);
  });
});
