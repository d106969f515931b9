/** Flags as Go programs take them. */

import { describe, expect, test } from "bun:test";
import { type FlagSpec, flagUsage, parseGoArgs } from "#cli/go-args.ts";

const SPECS: readonly FlagSpec[] = [
  { name: "config", kind: "text", value: "path", doc: "the file" },
  { name: "v", kind: "flag", doc: "more words" },
  { name: "dbrp", kind: "texts", doc: "repeatable" },
  { name: "secret", kind: "text", doc: "", hidden: true },
];

describe("accepted", () => {
  test.each<[string[], Record<string, unknown>]>([
    [["-config", "a"], { config: "a", v: false, rest: [] }],
    [["-config=a"], { config: "a" }],
    [["--config", "a"], { config: "a" }],
    [["--config=a"], { config: "a" }],
    [["-config="], { config: "" }],
    [["-config=a=b"], { config: "a=b" }],
    [["-config", "-v"], { config: "-v", v: false }],
    [["-config", "a", "-config", "b"], { config: "b" }],
    [["-v", "x"], { v: true, rest: ["x"] }],
    [["-v=false"], { v: false }],
    [["-v=T"], { v: true }],
    [["x", "-v"], { v: false, rest: ["x", "-v"] }],
    [["--", "-v"], { v: false, rest: ["-v"] }],
    [["-", "-v"], { v: false, rest: ["-", "-v"] }],
    [["-dbrp", "a.b", "-dbrp", "c.d"], { dbrp: ["a.b", "c.d"] }],
    [["-config", "new\nline"], { config: "new\nline" }],
    [[], { config: undefined, v: false, dbrp: [], rest: [] }],
  ])("%j", (words, expected) => {
    const parsed = parseGoArgs(words, SPECS);
    if (parsed.kind !== "parsed") throw new Error(`not parsed: ${parsed.kind}`);
    const found = {
      config: parsed.text("config"),
      v: parsed.flag("v"),
      dbrp: parsed.texts("dbrp"),
      rest: parsed.rest,
    };
    expect(found).toMatchObject(expected);
  });
});

describe("refused", () => {
  test.each([
    [["-x"], "flag provided but not defined: -x"],
    [["--x=1"], "flag provided but not defined: -x"],
    [["-config"], "flag needs an argument: -config"],
    [["---config"], "bad flag syntax: ---config"],
    [["-=a"], "bad flag syntax: -=a"],
    [["-v=maybe"], 'invalid boolean value "maybe" for -v: parse error'],
    [["-conf", "a"], "flag provided but not defined: -conf"],
  ])("%j", (words, message) => {
    expect(parseGoArgs(words, SPECS)).toEqual({ kind: "bad", message });
  });

  test.each([["-h"], ["-help"], ["--help"], ["--h"]])("%s asks for help", (word) => {
    expect(parseGoArgs([word], SPECS)).toEqual({ kind: "help" });
  });

  test("a declared flag named h is no call for help", () => {
    const parsed = parseGoArgs(["-h"], [{ name: "h", kind: "flag", doc: "" }]);
    expect(parsed.kind).toBe("parsed");
  });
});

test("usage lists flags with their values, hidden ones left out", () => {
  expect(flagUsage(SPECS)).toBe(
    "  -config path\n    \tthe file\n  -v\n    \tmore words\n  -dbrp string\n    \trepeatable\n",
  );
});
