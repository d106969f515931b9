import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileGlob, GLOB_LENGTH_MAX, GlobError } from "#lib/glob.ts";

describe("compileGlob", () => {
  test.each([
    ["", "anything/at all", true],
    ["*", "abc", true],
    ["*", "a/b", false],
    ["*/*", "a/b", true],
    ["a*c", "abbbc", true],
    ["a*c", "abbb", false],
    ["a?c", "abc", true],
    ["a?c", "a/c", false],
    ["[a-c]x", "bx", true],
    ["[a-c]x", "dx", false],
    ["[^a-c]x", "dx", true],
    ["[^a-c]x", "ax", false],
    ["\\*", "*", true],
    ["\\*", "x", false],
    ["cpu_*", "cpu_alert", true],
    ["*alert*", "my_alert_2", true],
    ["ä?", "äö", true],
    ["?", "😀", true],
  ])("%p on %p is %p", (pattern, text, wanted) => {
    expect(compileGlob(pattern)(text)).toBe(wanted);
  });

  test.each(["[", "[]", "[a", "[a-", "[-a]", "a\\", "[^]", "[a-]"])(
    "%p is malformed",
    (pattern) => {
      expect(() => compileGlob(pattern)).toThrow(GlobError);
    },
  );

  test("a pattern of the longest length is read, one more is refused", () => {
    expect(compileGlob("*".repeat(GLOB_LENGTH_MAX))("x")).toBe(true);
    expect(() => compileGlob("*".repeat(GLOB_LENGTH_MAX + 1))).toThrow("syntax error in pattern");
  });

  test("an escaped text matches itself and nothing longer", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 50 }), (text) => {
        const glob = compileGlob(text.replace(/[*?[\\]/g, "\\$&"));
        expect(glob(text)).toBe(true);
        expect(glob(`${text}x`)).toBe(false);
      }),
    );
  });
});
