import { describe, expect, test } from "bun:test";
import { parseJson } from "#lib/json.ts";
import { parseVars, VarError, varsFromJson, varsToJson } from "#tick/vars.ts";

const json = (text: string): unknown => {
  const parsed = parseJson(text);
  return parsed.ok ? parsed.value : undefined;
};

describe("vars as JSON", () => {
  test.each([
    ["int", "42", 42, 42],
    ["int", "9223372036854775807", 9223372036854775807n, 9223372036854775807n],
    ["float", "1", 1, 1],
    ["float", "1.5", 1.5, 1.5],
    ["bool", "true", true, true],
    ["string", '"a"', "a", "a"],
    ["regex", '"a.*"', "a.*", "a.*"],
    ["duration", "1000", 1000, 1000],
    ["duration", '"1h30m"', 5_400_000_000_000, 5_400_000_000_000],
    ["duration", '"5u"', 5_000, 5_000],
  ])("%s %s", (type, text, value, shown) => {
    const input = json(`{"x": {"type": "${type}", "value": ${text}, "description": "d"}}`);
    expect(varsFromJson(input)).toEqual({ x: { kind: type, value } as never });
    expect(varsToJson(parseVars(input))).toEqual({
      x: { type: type as never, value: shown, description: "d" },
    });
  });

  test("lambdas are source, in and out", () => {
    const vars = parseVars({ l: { type: "lambda", value: '"a"  >  5 AND TRUE' } });
    expect(varsToJson(vars)["l"]?.value).toBe('"a" > 5 AND TRUE');
    expect(varsFromJson({ l: { type: "lambda", value: "lambda: TRUE" } })["l"]?.kind).toBe(
      "lambda",
    );
  });

  test("lists hold strings and stars", () => {
    const value = [
      { type: "string", value: "a" },
      { type: "star", value: null },
    ];
    const vars = parseVars({ l: { type: "list", value } });
    expect(varsFromJson({ l: { type: "list", value } })["l"]).toEqual({
      kind: "list",
      value: [{ kind: "string", value: "a" }, { kind: "star" }],
    });
    expect(varsToJson(vars)["l"]?.value).toEqual([
      { type: "string", value: "a", description: "" },
      { type: "star", value: null, description: "" },
    ]);
  });

  test("a star's value is ignored and shown as null", () => {
    expect(varsFromJson({ s: { type: "star", value: "x" } })).toEqual({ s: { kind: "star" } });
    expect(varsToJson(parseVars({ s: { type: "star" } }))["s"]?.value).toBeNull();
  });

  test("keys come in the API's order", () => {
    const out = varsToJson(new Map([["x", { type: "int", value: undefined, description: "" }]]));
    expect(JSON.stringify(out)).toBe('{"x":{"type":"int","value":null,"description":""}}');
  });

  test("any name is just a name", () => {
    const vars = varsFromJson(json('{"__proto__": {"type": "int", "value": 1}}'));
    expect(Object.keys(vars)).toEqual(["__proto__"]);
  });

  test.each([
    ["no object", "5"],
    ["an entry that is none", '{"x": 5}'],
    ["an unknown type", '{"x": {"type": "foo", "value": 1}}'],
    ["no type", '{"x": {"value": 1}}'],
    ["a float for an int", '{"x": {"type": "int", "value": 1.5}}'],
    ["a string for an int", '{"x": {"type": "int", "value": "1"}}'],
    ["an int beyond int64", '{"x": {"type": "int", "value": 9223372036854775808}}'],
    ["a bad duration", '{"x": {"type": "duration", "value": "1x"}}'],
    ["a bad regex", '{"x": {"type": "regex", "value": "["}}'],
    ["a bad lambda", '{"x": {"type": "lambda", "value": "1 +"}}'],
    ["a number in a list", '{"x": {"type": "list", "value": [{"type": "int", "value": 1}]}}'],
    ["a string for a bool", '{"x": {"type": "bool", "value": "true"}}'],
    ["a description that is no string", '{"x": {"type": "int", "value": 1, "description": 5}}'],
  ])("refuses %s", (_name, text) => {
    expect(() => parseVars(json(text))).toThrow(VarError);
  });
});
