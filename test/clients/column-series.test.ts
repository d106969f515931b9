/** Packed series: the points are those of the rows, in any chunks and of any types. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ColumnSeries } from "#clients/influx/column-series.ts";
import { SERIES_ROWS_MAX } from "#clients/influx/limits.ts";
import { streamSeries } from "#clients/influx/stream-series.ts";
import { Pace } from "#clients/pace.ts";
import type { ResultSeries } from "#engine/outside-ports.ts";
import { VirtualClock } from "#lib/clock.ts";
import { formatTime } from "#lib/time.ts";
import { allPoints } from "#test/support/fake-outside.ts";

const COLUMNS = ["a", "b"].map((name) => ({ name, numbers: "float" as const }));

test("any rows come back as they were, without nulls", () => {
  const cell = fc.oneof(
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string(),
    fc.boolean(),
  );
  const time = fc.tuple(
    fc.integer({ min: -9_223_372_036_854, max: 9_223_372_036_854 }),
    fc.nat(999_999),
  );
  const row = fc.tuple(time, cell, cell);
  fc.assert(
    fc.property(fc.array(fc.array(row)), (chunks) => {
      const series = new ColumnSeries("m", {});
      for (const rows of chunks) {
        const cells = rows.map(([[ms, ns], a, b]) => [formatTime(ms, ns), a, b]);
        series.addRows([undefined, ...COLUMNS], 0, cells);
      }
      const kept = chunks.flat().filter(([, a, b]) => a !== null || b !== null);
      expect(series.size).toBe(kept.length);
      expect(allPoints(series).map((p) => [p.timeMs, p.timeNs, p.fields()])).toEqual(
        kept.map(([[ms, ns], a, b]) => [
          ms,
          ns,
          { ...(a === null ? {} : { a }), ...(b === null ? {} : { b }) },
        ]),
      );
    }),
  );
});

test("the latest time is that of the latest point, not of rows without values", () => {
  const series = new ColumnSeries("m", {});
  const [a] = COLUMNS;
  expect(series.latest).toBeUndefined();
  series.addRows([undefined, a], 0, [["1970-01-01T00:00:03.000000002Z", 1]]);
  series.addRows([undefined, a], 0, [["1970-01-01T00:00:03.000000001Z", 1]]);
  series.addRows([undefined, a], 0, [["1970-01-01T00:00:09Z", null]]);
  expect(series.latest).toEqual({ ms: 3_000, ns: 2 });
});

test("a series that is too large is an error", () => {
  const series = new ColumnSeries("m", {});
  const rows = { length: SERIES_ROWS_MAX + 1 } as unknown as unknown[][];
  expect(() => series.addRows([], 0, rows)).toThrow(`more than ${SERIES_ROWS_MAX} rows`);
});

describe("streaming", () => {
  const piece = (h: string, ...values: readonly number[]) => ({
    name: "m",
    tags: { h },
    columns: ["time", "v", "v"],
    values: values.map((v) => ["1970-01-01T00:00:00Z", v, 0]),
  });

  function client(pieces: readonly ReturnType<typeof piece>[], error?: Error) {
    return {
      async queryStream(
        _text: string,
        take: (series: ReturnType<typeof piece>) => void | Promise<void>,
      ): Promise<void> {
        for (const one of pieces) await take(one);
        if (error !== undefined) throw error;
      },
    };
  }

  test("joins the pieces of a series and hands it over when the next one begins", async () => {
    const taken: string[] = [];
    const take = async (series: ResultSeries): Promise<void> => {
      const values = allPoints(series).map((p) => p.field("v"));
      taken.push(`${series.tags["h"]} ${values}`);
    };
    const pieces = [piece("a", 1, 2), piece("a", 3), piece("b", 4), piece("a", 5), piece("c")];
    const options = { pace: new Pace(new VirtualClock()), signal: new AbortController().signal };
    await streamSeries(client(pieces), "", take, options);
    expect(taken).toEqual(["a 1,2,3", "b 4", "a 5", "c "]);
    taken.length = 0;
    const broken = streamSeries(client(pieces, new Error("broke")), "", take, options);
    expect(broken).rejects.toThrow("broke");
    await broken.catch(() => {});
    expect(taken).toEqual(["a 1,2,3", "b 4", "a 5"]);
  });
});
