/** Interning of series: one object per tag set, whatever its spelling, and the bounds. */

import { expect, test } from "bun:test";
import { LineProtocolReader } from "#model/line-protocol.ts";
import type { Series } from "#model/series.ts";
import { OTHER_MEASUREMENTS, SeriesTable, type SeriesTableOptions } from "#model/series-table.ts";

function setup(options: SeriesTableOptions = {}) {
  const table = new SeriesTable(options);
  const reader = new LineProtocolReader(table);
  const series = (text: string, db = "d", rp = "r"): Series[] => {
    const now = { ms: 0, ns: 0 };
    const read = { db, rp, precision: "ns", now } as const;
    const { points, errors } = reader.readAll(new TextEncoder().encode(text), read);
    expect(errors).toEqual([]);
    return points.map((point) => point.series);
  };
  return { table, series };
}

test("the same tag set is one series, in any tag order and spelling", () => {
  const { series, table } = setup();
  const [a, b, c, d] = series("m,a=1,b=x\\=y v=1\nm,b=x\\=y,a=1 v=1\nm,a=1 v=1\nm=,c==z v=1");
  expect(b).toBe(a as Series);
  expect(c).not.toBe(a as Series);
  expect(series("m\\=,c=\\=z v=1")[0]).toBe(d as Series);
  expect(a?.tagKeys).toEqual(["a", "b"]);
  expect(table.intern("d", "r", "m", { b: "x=y", a: "1", empty: "" })).toBe(a as Series);
});

test("series of other databases and policies are others", () => {
  const { series } = setup();
  const [a] = series("m v=1", "d", "r");
  expect(series("m v=1", "d", "q")[0]).not.toBe(a as Series);
  expect(series("m v=1", "e", "r")[0]).not.toBe(a as Series);
  expect(series("m v=1", "d", "r")[0]).toBe(a as Series);
  expect(series("m v=1", "d\nr", "")[0]?.db).toBe("d\nr");
});

test("ten thousand series in two orders keep their identity", () => {
  const { series, table } = setup();
  const lines = Array.from({ length: 10_000 }, (_, i) => `m,host=h${i} v=1`);
  const first = series(lines.join("\n"));
  expect(new Set(first).size).toBe(10_000);
  const reversed = series(lines.toReversed().join("\n"));
  expect(reversed.toReversed().every((s, i) => s === first[i])).toBe(true);
  expect(table.keys).toBe(10_001);
});

test.each([
  ["keys", { keysMax: 4 }],
  ["bytes", { keyBytesMax: 9 }],
])("a table full of %s starts anew and stays correct", (_, options) => {
  const { series, table } = setup(options);
  const [a] = series("m,h=1 v=1");
  expect(table.restarts).toBe(0);
  for (let round = 0; round < 3; round++) {
    for (const h of ["2", "3", "4", "5"]) expect(series(`m,h=${h} v=1`)[0]?.tag("h")).toBe(h);
  }
  expect(table.restarts).toBeGreaterThan(0);
  expect(table.keys).toBeLessThanOrEqual(4);
  const again = series("m,h=1 v=1")[0];
  expect(again).not.toBe(a as Series);
  expect(again?.tags()).toEqual({ h: "1" });
  const total = table.counts().reduce((sum, count) => sum + count.points, 0);
  expect(total).toBe(14);
});

test("measurement counters survive a restart of the table", () => {
  const { series, table } = setup({ keysMax: 2 });
  for (let i = 0; i < 10; i++) series(`m${i % 3} v=1`);
  expect(table.counts().map((c) => [c.measurement, c.points])).toEqual([
    ["m0", 4],
    ["m1", 3],
    ["m2", 3],
  ]);
  expect(OTHER_MEASUREMENTS).toBe("_other");
});
