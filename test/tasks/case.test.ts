/** The format of test cases, their differences, and what a case may say. Golden cases show the rest. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { offlineSurroundings } from "#daemon/offline-cases.ts";
import { CHECKS, formatCase, parseCase, type Section } from "#tasks/case/case-file.ts";
import { diffLines } from "#tasks/case/diff.ts";
import { runCase, updateCase } from "#tasks/case/run-case.ts";

const surroundings = {
  ...offlineSurroundings(),
  readFile: (path: string): Uint8Array => {
    throw new Error(`no file ${path}`);
  },
};

async function run(text: string): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries(await runCase(parseCase(text), surroundings));
}

const CASE = `# A comment.
-- task --
stream
    |from()
-- in --
m v=1 1s
-- out --
m v=1 1s
`;

describe("a case file", () => {
  test("is written as it was read", () => {
    expect(formatCase(parseCase(CASE))).toBe(CASE);
  });

  test("may have been written on Windows", () => {
    expect(formatCase(parseCase(CASE.replaceAll("\n", "\r\n")))).toBe(CASE);
  });

  test.each([
    ["-- in --\n-- out --\n", "a case needs a task"],
    ["-- task --\n-- out --\n-- out --\n", 'section "out" stands twice'],
    ["-- task --\n-- outt --\n", 'unknown section "outt"'],
    ["-- task --\n-- in --\n", `a case checks something: one of ${CHECKS.join(", ")}`],
  ])("that is %j is refused", (text, error) => {
    expect(() => parseCase(text)).toThrow(error);
  });
});

describe("a difference", () => {
  test.each([
    ["equal texts have none", "a\nb\n", "a\nb\n", []],
    ["a missing line", "a\nb\n", "a\n", ["  a", "- b"]],
    ["a line too much", "a\n", "a\nb\n", ["  a", "+ b"]],
    [
      "a changed line, with two lines around",
      "1\n2\n3\n4\n5\n6\n7\n",
      "1\n2\n3\nx\n5\n6\n7\n",
      ["  …", "  2", "  3", "- 4", "+ x", "  5", "  6", "  …"],
    ],
    ["nothing expected", "", "a\n", ["+ a"]],
  ])("%s", (_name, expected, actual, lines) => {
    expect(diffLines(expected, actual)).toEqual(lines);
  });

  test("leaves each text when the lines of the other are taken out", () => {
    const text = fc
      .array(fc.constantFrom("a", "b", "c"), { maxLength: 12 })
      .map((lines) => lines.map((line) => `${line}\n`).join(""));
    fc.assert(
      fc.property(text, text, (expected, actual) => {
        const lines = diffLines(expected, actual);
        const count = (sign: string): number => lines.filter((line) => line[0] === sign).length;
        const size = (of: string): number => of.split("\n").length - 1;
        expect(size(actual) - size(expected)).toBe(count("+") - count("-"));
        expect(lines.length === 0).toBe(expected === actual);
      }),
    );
  });
});

describe("a case", () => {
  test("takes vars in the API's form", async () => {
    const text = `-- task --
var least = 5.0
stream
    |from()
    |where(lambda: "v" > least)
-- vars --
{"least": {"type": "float", "value": 1.5}}
-- in --
m v=1 1s
m v=2 2s
-- out --
`;
    expect(await run(text)).toEqual({ out: "m v=2 2s\n" });
  });

  test("listens to the database that its script names", async () => {
    const text = `-- task --
dbrp "telegraf"."autogen"
stream
    |from()
-- in --
m v=1 1s
@from telegraf autogen
m v=2 2s
-- out --
`;
    expect(await run(text)).toEqual({ out: "m v=2 2s\n" });
  });

  test("is updated where something else came out, and only there", async () => {
    const updated = await updateCase(
      parseCase(CASE.replace("v=1 1s\n-- out", "v=7 1s\n-- out")),
      surroundings,
    );
    expect(formatCase(updated)).toBe(CASE.replaceAll("v=1", "v=7"));
  });

  test.each([
    ["in", "m v= 1s\n", "bad input: "],
    ["in", "@advance soon\n", 'bad duration in "@advance soon"'],
    ["in", "@jump 1s\n", 'unknown order "@jump 1s"'],
    ["vars", "{", "vars: "],
    ["data", "a.srpl\n", "no file a.srpl"],
    ["batch", "{}\n", "the task has no query 0"],
    ["files", "nothing\n", "a file is a path and a JSON object: nothing"],
  ] as const)(
    "with a bad section %s says what is wrong: %j",
    async (section: Section, body, error) => {
      const { sections, comment } = parseCase(CASE);
      const bad = { comment, sections: new Map([...sections, [section, body]]) };
      await expect(runCase(bad, surroundings)).rejects.toThrow(error);
    },
  );

  test("knows nothing of the cases before it", async () => {
    const text =
      "-- task --\nstream|from()|window().periodCount(2).everyCount(2)\n-- in --\nm v=1 1s\n-- out --\n";
    expect([await run(text), await run(text)]).toEqual([{ out: "" }, { out: "" }]);
  });

  test("tells nobody, and writes down whom it would have told", async () => {
    const text = `-- task --
stream
    |from()
    |alert()
        .crit(lambda: TRUE)
        .message('{{ .ID }}')
        .exec('/bin/false')
        .post('http://127.0.0.1:1/')
        .topic('x')
-- in --
m v=1 1s
-- events --
-- errors --
`;
    expect(await run(text)).toEqual({
      events: "main:t:alert2 m:nil CRITICAL 1s 0s m:nil\nx m:nil CRITICAL 1s 0s m:nil\n",
      errors: "",
    });
  });
});
