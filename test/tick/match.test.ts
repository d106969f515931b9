import { describe, expect, test } from "bun:test";
import { compileMatch, type MatchScope } from "#tick/lambda/match.ts";

const EVENT: MatchScope = {
  level: 2,
  changed: true,
  name: "cpu",
  taskName: "task1",
  duration: 90_000_000_000,
  tag: (name) => (name === "host" ? "s001" : undefined),
};

describe("match conditions", () => {
  test.each([
    ["changed() == TRUE", true],
    ["level() >= WARNING", true],
    ["level() == CRITICAL", false],
    ["\"host\" == 's001' AND level() == WARNING", true],
    ["name() =~ /^c/ AND taskName() == 'task1'", true],
    ["alertDuration() > 1m", true],
    ["duration() > 2m", false],
    ["duration('2m', 1s) > duration()", true],
    ["!changed() OR strHasPrefix(\"host\", 's')", true],
    ["OK < INFO AND INFO < WARNING AND WARNING < CRITICAL", true],
    ["FALSE AND nope()", false],
  ])("%s", (text, expected) => {
    expect(compileMatch(text).evaluate(EVENT)).toBe(expected);
  });

  test.each([
    ["\"dc\" == 'x'", "no tag exists for dc"],
    ["nope() == 1", 'undefined function: "nope"'],
    ["count() == 1", 'undefined function: "count"'],
    ["now() == 1", 'undefined function: "now"'],
    ["alertID() == 'x'", 'undefined function: "alertID"'],
    ["level()", "TypeGuard: expression returned unexpected type int, expected boolean"],
    [
      "level() == 'x'",
      "mismatched type to binary operator. got int == string. see bool(), int(), float(), string(), duration()",
    ],
  ])("%s fails when an event comes", (text, error) => {
    const match = compileMatch(text);
    expect(() => match.evaluate(EVENT)).toThrow(error);
  });

  test.each([
    ["level() ==", "parser: unexpected EOF line 1 char 11"],
    ["level() >= warn", 'unknown identifier "warn"'],
    ["changed(", "parser: unexpected EOF"],
    ["TRUE TRUE", 'expected: "EOF"'],
  ])("%s is refused at once", (text, error) => {
    expect(() => compileMatch(text)).toThrow(error);
  });

  test("the clock is there when it is given", () => {
    const services = { now: () => ({ ms: 3_600_000, ns: 0 }) };
    expect(compileMatch("hour(now()) == 1", services).evaluate(EVENT)).toBe(true);
  });
});
