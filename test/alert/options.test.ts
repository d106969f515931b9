/** Decoding of handler options: what is accepted, and the texts of what is not. */

import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import {
  anyOption,
  decodeOptions,
  durationOption,
  flagOption,
  IGNORED_OPTIONS,
  intOption,
  listOption,
  mapOption,
  optionsSchema,
  textMapOption,
  textOption,
  textsOption,
} from "#alert/options.ts";

const schema = optionsSchema({
  url: textOption(""),
  "icon-emoji": textOption(""),
  on: flagOption(""),
  mode: intOption(""),
  interval: durationOption(""),
  args: textsOption(""),
  headers: textMapOption(""),
  info: mapOption(""),
  links: listOption("", Type.Object({ href: textOption("") })),
  any: anyOption(""),
});

describe("accepted", () => {
  test.each([
    ["nothing", null, {}],
    ["exact keys", { url: "x", "icon-emoji": "e" }, { url: "x", "icon-emoji": "e" }],
    ["keys in another case", { URL: "x", Icon_Emoji: undefined }, undefined],
    ["a differently cased key", { URL: "x" }, { url: "x" }],
    ["the exact key over a cased one", { url: "a" }, { url: "a" }],
    ["null as left out", { url: null }, {}],
    ["a number for an int", { mode: 420.0 }, { mode: 420 }],
    ["nanoseconds", { interval: 5e9 }, { interval: 5e9 }],
    ["exact nanoseconds", { interval: 9007199254740993n }, { interval: 9007199254740993n }],
    ["a duration text", { interval: "5m" }, { interval: 300e9 }],
    ["lists", { args: ["a", "b"] }, { args: ["a", "b"] }],
    ["maps", { headers: { a: "b" }, info: { n: 1 } }, { headers: { a: "b" }, info: { n: 1 } }],
    ["lists of objects", { links: [{ HREF: "x" }] }, { links: [{ href: "x" }] }],
    ["anything for any", { any: [1, { a: 2 }] }, { any: [1, { a: 2 }] }],
  ])("%s", (_name, given, want) => {
    const decoded = decodeOptions(schema, given);
    if (want === undefined) expect(decoded.ok).toBe(false);
    else expect(decoded).toEqual({ ok: true, value: want });
  });

  test("a kind that ignores its options takes everything", () => {
    expect(decodeOptions(IGNORED_OPTIONS, { any: "thing" })).toEqual({ ok: true, value: {} });
  });
});

describe("refused", () => {
  test.each([
    [{ chanel: "x" }, "1 error(s) decoding:\n\n* '' has invalid keys: chanel"],
    [{ b: 1, a: 2 }, "1 error(s) decoding:\n\n* '' has invalid keys: a, b"],
    [{ icon_emoji: "x" }, "1 error(s) decoding:\n\n* '' has invalid keys: icon_emoji"],
    [
      { interval: "soon" },
      "1 error(s) decoding:\n\n* 'interval' expected type 'time.Duration', got unconvertible type 'string'",
    ],
    [
      { args: "a" },
      "1 error(s) decoding:\n\n* 'args': source data must be an array or slice, got string",
    ],
    [
      { url: 5 },
      "1 error(s) decoding:\n\n* 'url' expected type 'string', got unconvertible type 'float64'",
    ],
    [
      { on: "yes" },
      "1 error(s) decoding:\n\n* 'on' expected type 'bool', got unconvertible type 'string'",
    ],
    [
      { args: ["a", 1] },
      "1 error(s) decoding:\n\n* 'args[1]' expected type 'string', got unconvertible type 'float64'",
    ],
    [{ headers: "x" }, "1 error(s) decoding:\n\n* 'headers' expected a map, got 'string'"],
    [{ links: [{ hrf: "x" }] }, "1 error(s) decoding:\n\n* 'links[0]' has invalid keys: hrf"],
    [
      { url: true, nope: 1 },
      "2 error(s) decoding:\n\n* '' has invalid keys: nope\n* 'url' expected type 'string', got unconvertible type 'bool'",
    ],
    ["text", "1 error(s) decoding:\n\n* '' expected a map, got 'string'"],
  ])("%p", (given, want) => {
    expect(decodeOptions(schema, given)).toEqual({ ok: false, error: want });
  });
});
