/**
 * The benches themselves: every one of them starts, completes and finds its nodes' counters right at a hundredth of its size,
 * wrong counters are noticed, and the table says what was measured.
 */

import { describe, expect, test } from "bun:test";
import { influxdMissing } from "#test/support/influxd.ts";
import {
  type FigureName,
  type Measurement,
  markdownTable,
  median,
  rowsOf,
  shortNumber,
  textTable,
} from "../../scripts/bench-figures.ts";
import { endlessFeeds, measureLoad } from "../../scripts/bench-load.ts";
import { MEASUREMENTS, withTable } from "../../scripts/bench-run.ts";
import { scenarioOf } from "../../scripts/bench-scenarios.ts";

const TRIAL = 0.01;
const BOUND_MS = 120_000;

describe("every bench completes at a hundredth of its size", () => {
  for (const bench of MEASUREMENTS) {
    const cannot = bench.needsInfluxd === true && influxdMissing() !== undefined;
    test.skipIf(cannot)(
      `${bench.name} gives a number for each of its targets`,
      async () => {
        const figures = await bench.run(TRIAL);
        for (const name of Object.keys(bench.targets) as FigureName[])
          expect([name, Number.isFinite(figures[name])]).toEqual([name, true]);
      },
      BOUND_MS,
    );
  }
});

test(
  "a load whose node collected another number of points than it must fails",
  async () => {
    const windows = scenarioOf("windows");
    const wrong = { ...windows, collected: () => ({ mean3: 1 }) };
    await expect(measureLoad(wrong, TRIAL)).rejects.toThrow("mean3 collected is");
  },
  BOUND_MS,
);

test("endless feeds go on in time where their data ends, and carry over all digits", () => {
  const feeds = endlessFeeds({ measurements: ["tiny"], hosts: 1, points: 1, linesPerBody: 10 });
  const text = new TextDecoder();
  let expected = 1_700_000_000;
  let lines = 0;
  for (const { bytes } of feeds[0] ?? []) {
    const [, body = ""] = text.decode(bytes).split("\r\n\r\n");
    for (const line of body.trimEnd().split("\n")) {
      expect(line.endsWith(` ${expected}000000000`)).toBe(true);
      expected++;
      lines++;
    }
    if (lines > 1_250) break;
  }
  expect(lines).toBeGreaterThan(1_250);
});

describe("the table", () => {
  const bench = (name: string, targets: Measurement["targets"]): Measurement => ({
    ...{ name, what: "", targets },
    run: () => Promise.reject(new Error("is not run")),
  });
  const verdicts = (target: number, figure: FigureName, ...values: number[]) =>
    rowsOf(
      [bench("a", { [figure]: target })],
      [{ bench: "a", rounds: values.map((value) => ({ [figure]: value })) }],
    ).map(({ verdict }) => verdict);

  test("a rate meets its target from below, a time from above, by the median", () => {
    expect(verdicts(100, "points/s", 99, 100, 300)).toEqual(["met"]);
    expect(verdicts(100, "points/s", 99, 99, 300)).toEqual(["missed"]);
    expect(verdicts(100, "write p99 ms", 10, 100, 300)).toEqual(["met"]);
    expect(verdicts(100, "write p99 ms", 10, 101, 300)).toEqual(["missed"]);
  });

  test("what a known series costs is compared with a tenth of the series", () => {
    const rounds = (ns: number) => [{ "ns CPU per point of a known series": ns }];
    const rows = rowsOf(
      [bench("series-10", {}), bench("series-100", {})],
      [
        { bench: "series-10", rounds: rounds(1_000) },
        { bench: "series-100", rounds: rounds(1_600) },
      ],
    );
    expect(rows.at(-1)).toEqual({
      bench: "series-100",
      figure: "times the cost at a tenth of the series",
      values: [1.6],
      target: 1.5,
      verdict: "missed",
    });
  });

  test("the README's has the rows with targets, the terminal's has all", () => {
    const rows = rowsOf(
      [bench("a", { "points/s": 100 })],
      [{ bench: "a", rounds: [{ "points/s": 123_456, cores: 0.5 }] }],
    );
    expect(markdownTable(rows).split("\n").slice(2)).toEqual([
      "| a | points/s | 123 k |  | 100 | met |",
    ]);
    expect(textTable(rows).split("\n")).toHaveLength(3);
  });

  test("it replaces what is between its markers and nothing else", () => {
    const document = "a\n<!-- speed -->\nold $1\n<!-- /speed -->\nb\n";
    expect(withTable(document, "$& new")).toBe("a\n<!-- speed -->\n$& new\n<!-- /speed -->\nb\n");
    expect(() => withTable("a\nb\n", "new")).toThrow("markers");
  });

  test("medians and short numbers", () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([7])]).toEqual([2, 2.5, 7]);
    expect([0.001234, 9.876, 9_999, 12_345, 123_456, 1_234_567].map(shortNumber)).toEqual([
      ...["0.00123", "9.88", "10000", "12.3 k", "123 k", "1.23 M"],
    ]);
  });
});
