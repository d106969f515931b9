import { describe, expect, test } from "bun:test";
import type { Expression } from "#tick/ast.ts";
import { TickError } from "#tick/diagnostic.ts";
import { formatExpression } from "#tick/format.ts";
import { ERRORS_MAX, EXPRESSION_DEPTH_MAX, NESTING_MAX } from "#tick/limits.ts";
import { parseAll, parseExpression, parseScript } from "#tick/parser.ts";
import errors from "../golden/tick/parse-errors.json";

function failure(run: () => unknown): TickError {
  try {
    run();
  } catch (error) {
    if (error instanceof TickError) return error;
    throw error;
  }
  throw new Error("expected a TickError");
}

const tree = (node: Expression): string => {
  switch (node.kind) {
    case "binary":
      return `(${tree(node.left)} ${node.operator} ${tree(node.right)})`;
    case "unary":
      return `${node.operator}(${tree(node.operand)})`;
    default:
      return formatExpression(node);
  }
};

describe("parse errors", () => {
  test.each(errors)("are exact: $name", (row) => {
    const error = failure(() => parseScript(row.script));
    expect(error.message).toBe(row.error);
    expect({ line: error.line, char: error.char }).toEqual({ line: row.line, char: row.char });
    if (row.hint !== undefined) expect(error.hint).toBe(row.hint);
  });

  test("show the source line with a caret below the column", () => {
    const error = failure(() => parseScript("var a = 1\n\tvar é = 5 +"));
    expect(error.caretBlock()).toBe("  \tvar é = 5 +\n  \t           ^");
  });

  test("of a very long line show only what is around the column", () => {
    const error = failure(() => parseScript(`var x = ${"1 + ".repeat(500)}#`));
    expect(error.sourceLine?.length).toBeLessThan(300);
    expect(error.sourceLine).toEndWith("1 + #");
  });
});

describe("precedence", () => {
  test.each([
    ["1 + 2 * 3", "(1 + (2 * 3))"],
    ["10 - 3 - 2", "((10 - 3) - 2)"],
    ["TRUE OR FALSE AND FALSE", "(TRUE OR (FALSE AND FALSE))"],
    ["1 < 2 == TRUE", "((1 < 2) == TRUE)"],
    ["-1 + 2", "(-(1) + 2)"],
    ["-(1 + 2)", "-((1 + 2))"],
    ["!TRUE AND FALSE", "(!(TRUE) AND FALSE)"],
    ["1 + 2 < 3 * 4", "((1 + 2) < (3 * 4))"],
    ["1 % 2 / 3", "((1 % 2) / 3)"],
    ["'a' =~ /b/ OR 'a' != 'c'", "(('a' =~ /b/) OR ('a' != 'c'))"],
  ])("%s", (text, expected) => {
    expect(tree(parseExpression(text))).toBe(expected);
  });
});

describe("tokens", () => {
  test.each([
    ["5 5", ["int", "int"]],
    ["var x=5 var y=6", ["var", "var"]],
    ["'abc'", ["string"]],
    ["1e3", ["int", "identifier"]],
    ["1h30m", ["duration", "duration"]],
    ["5µs", ["duration", "identifier"]],
    ["5ms 5m 5u 5w", ["duration", "duration", "duration", "duration"]],
    ["lambda", ["identifier"]],
    ["lambda: 5", ["lambda"]],
    ["é1_x", ["identifier"]],
    ["x\n|y()", ["chain"]],
    ["[]", ["list"]],
    ["['a',]", ["list"]],
    ["f(1,)", ["call"]],
  ])("%s", (text, kinds) => {
    expect(parseScript(text).statements.map(({ kind }) => kind)).toEqual(kinds as never);
  });

  test("a minus on the next line still subtracts", () => {
    const [statement] = parseScript("var x = 5\n-3").statements;
    expect(statement).toMatchObject({ kind: "var", value: { kind: "binary", operator: "-" } });
  });

  test.each([
    ["'a\\'b'", "a'b"],
    ["'a\\nb'", "a\\nb"],
    ["''", ""],
    ["'''a'b''c'''", "a'b''c"],
    ["'\u0000'", "\u0000"],
    ["'a\nb'", "a\nb"],
  ])("string %s", (text, value) => {
    expect(parseExpression(text)).toMatchObject({ kind: "string", value });
  });

  test.each([
    ["9223372036854775807", 9223372036854775807n],
    ["010", 8],
    ["0", 0],
    ["00", 0],
  ])("integer %s", (text, value) => {
    expect(parseExpression(text)).toMatchObject({ kind: "int", value });
  });

  test("a slash after an operand divides, after a comma it starts a regex", () => {
    const [, args] = parseScript("var a = b / c\nf(1, /x y/)").statements;
    expect(args).toMatchObject({ kind: "call", args: [{ kind: "int" }, { kind: "regex" }] });
  });
});

describe("bounds", () => {
  const nested = (depth: number): string => `${"(".repeat(depth)}1${")".repeat(depth)}`;
  const chained = (count: number): string => Array(count).fill("1").join(" + ");

  test.each([
    ["parentheses", () => parseExpression(nested(NESTING_MAX))],
    ["operators", () => parseExpression(chained(EXPRESSION_DEPTH_MAX))],
    ["methods", () => parseScript(`stream${"|from()".repeat(20_000)}`)],
    ["characters of a string", () => parseScript(`var x = '${"é".repeat(1 << 20)}'`)],
  ])("allow many %s", (_name, run) => {
    expect(run()).toBeDefined();
  });

  test.each([
    ["parentheses", () => parseExpression(nested(NESTING_MAX + 1)), "nested too deeply"],
    ["10,000 parentheses", () => parseExpression(nested(10_000)), "nested too deeply"],
    ["10,000 open lambdas", () => parseScript("lambda: f(".repeat(10_000)), "expected"],
    ["operators", () => parseExpression(chained(EXPRESSION_DEPTH_MAX + 1)), "nested too deeply"],
    [
      "mixed depth",
      () =>
        parseExpression(`${nested(400).replace("1", chained(1_900))}`.replace("1", chained(200))),
      "nested too deeply",
    ],
    ["1 MB without an end", () => parseScript(`var x = '${"a".repeat(1 << 20)}`), "unterminated"],
    ["a huge regex", () => parseScript(`var x = /${"(a|b)*".repeat(10_000)}/`), "too large"],
    ["an explosive regex", () => parseScript("var x = /((a{0,1000}){0,1000})/"), "too large"],
  ])("refuse too many %s", (_name, run, text) => {
    expect(failure(run).message).toContain(text);
  });
});

describe("parseAll", () => {
  test("gives the tree of a good script", () => {
    const { ast, errors: none } = parseAll("var x = 5\nstream|from()");
    expect(none).toEqual([]);
    expect(ast?.statements).toHaveLength(2);
  });

  test("reports one error per broken statement", () => {
    const { ast, errors: found } = parseAll("var = 5\nvar y = 6\nstream|from(\nvar z 7\n");
    expect(ast).toBeUndefined();
    expect(found.map(({ line }) => line)).toEqual([1, 4, 4].slice(0, found.length));
    expect(found.length).toBeGreaterThan(1);
  });

  test("stops at its bound", () => {
    expect(parseAll("var = 5\n".repeat(1_000)).errors).toHaveLength(ERRORS_MAX);
  });
});
