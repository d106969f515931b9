/** Compiled code and interpreter give the same value or the same error, for random expressions and points. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { FieldType, FieldValue } from "#model/shape.ts";
import { builtins } from "#tick/functions/builtins.ts";
import { compileLambda } from "#tick/lambda/lambda.ts";
import type { ExtraScope } from "#tick/lambda/scope.ts";
import { LambdaError, type LambdaType, type LambdaValue } from "#tick/lambda/value.ts";
import { parseExpression } from "#tick/parser.ts";
import { type Fields, makePoint, SERVICES, shown } from "./lambda-support.ts";

const RUNS = 10_000;

const NAMES = ["a", "b", "c", "t", "u", "e", "time"];
const INTS = ["0", "1", "-1", "7", "010", "9007199254740993", "9223372036854775807"];
const FLOATS = ["0.0", "1.5", "-2.0", "1e0", "9007199254740992.0", "1000000000000000000000000.0"];

const literal = fc.oneof(
  fc.constantFrom(...INTS),
  fc.constantFrom(...FLOATS.filter((f) => !f.includes("e"))),
  fc.constantFrom("'a'", "'é'", "''", "'12'", "'TRUE'", "'''x'''"),
  fc.constantFrom("TRUE", "FALSE"),
  fc.constantFrom("1s", "1h", "-5u", "0s"),
  fc.constantFrom("(/a/)", "(/^[0-9]+$/)", "(/(a)(b)?/)"),
);
const reference = fc.constantFrom(...NAMES.map((name) => `"${name}"`));
const OPERATORS = [
  "AND",
  "OR",
  "==",
  "!=",
  "<",
  "<=",
  ">",
  ">=",
  "=~",
  "!~",
  "+",
  "-",
  "*",
  "/",
  "%",
];
const FUNCTIONS = [...builtins.keys()].filter((name) => name !== "rand" && name !== "now");

const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    { weight: 3, arbitrary: reference },
    { weight: 2, arbitrary: literal },
    {
      weight: 5,
      arbitrary: fc
        .tuple(tie("expression"), fc.constantFrom(...OPERATORS), tie("expression"))
        .map(([l, o, r]) => `(${l} ${o} ${r})`),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom("-", "!"), tie("expression")).map((p) => p.join("")),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(
          fc.constantFrom(...FUNCTIONS, "if", "isPresent", "nope"),
          fc.array(tie("expression"), { maxLength: 3 }),
        )
        .map(([name, args]) => `${name}(${args.join(", ")})`),
    },
  ),
}));

const field: fc.Arbitrary<readonly [FieldType, FieldValue]> = fc.oneof(
  fc.constantFrom(1.5, 0, -3, Number.NaN, 1e300).map((v) => ["float", v] as const),
  fc
    .constantFrom(0, 1, -7, 2 ** 53 - 1, 2n ** 63n - 1n, -(2n ** 63n))
    .map((v) => ["int", v] as const),
  fc.constantFrom("a", "12", "é", "TRUE", "").map((v) => ["string", v] as const),
  fc.boolean().map((v) => ["boolean", v] as const),
  fc.constantFrom(1, 2n ** 63n).map((v) => ["uint", v] as const),
  fc.constantFrom(60e9, -1).map((v) => ["duration", v] as const),
  fc.constant(["null", null] as const),
);

const point = fc
  .record({
    fields: fc.dictionary(fc.constantFrom("a", "b", "c", "u"), field, { maxKeys: 4 }),
    tags: fc.dictionary(fc.constantFrom("t", "u", "x"), fc.constantFrom("a", "12", "ab"), {
      maxKeys: 2,
    }),
  })
  .map(({ fields, tags }) => makePoint(fields as Fields, tags));

const EXTRA_NAMES = ["e", "a"] as const;
const extra: fc.Arbitrary<ExtraScope | undefined> = fc.option(
  fc
    .constantFrom<readonly [LambdaType | undefined, LambdaValue]>(
      ["int", 3],
      ["float", 2.5],
      ["string", "a"],
      ["duration", 5],
      [undefined, null],
    )
    .map(([type, value]) => ({ names: EXTRA_NAMES, types: [type, type], values: [value, value] })),
  { nil: undefined },
);

function text(run: () => unknown): string {
  try {
    return JSON.stringify(run());
  } catch (error) {
    if (error instanceof LambdaError) return `error: ${error.message}`;
    throw error;
  }
}

test("compiled and interpreted lambdas agree", () => {
  let values = 0;
  fc.assert(
    fc.property(
      expression,
      fc.array(fc.tuple(point, extra), { minLength: 1, maxLength: 3 }),
      (source, steps) => {
        const lambda = compileLambda(parseExpression(source));
        const [compiled, walked] = [lambda.newState(SERVICES), lambda.newState(SERVICES)];
        for (const [at, more] of steps) {
          const expected = text(() => {
            const { type, value } = lambda.interpret(at, walked, more);
            if (type === "time" || type === "regex") {
              throw new LambdaError(`expression returned unexpected type ${type}`);
            }
            return shown(value, type);
          });
          const got = text(() => shown(lambda.evaluate(at, compiled, more), compiled.resultType));
          expect(got).toBe(expected);
          if (!got.startsWith("error")) values++;
        }
      },
    ),
    { numRuns: RUNS },
  );
  // The generator must not drown in type errors.
  expect(values).toBeGreaterThan(RUNS / 10);
}, 60_000);
