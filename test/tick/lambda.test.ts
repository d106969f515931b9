import { describe, expect, test } from "bun:test";
import { SeededRandom } from "#lib/random.ts";
import type { BinaryOperator } from "#tick/ast.ts";
import { builtins } from "#tick/functions/builtins.ts";
import { checkLambda, compileLambda } from "#tick/lambda/lambda.ts";
import { binaryType } from "#tick/lambda/operators.ts";
import type { LambdaType } from "#tick/lambda/value.ts";
import { VARIANTS_MAX } from "#tick/limits.ts";
import { parseExpression } from "#tick/parser.ts";
import vectors from "../golden/tick/lambda.json";
import legal from "../golden/tick/operators.json";
import {
  evaluated,
  interpreted,
  makePoint,
  SERVICES,
  shown,
  VECTOR_POINT,
} from "./lambda-support.ts";

const lambdaOf = (text: string) => compileLambda(parseExpression(text));

describe("vectors", () => {
  test.each(vectors)("$lambda", ({ lambda, ...expected }) => {
    expect(evaluated(lambda)).toEqual(expected as never);
    if (!/^expression returned/.test(expected.error ?? "")) {
      expect(interpreted(lambda)).toEqual(expected as never);
    }
  });

  test("count() + count() goes on counting", () => {
    const lambda = lambdaOf("count() + count()");
    const state = lambda.newState(SERVICES);
    expect([1, 2].map(() => lambda.evaluate(VECTOR_POINT, state))).toEqual([3, 7]);
  });
});

const OPERATORS: readonly BinaryOperator[] = [
  ...(["AND", "OR", "==", "!=", "<", "<=", ">", ">=", "=~", "!~"] as const),
  ...(["+", "-", "*", "/", "%"] as const),
];
const TYPES: readonly LambdaType[] = [
  ...(["float", "int", "string", "boolean", "regex", "time", "duration"] as const),
];
const SAMPLES: Readonly<Record<string, string>> = {
  float: '"f"',
  int: '"i"',
  string: '"s"',
  boolean: '"b"',
  regex: "(/s/)",
  time: '"time"',
  duration: '"d"',
};
const SAMPLE_POINT = makePoint(
  {
    f: ["float", 2],
    i: ["int", 3],
    s: ["string", "s"],
    b: ["boolean", true],
    d: ["duration", 5],
  },
  {},
);
const MATRIX = OPERATORS.flatMap((operator) =>
  TYPES.flatMap((left) => TYPES.map((right) => [operator, left, right] as const)),
);

describe("operators", () => {
  test.each(MATRIX)("%s on %s and %s", (operator, left, right) => {
    const row = legal.find(
      (each) => each.operators.includes(operator) && each.left === left && each.right === right,
    );
    expect(binaryType(operator, left, right)).toBe(row?.result as LambdaType | undefined);
    // FALSE on the left of OR, or the right side would not be looked at.
    const first = operator === "OR" && left === "boolean" ? '!"b"' : SAMPLES[left];
    const outcome = evaluated(`${first} ${operator} ${SAMPLES[right]}`, SAMPLE_POINT);
    expect("error" in outcome ? undefined : outcome.type).toBe(row?.result as never);
    if (row === undefined && "error" in outcome) {
      const known = legal.some((e) => e.operators.includes(operator) && e.left === left);
      const family = { AND: "logical", OR: "logical" }[operator as string];
      const kind = family ?? ("+-*/%".includes(operator) ? "math" : "comparison");
      expect(outcome.error).toBe(
        known
          ? `mismatched type to binary operator. got ${left} ${operator} ${right}. see bool(), int(), float(), string(), duration()`
          : `invalid ${kind} operator ${operator} for type ${left}`,
      );
    }
  });
});

describe("certain problems", () => {
  test.each([
    [
      "1 + 1.0",
      "mismatched type to binary operator. got int + float. see bool(), int(), float(), string(), duration()",
    ],
    [
      "\"a\" > 1 AND 'a' < 5",
      "mismatched type to binary operator. got string < int. see bool(), int(), float(), string(), duration()",
    ],
    ["abs(1.0 % 2.0)", "invalid math operator % for type float"],
    [
      "TRUE AND 5",
      "mismatched type to binary operator. got boolean AND int. see bool(), int(), float(), string(), duration()",
    ],
    ['("a" > 1) + 1', undefined],
    ['"a" + 1', undefined],
    ["abs(1) + 1", undefined],
    ["nope()", undefined],
  ])("of %s", (text, problem) => {
    const expected =
      text === '("a" > 1) + 1' ? "invalid math operator + for type boolean" : problem;
    expect(checkLambda(parseExpression(text))).toBe(expected);
  });
});

describe("functions", () => {
  const examples = [...builtins.values()].flatMap(({ name, examples: own }) =>
    own.map((example) => [name, example.expression, example.result] as const),
  );
  const services = { ...SERVICES, random: new SeededRandom(1) };

  test.each(examples)("%s: %s = %s", (_name, expression, result) => {
    expect(evaluated(expression, VECTOR_POINT, services)).toMatchObject({ result });
  });

  test("every function has an example and documentation", () => {
    for (const { examples: own, doc } of builtins.values()) {
      expect(own.length).toBeGreaterThan(0);
      expect(doc).toEndWith(".");
    }
  });

  test("there are exactly the documented ones", () => {
    const names =
      "bool int float string duration abs acos acosh asin asinh atan atanh cbrt ceil cos cosh erf erfc exp exp2 " +
      "expm1 floor gamma j0 j1 log log10 log1p log2 logb sin sinh sqrt tan tanh trunc y0 y1 atan2 hypot max min " +
      "mod pow pow10 jn yn strContains strContainsAny strHasPrefix strHasSuffix strCount strIndex strIndexAny " +
      "strLastIndex strLastIndexAny strLength strReplace strSubstring strToLower strToUpper strTrimSpace strTrim " +
      "strTrimLeft strTrimRight strTrimPrefix strTrimSuffix regexReplace humanBytes unixNano minute hour weekday " +
      "day month year now isPresent if count sigma spread rand";
    expect([...builtins.keys()].sort()).toEqual(names.split(" ").sort());
  });

  test("local time comes from the given zone", () => {
    const zone = { ...SERVICES, zoneOffsetMs: () => 12 * 3_600_000 };
    expect(evaluated('hour("time")', VECTOR_POINT, zone)).toMatchObject({ result: "0" });
    expect(evaluated('weekday("time")', VECTOR_POINT, zone)).toMatchObject({ result: "1" });
  });

  test("sigma and spread follow the running values", () => {
    const values = [1, 2, 4, 4];
    const run = (text: string): readonly unknown[] => {
      const lambda = lambdaOf(text);
      const state = lambda.newState(SERVICES);
      return values.map((v) => lambda.evaluate(makePoint({ v: ["float", v] }, {}), state));
    };
    expect(run('spread("v")')).toEqual([0, 1, 3, 3]);
    const [first, second, third] = run('sigma("v")') as readonly number[];
    expect(first).toBe(0);
    expect(second).toBeCloseTo(0.5 / Math.SQRT1_2, 12);
    expect(third).toBeCloseTo((4 - 7 / 3) / Math.sqrt(7 / 3), 12);
  });

  test.each(["rand()", "rand(10)", "rand(9223372036854775807)"])(
    "%s stays in its range",
    (text) => {
      const lambda = lambdaOf(text);
      const state = lambda.newState({ ...SERVICES, random: new SeededRandom(7) });
      const limit = /\d+/.exec(text)?.[0] ?? "9223372036854775808";
      for (let i = 0; i < 200; i++) {
        const value = BigInt(lambda.evaluate(VECTOR_POINT, state) as number);
        expect(value >= 0n && value < BigInt(limit)).toBe(true);
      }
    },
  );

  test.each([
    ["rand(0)", 'error calling "rand": invalid argument 0, must be positive', new SeededRandom(1)],
    ["rand()", 'error calling "rand": no source of randomness here', undefined],
    ["jn(1000001, 1.0)", 'error calling "jn": order 1000001 is beyond 1000000', undefined],
  ])("%s fails", (text, error, random) => {
    const given = random === undefined ? SERVICES : { ...SERVICES, random };
    expect(evaluated(text, VECTOR_POINT, given)).toEqual({ error });
  });
});

/** Values from tables of the functions, to their last printed digit. */
describe("special functions", () => {
  test.each([
    ["j0(1.0)", 0.7651976865579666],
    ["j0(30.0)", -0.0863679835810402],
    ["j1(-2.0)", -0.5767248077568734],
    ["j1(30.0)", -0.118751062616623],
    ["jn(5, 30.0)", -0.143240295512077],
    ["jn(-1, 2.0)", -0.5767248077568734],
    ["jn(3, 100.0)", 0.076284201720332],
    ["jn(2, 0.0)", 0],
    ["y0(1.0)", 0.08825696421567697],
    ["y1(1.0)", -0.7812128213002887],
    ["yn(2, 3.0)", -0.16040039348492374],
    ["y0(25.0)", -0.12724943226800614],
    ["erf(0.5)", 0.5204998778130465],
    ["erf(-2.0)", -0.9953222650189527],
    ["erfc(0.6)", 0.3961439091520741],
    ["erfc(5.0)", 1.5374597944280349e-12],
    ["erfc(20.0)", 5.395865611607901e-176],
    ["gamma(0.5)", 1.772453850905516],
    ["gamma(5.5)", 52.34277778455352],
    ["gamma(-1.5)", 2.363271801207355],
    ["gamma(171.0)", 7.257415615307999e306],
  ])("%s", (text, expected) => {
    const lambda = lambdaOf(text);
    const value = lambda.evaluate(VECTOR_POINT, lambda.newState(SERVICES)) as number;
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(Math.abs(expected) * 2e-14);
  });

  test.each([
    ["j0", 24.999, 25.001],
    ["j1", 24.999, 25.001],
    ["y0", 24.999, 25.001],
    ["y1", 24.999, 25.001],
    ["erfc", 1.999, 2.001],
    ["erf", 1.999, 2.001],
  ])("%s has no step where the method changes", (name, below, above) => {
    const middle = (below + above) / 2;
    const at = (x: number): number => {
      const lambda = lambdaOf(`${name}(${x.toFixed(4)})`);
      return lambda.evaluate(VECTOR_POINT, lambda.newState(SERVICES)) as number;
    };
    const mean = (at(below) + at(above)) / 2;
    expect(Math.abs(at(middle) - mean)).toBeLessThan(1e-6);
    expect(at(below)).not.toBe(at(above));
  });
});

describe("scopes", () => {
  test("a name that is both field and tag is an error, even where it is not reached", () => {
    const point = makePoint({ x: ["float", 1], y: ["boolean", true] }, { x: "a" });
    const error = 'cannot have field and tags with same name "x"';
    expect(evaluated('"y" OR "x" > 1.0', point)).toEqual({ error });
    expect(interpreted('"y" OR "x" > 1.0', point)).toEqual({ error });
  });

  test.each([
    ["null fields are missing", { v: ["null", null] }, 'isPresent("v")', "false"],
    ["unsigned fields are ints", { v: ["uint", 5] }, '"v" + 1', "6"],
    ["durations compute", { v: ["duration", 60e9] }, 'string("v" * 2)', "2m"],
    ["big ints stay exact", { v: ["int", 9007199254740993n] }, '"v" + 1', "9007199254740994"],
    ["big ints compare", { v: ["int", 9007199254740993n] }, '"v" > 9007199254740992', "true"],
  ] as const)("%s", (_name, fields, text, result) => {
    expect(evaluated(text, makePoint(fields as never, {}))).toMatchObject({ result });
    expect(interpreted(text, makePoint(fields as never, {}))).toMatchObject({ result });
  });

  test("an unsigned field beyond int64 is an error", () => {
    const point = makePoint({ v: ["uint", 1n << 63n] }, {});
    expect(evaluated('"v" + 1', point)).toEqual({
      error: "unsigned integer value is out of range of int",
    });
  });

  test("extra results are seen by name, but fields and tags win", () => {
    const lambda = lambdaOf('"a" + "e"');
    const state = lambda.newState(SERVICES);
    const names = ["a", "e"];
    const at = (
      types: readonly (LambdaType | undefined)[],
      values: readonly (number | string)[],
    ) => {
      try {
        return lambda.evaluate(VECTOR_POINT, state, { names, types, values });
      } catch (error) {
        return String(error);
      }
    };
    expect(at(["float", "float"], [100, 10])).toBe(11.5);
    expect(at(["float", "int"], [100, 10])).toContain("got float + int");
    expect(at([undefined, undefined], [0, 0])).toContain('right reference value "e" is missing');
    expect(at(["float", "float"], [100, 20])).toBe(21.5);
    expect(() => lambda.evaluate(VECTOR_POINT, state)).toThrow('right reference value "e"');
  });

  test("tag-only parts follow the series, also when a slot is reused", () => {
    const lambda = lambdaOf('"f" > 0.0 AND strToUpper("h") =~ /^A\\w*$/');
    const state = lambda.newState(SERVICES);
    const points = ["a1", "b1", "a2"].map((h) => makePoint({ f: ["float", 1] }, { h }));
    for (let round = 0; round < 3; round++) {
      expect(points.map((point) => lambda.test(point, state))).toEqual([true, false, true]);
    }
    const other = lambdaOf('"f" > 0.0 AND "h" =~ /^b/');
    expect(points.map((p) => other.test(p, other.newState(SERVICES)))).toEqual([
      false,
      true,
      false,
    ]);
  });

  test("introspection tells tag-only and stateful lambdas", () => {
    const isTag = (name: string): boolean => name === "h";
    expect(lambdaOf("\"h\" == 'a'").usesOnlyTags(isTag)).toBe(true);
    expect(lambdaOf('"h" == \'a\' AND "v" > 1').usesOnlyTags(isTag)).toBe(false);
    expect(lambdaOf("\"h\" == 'a' AND count() > 1").usesOnlyTags(isTag)).toBe(false);
    expect(lambdaOf('hour("time") > 1').usesOnlyTags(() => true)).toBe(false);
    expect(lambdaOf('sigma("v") > 1.0').isStateful).toBe(true);
    expect(lambdaOf('"b" > 1 AND "a" > 2 AND "b" < 9').references).toEqual(["b", "a"]);
  });
});

describe("predicates", () => {
  test.each([
    ['"a" > 1.0', true],
    ['"a"', "TypeGuard: expression returned unexpected type float, expected boolean"],
    ['"x"', 'missing value: "x"'],
    ['"time"', "TypeGuard: expression returned unexpected type time, expected boolean"],
    ['"x" > 1', 'left reference value "x" is missing value'],
  ])("%s", (text, expected) => {
    const lambda = lambdaOf(text);
    const run = () => lambda.test(VECTOR_POINT, lambda.newState(SERVICES));
    if (typeof expected === "boolean") expect(run()).toBe(expected);
    else expect(run).toThrow(expected);
  });
});

describe("state", () => {
  test("groups count on their own, nested lambdas count together", () => {
    const nested = {
      kind: "binary",
      operator: "+",
      left: { kind: "lambda", body: parseExpression("count()"), position: { line: 1, char: 1 } },
      right: parseExpression("count() * 100"),
      parens: false,
      multiLine: false,
      position: { line: 1, char: 1 },
    } as const;
    const lambda = compileLambda(nested);
    const root = lambda.newState(SERVICES);
    const [one, two] = [root.forGroup(), root.forGroup()];
    const values = [one, two, one].map((state) => lambda.evaluate(VECTOR_POINT, state));
    expect(values).toEqual([101, 102, 203]);
    const [own] = [lambda.newState(SERVICES)];
    expect(lambda.interpret(VECTOR_POINT, own).value).toBe(101);
  });

  test("short-circuited calls do not advance", () => {
    const lambda = lambdaOf('"b" AND count() > 0 OR count() > 10');
    const state = lambda.newState(SERVICES);
    lambda.test(makePoint({ b: ["boolean", true] }, {}), state);
    lambda.test(makePoint({ b: ["boolean", true] }, {}), state);
    expect(state.context.state.count).toBe(2);
  });

  test("state survives a snapshot, and rubbish is refused", () => {
    const lambda = lambdaOf('sigma("v") + spread("v") + float(count())');
    const feed = (state: ReturnType<typeof lambda.newState>, v: number) =>
      lambda.evaluate(makePoint({ v: ["float", v] }, {}), state);
    const [live, copy] = [lambda.newState(SERVICES), lambda.newState(SERVICES)];
    for (const v of [1, 5, 2]) feed(live, v);
    expect(copy.load(JSON.parse(JSON.stringify(live.save())))).toBe(true);
    expect(feed(copy, 9)).toBe(feed(live, 9));
    for (const bad of [null, 5, {}, { own: [1], nested: [] }, { own: live.save(), nested: 1 }]) {
      expect(lambda.newState(SERVICES).load(bad)).toBe(false);
    }
  });
});

describe("variants", () => {
  test("lambdas are shared by meaning, not by layout", () => {
    expect(lambdaOf('"a" > 1')).toBe(lambdaOf('"a"   >\n1'));
    expect(lambdaOf('"a" > 1')).not.toBe(lambdaOf('"a" > 1.0'));
  });

  test("beyond the bound they are interpreted, with the same answers", () => {
    const text = 'isPresent("p") AND isPresent("q") AND isPresent("r")';
    const lambda = lambdaOf(text);
    const state = lambda.newState(SERVICES);
    const kinds = ["float", "int", "string", "boolean"] as const;
    const value = { float: 1.5, int: 1, string: "s", boolean: true } as const;
    for (const p of kinds) {
      for (const q of kinds) {
        for (const r of [...kinds, undefined]) {
          const point = makePoint(
            {
              p: [p, value[p]],
              q: [q, value[q]],
              ...(r === undefined ? {} : { r: [r, value[r]] }),
            },
            {},
          );
          expect(lambda.evaluate(point, state)).toBe(r !== undefined);
          expect(state.resultType).toBe("boolean");
        }
      }
    }
    expect(lambda.variants).toBe(VARIANTS_MAX);
  });

  test("long chains run compiled", () => {
    const text = Array.from({ length: 1_900 }, (_, i) => `"host" == 'x${i}'`).join(" OR ");
    expect(evaluated(`${text} OR "host" == 'h1'`)).toEqual({ type: "boolean", result: "true" });
    expect(shown(1, "int")).toEqual({ type: "int", result: "1" });
  });
});
