/**
 * Mutated scripts: whatever comes in, a positioned error or a tree that formats and parses back to itself.
 *
 * The number of scripts is `KAPACITOR_TEST_FUZZ`, the seed `KAPACITOR_TEST_SEED`.
 */

import { expect, test } from "bun:test";
import { type Random, SeededRandom } from "#lib/random.ts";
import type { Program } from "#tick/ast.ts";
import { TickError } from "#tick/diagnostic.ts";
import { evaluateScript, vetScript } from "#tick/evaluate.ts";
import { formatProgram } from "#tick/format.ts";
import { parseScript } from "#tick/parser.ts";
import formats from "../golden/tick/format.json";
import vectors from "../golden/tick/lambda.json";
import parseErrors from "../golden/tick/parse-errors.json";
import scriptErrors from "../golden/tick/script-errors.json";
import scripts from "../golden/tick/scripts.json";
import { TEST_ENVIRONMENT } from "./test-environment.ts";

const COUNT = Number(process.env["KAPACITOR_TEST_FUZZ"] ?? 200_000);
const SEED = Number(process.env["KAPACITOR_TEST_SEED"] ?? 1);

const CORPUS: readonly string[] = [
  // Whole scripts several times: there is more in them to break.
  ...Array(10).fill(scripts).flat(),
  ...formats.flatMap(({ input, output }) => [input, output]),
  ...parseErrors.map(({ script }) => script),
  ...scriptErrors.map(({ script }) => script),
  ...vectors.map(({ lambda }) => `stream|from().where(lambda: ${lambda})`),
];
const PIECES: readonly string[] = [
  ...["(", ")", "[", "]", ",", "|", ".", "@", "=", "==", "=~", "!", "-", "+", "*", "/", "%", "<"],
  ...["'", "'''", '"', "\\", "//", "// c\n", "\n", "\n\n", " ", "\t", "AND", "OR", "TRUE", "var "],
  ...["lambda:", "dbrp ", "stream", "x", "5", "010", "1.5", ".5", "1h", "µ", "é", "😀", "\u0000"],
  ...["\ud800", "\u00a0", "/a/", "'s'", '"r"', "f(1, 2)", "['a', *]", "(1\n+ 2)", "\r\n", "_", "#"],
];

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

function mutated(random: Random): string {
  let script = pick(random, CORPUS);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(script.length + 1);
    const length = random.below(8);
    const [head, cut, tail] = [
      script.slice(0, at),
      script.slice(at, at + length),
      script.slice(at + length),
    ];
    switch (random.below(6)) {
      case 0:
        script = head + tail;
        break;
      case 1:
      case 2:
        script = head + pick(random, PIECES) + cut + tail;
        break;
      case 3:
        script = head + pick(random, PIECES) + tail;
        break;
      case 4:
        script = head + cut + cut + tail;
        break;
      default: {
        const other = pick(random, CORPUS);
        const from = random.below(other.length + 1);
        script = head + other.slice(from, from + random.below(30)) + tail;
      }
    }
  }
  return script;
}

/** The tree without what layout may change. */
function essence(program: Program): string {
  const dropped = new Set([
    ...["position", "comments", "multiLine", "trailing", "description", "parens"],
  ]);
  return JSON.stringify(program, (key, value) =>
    dropped.has(key) ? undefined : typeof value === "bigint" ? `${value}n` : value,
  );
}

function comments(text: string): number {
  return [...text.matchAll(/\/\/ ?fuzz/g)].length;
}

test(`${COUNT} mutated scripts`, () => {
  const random = new SeededRandom(SEED);
  let parsed = 0;
  for (let i = 0; i < COUNT; i++) {
    const script = mutated(random);
    const program = tree(script);
    if (program === undefined) continue;
    parsed++;
    const once = formatProgram(program);
    const again = parseScript(once);
    if (essence(again) !== essence(program) || formatProgram(again) !== once) {
      expect({ script, once, twice: formatProgram(again), tree: essence(again) }).toEqual({
        script,
        once,
        twice: once,
        tree: essence(program),
      });
    }
    if (i % 4 === 0) evaluated(script);
  }
  expect(parsed).toBeGreaterThan(COUNT / 50);
}, 120_000);

function tree(script: string): Program | undefined {
  try {
    return parseScript(script);
  } catch (error) {
    if (!(error instanceof TickError))
      throw new Error(`crash on ${JSON.stringify(script)}`, { cause: error });
    if (
      error.line === undefined ||
      error.char === undefined ||
      !error.message.startsWith("parser: ")
    ) {
      throw new Error(`no position for ${JSON.stringify(script)}: ${error.message}`);
    }
    return undefined;
  }
}

function evaluated(script: string): void {
  const options = { environment: TEST_ENVIRONMENT, type: "stream", template: true } as const;
  try {
    evaluateScript(script, options);
  } catch (error) {
    if (!(error instanceof TickError))
      throw new Error(`crash on ${JSON.stringify(script)}`, { cause: error });
  }
  try {
    vetScript(script, options);
  } catch (error) {
    throw new Error(`vet crashed on ${JSON.stringify(script)}`, { cause: error });
  }
}

test("no comment is ever lost", () => {
  const random = new SeededRandom(SEED);
  const whole = formats.map(({ input }) => input).filter((input) => !input.includes("'''"));
  for (let i = 0; i < 2_000; i++) {
    const input = pick(random, whole);
    const gaps = [...input.matchAll(/[\s(),]/g)].map(({ index }) => index);
    const at = gaps[random.below(gaps.length)] ?? 0;
    const script = `${input.slice(0, at)} // fuzz\n${input.slice(at)}`;
    const program = tree(script);
    if (program === undefined) continue;
    const output = formatProgram(program);
    const inside = essence(program).includes("fuzz");
    if (!inside) expect({ script, output, n: comments(output) }).toEqual({ script, output, n: 1 });
  }
});
