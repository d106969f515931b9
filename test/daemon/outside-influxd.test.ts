/**
 * Query and influxDBOut nodes against a real InfluxDB, through the daemon's own ports.
 *
 * KAPACITOR_TEST_FULL=1 takes 1,000,000 points instead of 100,000.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DaemonConfig } from "#config/daemon-config.ts";
import { loadConfig } from "#config/load.ts";
import { Outside } from "#daemon/outside.ts";
import { systemClock } from "#daemon/system.ts";
import { InProcessEngine } from "#engine/engine-host.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { makeTickEnvironment } from "#engine/tick-environment.ts";
import { type Clock, VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { SeriesTable } from "#model/series-table.ts";
import { FakeAlerts } from "#test/support/fake-alerts.ts";
import { type Influxd, influxdMissing, startInfluxd } from "#test/support/influxd.ts";

const missing = influxdMissing();
const COUNT = process.env["KAPACITOR_TEST_FULL"] === "1" ? 1_000_000 : 100_000;
const HOSTS = 10;
const START_S = 1_600_000_000;
const SPAN_S = COUNT / HOSTS;
const WRITE_LINES = 10_000;
const WAIT_MS_MAX = 60_000;

describe.skipIf(missing !== undefined)(
  `a real influxd${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let influxd: Influxd;
    beforeAll(async () => {
      influxd = await startInfluxd();
      await influxd.query("CREATE DATABASE d");
      for (let from = 0; from < COUNT; from += WRITE_LINES) {
        const lines = Array.from({ length: WRITE_LINES }, (_, i) => line(from + i));
        await influxd.write("d", lines.join("\n"));
      }
    }, 120_000);
    afterAll(async () => await influxd?.close());

    function open(clock: Clock) {
      const log: LogEntry[] = [];
      const config = configOf(influxd.url);
      const common = { clock, random: new SeededRandom(1), log: logTo((e) => log.push(e)) };
      const outside = new Outside({
        ...{ ...common, clock: systemClock, config: () => config, blocked: undefined },
      });
      const engine = new InProcessEngine(
        {
          ...{ ...common, ...outside, alerts: new FakeAlerts() },
          server: { hostname: "localhost", clusterId: "c", serverId: "s" },
          taskFailed: (task, error) => log.push(failure(`${task}: ${error}`)),
        },
        new SeriesTable(),
        { environment: makeTickEnvironment({ handlers: [] }), specs: NODE_SPECS, name: "main" },
      );
      const errors = (): readonly string[] =>
        log.filter(({ level }) => level === "error").map((e) => `${e.message} ${e.fields["err"]}`);
      return { engine, errors };
    }

    /** Runs a batch task for one tick at the end of the data and returns its endpoint `x`. */
    async function queried(script: string, points: number) {
      const clock = new VirtualClock({ ms: (START_S + SPAN_S - 10) * 1_000, ns: 0 });
      const { engine, errors } = open(clock);
      const dbrps = [{ db: "d", rp: "autogen" }];
      const task = { id: "t", type: "batch" as const, script, dbrps, vars: {} };
      expect(engine.start(task)).toEqual({ kind: "started" });
      clock.advance(10_000);
      const stats = () => engine.stats("t")?.nodeStats["query1"] ?? {};
      await until(() => {
        clock.advance(0);
        return (stats()["points_queried"] ?? 0) >= points || (stats()["errors"] ?? 0) > 0;
      });
      await until(() => {
        clock.advance(0);
        return stats()["batches_queried"] === stats()["collected"];
      });
      const result = engine.endpoint("t", "x")?.series ?? [];
      await engine.close();
      expect(errors()).toEqual([]);
      return result;
    }

    const query = (text: string, more: string): string =>
      `batch|query('${text}').period(${SPAN_S}s).every(10s).align()${more}|httpOut('x')`;
    const range = `time >= ${START_S}s AND time < ${START_S + SPAN_S}s`;

    test("a batch task gives the same rows as asking directly, grouped by time and host", async () => {
      const script = query("SELECT mean(v) FROM d.autogen.m", ".groupBy(time(10s), 'host')");
      const result = await queried(script, COUNT / 10);
      const direct = await influxd.query(
        `SELECT mean(v) FROM d.autogen.m WHERE ${range} GROUP BY time(10s), host`,
      );
      const expected = (direct.results[0]?.series ?? []).map(({ tags, values }) => ({
        tags,
        values: values.map(([time, mean]) => [iso(Number(time) / 1e6), mean]),
      }));
      expect(expected.length).toBe(HOSTS);
      const got: readonly unknown[] = result.map(({ tags, values }) => ({ tags, values }));
      expect(got).toEqual(expected);
    }, 60_000);

    test("raw points come through whole, in pieces of any size", async () => {
      const script = query("SELECT v, i, s FROM d.autogen.m", ".groupBy('host')|count('v')");
      const result = await queried(script, COUNT);
      const got = result.map(({ tags, values }) => `${tags?.["host"]} ${values?.[0]?.[1]}`);
      expect(got).toEqual(Array.from({ length: HOSTS }, (_, host) => `h${host} ${SPAN_S}`));
    }, 60_000);

    test("a query that InfluxDB refuses is an error of the node", async () => {
      const clock = new VirtualClock({ ms: START_S * 1_000, ns: 0 });
      const { engine, errors } = open(clock);
      const script = query("SELECT mean(v), v FROM d.autogen.m", "");
      const dbrps = [{ db: "d", rp: "autogen" }];
      engine.start({ id: "t", type: "batch", script, dbrps, vars: {} });
      clock.advance(10_000);
      await until(() => errors().length > 0);
      expect(errors()[0]).toContain("error executing query mixing aggregate and non-aggregate");
      await engine.close();
    });

    test("influxDBOut: everything reads back although InfluxDB was away in the middle", async () => {
      const { engine } = open(systemClock);
      const script = `stream|from()|influxDBOut().database('out').retentionPolicy('keep')
        .tag('k', 'x').create().flushInterval(50ms)`;
      const dbrps = [{ db: "d", rp: "autogen" }];
      engine.start({ id: "t", type: "stream", script, dbrps, vars: {} });
      for (let from = 0; from < COUNT; from += WRITE_LINES) {
        if (from === COUNT / 2) await influxd.kill();
        const lines = Array.from({ length: WRITE_LINES }, (_, i) => line(from + i));
        const body = new TextEncoder().encode(lines.join("\n"));
        const written = await engine.write({ db: "d", rp: "autogen", precision: "ns", body });
        expect(written.kind).toBe("written");
      }
      const stats = () => engine.stats("t")?.nodeStats["influxdb_out2"] ?? {};
      await until(() => (stats()["write_errors"] ?? 0) > 0);
      await influxd.restart();
      await until(() => stats()["points_written"] === COUNT);
      expect(stats()).toMatchObject({ points_refused: 0, points_overflowed: 0, errors: 0 });
      await engine.close();
      const fields = "count(v), sum(v), sum(i), count(s)";
      const ask = async (from: string) => {
        const { results } = await influxd.query(`SELECT ${fields} FROM ${from} GROUP BY host`);
        return results[0]?.series?.map(({ tags, values }) => [tags, values]);
      };
      expect(await ask("out.keep.m")).toEqual(await ask("d.autogen.m"));
      const tagged = await influxd.query("SELECT count(v) FROM out.keep.m WHERE k = 'x'");
      expect(tagged.results[0]?.series?.[0]?.values).toEqual([[0, COUNT]]);
    }, 120_000);

    test("what is buffered is written when the task stops", async () => {
      const { engine } = open(systemClock);
      const script = "stream|from()|influxDBOut().database('last').create().flushInterval(1h)";
      const dbrps = [{ db: "d", rp: "autogen" }];
      engine.start({ id: "t", type: "stream", script, dbrps, vars: {} });
      const body = new TextEncoder().encode("m v=1 1\n");
      await engine.write({ db: "d", rp: "autogen", precision: "ns", body });
      await engine.stop("t");
      const { results } = await influxd.query("SELECT v FROM last.autogen.m");
      expect(results[0]?.series?.[0]?.values).toEqual([[1, 1]]);
      await engine.close();
    });
  },
);

function line(i: number): string {
  const stamp = `${START_S + Math.floor(i / HOSTS)}000000000`;
  return `m,host=h${i % HOSTS} v=${((i * 37) % 1_001) / 8},i=${i}i,s="x" ${stamp}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

function failure(err: string): LogEntry {
  return { level: "error", message: "task failed", context: {}, fields: { err } };
}

function configOf(url: string): DaemonConfig {
  const text = `data_dir = "/nowhere"\n[[influxdb]]\nname = "default"\nurls = ["${url}"]\n`;
  return loadConfig({ file: { path: "test.toml", text } }).config;
}

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS_MAX;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not so within ${WAIT_MS_MAX} ms: ${isSo}`);
    await Bun.sleep(1);
  }
}
