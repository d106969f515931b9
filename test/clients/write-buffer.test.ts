/** The write buffer: batches, order, retries, bounds; and a real InfluxDB that goes away for a while. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { InfluxClient, InfluxError, type WriteTarget } from "#clients/influx/client.ts";
import { WRITE_CLOSE_MS_MAX, WRITE_TARGETS_MAX } from "#clients/influx/limits.ts";
import { WriteBuffer, type WriteBufferOptions } from "#clients/influx/write-buffer.ts";
import { systemClock } from "#daemon/system.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { type Influxd, influxdMissing, startInfluxd } from "#test/support/influxd.ts";

const target: WriteTarget = { db: "d", rp: "", precision: "ns", consistency: "" };

function setup(more: Partial<WriteBufferOptions> = {}) {
  const clock = new VirtualClock();
  const bodies: string[] = [];
  /** What the next writes do: an error, or wait for a promise. */
  const script: (InfluxError | Promise<void>)[] = [];
  const client = {
    async write({ db }: WriteTarget, lines: Uint8Array, signal?: AbortSignal): Promise<void> {
      bodies.push(`${db}: ${new TextDecoder().decode(lines)}`);
      const step = script.shift();
      if (step instanceof InfluxError) throw step;
      const aborted = new Promise<never>((_, reject) =>
        signal?.addEventListener("abort", () => reject(new InfluxError("stopped", undefined))),
      );
      await Promise.race([step, aborted]);
    },
  };
  const random = new SeededRandom(1);
  const common = { client, clock, random, log: silentLog, buffer: 3, flushIntervalMs: 10_000 };
  return { clock, bodies, script, buffer: new WriteBuffer({ ...common, ...more }) };
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
const gone = (): InfluxError => new InfluxError("gone", undefined);

test("a batch goes when it is full, at the interval, and on close; targets are kept apart", async () => {
  const { buffer, bodies, clock } = setup();
  for (const line of ["a", "b", "c", "d"]) buffer.add(target, line);
  buffer.add({ ...target, db: "e" }, "x");
  await turns();
  expect(bodies).toEqual(["d: a\nb\nc\n"]);
  clock.advance(10_000);
  await turns();
  expect(bodies.slice(1)).toEqual(["d: d\n", "e: x\n"]);
  buffer.add(target, "last");
  await buffer.close();
  expect(bodies.slice(3)).toEqual(["d: last\n"]);
  expect(buffer.counters.points_written).toBe(6);
  expect(buffer.add(target, "late")).toBe(false);
  expect(buffer.counters.points_overflowed).toBe(1);
});

test("a write that may succeed later is repeated in order, a refused one is not", async () => {
  const { buffer, bodies, script, clock } = setup({ buffer: 1 });
  script.push(gone(), new InfluxError("busy", 503));
  for (const line of ["a", "b"]) buffer.add(target, line);
  for (let i = 0; i < 5; i++) {
    await turns();
    clock.advance(2_000);
  }
  await turns();
  expect(bodies).toEqual(["d: a\n", "d: a\n", "d: a\n", "d: b\n"]);
  script.push(new InfluxError("partial write: x", 400));
  buffer.add(target, "c");
  await buffer.close();
  expect(buffer.counters).toEqual({
    points_written: 2,
    write_errors: 3,
    points_refused: 1,
    points_overflowed: 0,
    points_abandoned: 0,
  });
});

test("beyond the bound the oldest waiting batch is dropped and counted", async () => {
  const { buffer, bodies, script } = setup({ buffer: 1, waitingBytesMax: 6 });
  const gate = Promise.withResolvers<void>();
  script.push(gate.promise);
  for (const line of ["1", "2", "3", "4", "5"]) buffer.add(target, line);
  expect(buffer.counters.points_overflowed).toBe(2);
  expect(buffer.waiting).toBe(3);
  gate.resolve();
  await buffer.close();
  expect(bodies).toEqual(["d: 1\n", "d: 4\n", "d: 5\n"]);
});

test("without a waiting batch the lines collected last are dropped", async () => {
  const { buffer, bodies, script } = setup({ buffer: 2, waitingBytesMax: 5 });
  const gate = Promise.withResolvers<void>();
  script.push(gate.promise);
  for (const line of ["1", "2", "33"]) buffer.add(target, line);
  expect([buffer.counters.points_overflowed, buffer.waiting]).toEqual([1, 2]);
  gate.resolve();
  await buffer.close();
  expect(bodies).toEqual(["d: 1\n2\n"]);
});

test("closing waits a bounded time and counts what is left", async () => {
  const { buffer, script, clock } = setup({ buffer: 2 });
  script.push(new Promise(() => {}));
  for (const line of ["1", "2", "3"]) buffer.add(target, line);
  const closed = buffer.close();
  await turns();
  clock.advance(WRITE_CLOSE_MS_MAX);
  await closed;
  expect(buffer.counters.points_abandoned).toBe(3);
});

test("the number of targets is bounded", () => {
  const { buffer } = setup();
  for (let i = 0; i < WRITE_TARGETS_MAX; i++) {
    expect(buffer.add({ ...target, db: `d${i}` }, "x")).toBe(true);
  }
  expect(buffer.add({ ...target, db: "more" }, "x")).toBe(false);
  expect(buffer.add({ ...target, db: "d0" }, "y")).toBe(true);
});

const missing = influxdMissing();

describe.skipIf(missing !== undefined)(
  `a real influxd${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let influxd: Influxd;
    beforeAll(async () => {
      influxd = await startInfluxd();
    });
    afterAll(async () => await influxd?.close());

    test("100,000 points read back equal although InfluxDB is killed in the middle", async () => {
      await influxd.query("CREATE DATABASE d");
      const client = new InfluxClient({ urls: [influxd.url] }, systemClock);
      const random = new SeededRandom(1);
      const common = { client, clock: systemClock, random, log: silentLog };
      const buffer = new WriteBuffer({ ...common, buffer: 1_000, flushIntervalMs: 50 });
      const count = 100_000;
      for (let i = 0; i < count; i++) {
        buffer.add(target, `m,h=${i % 10} v=${i}i ${i}`);
        if (i === count / 2) {
          await influxd.kill();
          buffer.add(target, `m,h=x v=-1i ${count}`);
        }
      }
      await influxd.restart();
      await buffer.close();
      expect(buffer.counters.points_written).toBe(count + 1);
      expect(buffer.counters.write_errors).toBeGreaterThan(0);
      const { results } = await influxd.query("SELECT count(v), sum(v) FROM m", "d");
      expect(results[0]?.series?.[0]?.values).toEqual([
        [0, count + 1, (count * (count - 1)) / 2 - 1],
      ]);
    });
  },
);
