import { describe, expect, test } from "bun:test";
import { formatScript } from "#tick/format.ts";
import cases from "../golden/tick/format.json";

describe("the formatter", () => {
  test.each(cases)("formats: $name", ({ input, output }) => {
    expect(formatScript(input)).toBe(output);
  });

  test.each(cases)("leaves its own output alone: $name", ({ output }) => {
    expect(formatScript(output)).toBe(output);
  });
});
