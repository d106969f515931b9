/** influxDBOut: what it opens, what its sink refuses, and that a stop waits for it. */

import { expect, test } from "bun:test";
import { outputPrecision } from "#engine/nodes/influxdb-out.ts";
import { TestEngine } from "#test/support/engine.ts";

test.each([
  ["", "ns"],
  ["ns", "ns"],
  ["us", "u"],
  ["u", "u"],
  ["ms", "ms"],
  ["h", "h"],
  ["d", undefined],
  ["µs", undefined],
])("precision %p", (text, unit) => expect(outputPrecision(text)).toBe(unit as "ns"));

test.each([
  ["defaults", "", { cluster: "", buffer: 1_000, flushIntervalMs: 10_000, create: undefined }],
  [
    "everything",
    ".cluster('c').buffer(5).flushInterval(250ms).create().database('d').retentionPolicy('r')",
    { cluster: "c", buffer: 5, flushIntervalMs: 250, create: { db: "d", rp: "r" } },
  ],
  ["create without a database", ".create()", { create: undefined }],
  ["what is too small", ".buffer(0).flushInterval(0s)", { buffer: 1, flushIntervalMs: 1 }],
])("opens its sink: %s", (_name, calls, expected) => {
  const t = new TestEngine();
  expect(t.start("t", `stream|from()|influxDBOut()${calls}`)).toEqual({ kind: "started" });
  expect(t.outside.points.opened).toEqual([
    expect.objectContaining({ ...expected, task: "t", node: "influxdb_out2" }),
  ]);
});

test("an InfluxDB that is not configured refuses the task", () => {
  const t = new TestEngine();
  t.outside.points.open = () => {
    throw new Error("no InfluxDB is configured and enabled");
  };
  expect(t.start("t", "stream|from()|influxDBOut()")).toEqual({
    kind: "refused",
    error: "no InfluxDB is configured and enabled",
  });
});

test("points that do not fit are errors and counted", async () => {
  const t = new TestEngine();
  t.start("t", "stream|from()|influxDBOut()");
  t.outside.points.full = true;
  await t.write("m v=1 1\nm v=2 2\n");
  const stats = t.engine.stats("t")?.nodeStats["influxdb_out2"];
  expect(stats).toMatchObject({ points_written: 0, points_overflowed: 2, errors: 2 });
  expect(t.errors()[0]).toBe("influxdb_out2: failed to write point: too many points are waiting");
});

test("stopping and closing wait until the sink has written", async () => {
  for (const end of ["stop", "close"] as const) {
    const t = new TestEngine();
    t.start("t", "stream|from()|influxDBOut()");
    const gate = Promise.withResolvers<void>();
    t.outside.points.closing = gate.promise;
    let ended = false;
    const ending = (end === "stop" ? t.engine.stop("t") : t.engine.close()).then(() => {
      ended = true;
    });
    for (let i = 0; i < 50; i++) await Promise.resolve();
    expect(ended).toBe(false);
    gate.resolve();
    await ending;
    expect(t.outside.points.closed).toBe(1);
  }
});
