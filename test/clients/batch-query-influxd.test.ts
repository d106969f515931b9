/** Queries of batch tasks, run by a real InfluxDB: the same rows as when asked directly. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BatchQuery } from "#clients/influx/batch-query.ts";
import { InfluxClient } from "#clients/influx/client.ts";
import { streamSeries } from "#clients/influx/stream-series.ts";
import { Pace } from "#clients/pace.ts";
import { systemClock } from "#daemon/system.ts";
import type { ResultSeries } from "#engine/outside-ports.ts";
import { SECOND } from "#lib/duration.ts";
import { allPoints } from "#test/support/fake-outside.ts";
import { type Influxd, influxdMissing, startInfluxd } from "#test/support/influxd.ts";

const missing = influxdMissing();
const START_S = 1_600_000_000;
const HOSTS = 5;
const POINTS = 30_000;

describe.skipIf(missing !== undefined)(
  `a real influxd${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let influxd: Influxd;
    let client: InfluxClient;
    beforeAll(async () => {
      influxd = await startInfluxd();
      client = new InfluxClient({ urls: [influxd.url] }, systemClock);
      await influxd.query("CREATE DATABASE d");
      const lines = Array.from({ length: POINTS }, (_, i) => {
        const second = START_S + Math.floor(i / HOSTS);
        return `m,host=h${i % HOSTS},dc=${i % 2} v=${(i * 37) % 101} ${second}000000000`;
      });
      await influxd.write("d", lines.join("\n"));
    });
    afterAll(async () => await influxd?.close());

    /** `host time value` of every point. */
    async function rows(text: string): Promise<string[]> {
      const all: string[] = [];
      const take = async (series: ResultSeries): Promise<void> => {
        for (const point of allPoints(series)) {
          const fields = Object.values(point.fields()).join(" ");
          all.push(`${series.tags["host"]} ${point.timeMs} ${fields}`);
        }
      };
      await streamSeries(client, text, take, {
        pace: new Pace(systemClock),
        signal: new AbortController().signal,
      });
      return all;
    }
    const range = [
      { ms: START_S * 1_000, ns: 0 },
      { ms: (START_S + 3_600) * 1_000, ns: 0 },
    ] as const;

    test("means grouped by time and host", async () => {
      const query = new BatchQuery(
        'SELECT mean("v") FROM "d"."autogen"."m" WHERE dc = \'0\' GROUP BY dc',
        {
          dimensions: [
            { kind: "time", interval: 10 * SECOND, offset: 0 },
            { kind: "tag", name: "host" },
          ],
          fill: undefined,
        },
      );
      const got = await rows(query.text(...range));
      const direct = await influxd.query(
        `SELECT mean(v) FROM d.autogen.m WHERE dc = '0' AND time >= ${START_S}s AND time < ${START_S + 3600}s GROUP BY time(10s), host`,
      );
      const expected = (direct.results[0]?.series ?? []).flatMap(({ tags, values }) =>
        values.map(([time, mean]) => `${tags?.["host"]} ${Number(time) / 1e6} ${mean}`),
      );
      expect(expected.length).toBe(HOSTS * 360);
      expect(got).toEqual(expected);
    });

    test("a condition with OR does not leave the time range", async () => {
      const text = "SELECT v FROM d.autogen.m WHERE host = 'h1' OR host = 'h2'";
      const query = new BatchQuery(text, { dimensions: [{ kind: "all" }], fill: undefined });
      const got = await rows(
        query.text({ ms: START_S * 1_000, ns: 0 }, { ms: START_S * 1_000, ns: 500_000 }),
      );
      expect(got.length).toBe(2);
    });
  },
);
