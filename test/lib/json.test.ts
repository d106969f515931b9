/** JSON as clients of the original see it. */

import { describe, expect, test } from "bun:test";
import { compareBytes, encodeJson, JsonValueError, parseJson, sorted } from "#lib/json.ts";

describe("encodeJson", () => {
  test.each([
    ["<a> & b", '"\\u003ca\\u003e \\u0026 b"'],
    ["\u2028", '"\\u2028"'],
    [9223372036854775807n, "9223372036854775807"],
    [1e21, "1e+21"],
    [5, "5"],
    [[], "[]"],
    [{}, "{}"],
    [{ a: undefined, b: null }, '{"b":null}'],
    [[1, "x", [true]], '[1,"x",[true]]'],
    ['a"b\\c\u0000\n', '"a\\"b\\\\c\\u0000\\n"'],
    ["\ud800 and \u{1f600}", '"\\ud800 and \u{1f600}"'],
    [-0, "-0"],
    [{ "a<": { toJSON: () => [undefined, 1n] } }, '{"a\\u003c":[null,1]}'],
  ])("%p is %s", (value, expected) => {
    expect(encodeJson(value)).toBe(expected);
  });

  test("indents as clients expect it", () => {
    expect(encodeJson({ a: [1, { b: 2 }], c: {} }, 4)).toBe(
      '{\n    "a": [\n        1,\n        {\n            "b": 2\n        }\n    ],\n    "c": {}\n}',
    );
  });

  test.each([Number.NaN, Infinity, -Infinity])("refuses %p", (value) => {
    expect(() => encodeJson({ value })).toThrow(JsonValueError);
  });

  test("maps are sorted by bytes, not by UTF-16 units", () => {
    expect(Object.keys(sorted({ "\u{1f600}": 1, "\uff5e": 2, a: 3 }))).toEqual([
      "a",
      "\uff5e",
      "\u{1f600}",
    ]);
    expect(compareBytes("a", "ab")).toBeLessThan(0);
  });
});

describe("parseJson", () => {
  test("keeps integers beyond 2^53 exact", () => {
    expect(parseJson('{"a": 9223372036854775807, "b": 1.5}')).toEqual({
      ok: true,
      value: { a: 9223372036854775807n, b: 1.5 },
    });
  });

  test("answers with the reason instead of throwing", () => {
    expect(parseJson("{")).toMatchObject({ ok: false });
  });
});
