/**
 * Tasks that ask InfluxDB and write to it, on the compiled binary: a batch query gives the rows that InfluxDB itself
 * gives, and what `influxDBOut` wrote reads back equal though InfluxDB was down for a while. 100,000 points;
 * 1,000,000 with KAPACITOR_TEST_FULL=1.
 */

import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { formatTime } from "#lib/time.ts";
import { influxdMissing } from "#test/support/influxd.ts";
import { type Member, until } from "../../scripts/lab.ts";
import { cleanUp, define, openDirectory, openInfluxd, openMember, shown } from "./influx-lab.ts";

afterEach(cleanUp);

const FULL = process.env["KAPACITOR_TEST_FULL"] === "1";
const POINTS = FULL ? 1_000_000 : 100_000;
/** Points of the query whose memory is measured, and what it may add, MB. */
const MANY = FULL ? 5_000_000 : 500_000;
const MEMORY_MB_MAX = 300;
const HOSTS = 10;
const LINES_PER_WRITE = 10_000;
const AWAY_MS = FULL ? 20_000 : 3_000;
const TEST_MS = FULL ? 600_000 : 120_000;

const hosts = Array.from({ length: HOSTS }, (_, i) => `h${i}`);

/** Subscriptions would only bring back what was just written. */
const NO_SUBSCRIPTIONS = "  disable-subscriptions = true\n";

interface Series {
  readonly values: readonly (readonly unknown[])[];
  readonly tags?: Readonly<Record<string, string>>;
}

/** Memory of a process that is in use, bytes. */
function residentBytes(pid: number): number {
  const [, kilobytes = "0"] =
    /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** The series of one SELECT with RFC 3339 times, so that nanoseconds stay exact. */
async function select(url: string, statement: string): Promise<readonly Series[]> {
  const answer = await fetch(`${url}/query?q=${encodeURIComponent(statement)}`, { method: "POST" });
  const { results } = (await answer.json()) as { results: readonly { series?: Series[] }[] };
  return results[0]?.series ?? [];
}

/** Counters of a task's node. */
async function nodeStats(member: Member, task: string, node: string) {
  const answer = await fetch(`${member.url}/kapacitor/v1/tasks/${task}`);
  const { stats } = (await answer.json()) as {
    stats: { "node-stats": Record<string, Record<string, number>> };
  };
  return stats["node-stats"][node] ?? {};
}

const missing = influxdMissing();

describe.skipIf(missing !== undefined)(
  `tasks that use an InfluxDB${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    test(
      `a batch query over ${POINTS} points gives InfluxDB's own rows`,
      async () => {
        const influx = await openInfluxd();
        const directory = openDirectory();
        const member = await openMember(directory, "127.0.0.1", influx.url, NO_SUBSCRIPTIONS);
        await influx.query("CREATE DATABASE telegraf");
        const seconds = POINTS / HOSTS;
        const nowS = Math.floor(Date.now() / 10_000) * 10;
        const firstS = nowS - seconds - 60;
        for (let from = 0; from < POINTS; from += LINES_PER_WRITE) {
          const lines = Array.from({ length: LINES_PER_WRITE }, (_, i) => {
            const at = Math.floor((from + i) / HOSTS);
            const value = Math.sin(from + i) * 100;
            return `m,host=${hosts[i % HOSTS]} v=${value},n=${from + i}i ${firstS + at}000000000`;
          });
          await influx.write("telegraf", lines.join("\n"));
        }
        define(
          member,
          directory,
          "means",
          `dbrp "telegraf"."autogen"
batch
    |query('SELECT mean(v) AS mean, max(n) AS max FROM "telegraf"."autogen"."m"')
        .period(${seconds + 600}s)
        .every(1s)
        .groupBy(time(10s), 'host')
    |httpOut('out')
`,
        );
        await until("a result for every host", TEST_MS / 2, async () => {
          return (await shown(member, "means")).length === HOSTS;
        });
        const direct = await select(
          influx.url,
          `SELECT mean(v) AS mean, max(n) AS max FROM telegraf.autogen.m WHERE time >= ${firstS}s AND time < ${firstS + seconds}s GROUP BY time(10s), host fill(none)`,
        );
        const rows = (all: readonly Series[]) =>
          Object.fromEntries(all.map(({ tags, values }) => [tags?.["host"], values]));
        // Columns of httpOut are in order of their names.
        const expected = direct.map(({ tags = {}, values }) => ({
          tags,
          values: values.map(([time, mean, max]) => [time, max, mean]),
        }));
        expect(direct.length).toBe(HOSTS);
        expect(direct[0]?.values.length).toBe(seconds / 10);
        expect(rows(await shown(member, "means"))).toEqual(rows(expected));
        const stats = await nodeStats(member, "means", "query1");
        expect(stats["points_queried"]).toBeGreaterThanOrEqual(POINTS / 10);
        expect(stats["errors"]).toBe(0);
      },
      TEST_MS,
    );

    test(
      `${POINTS} points written by influxDBOut read back equal, with InfluxDB away in between`,
      async () => {
        const influx = await openInfluxd();
        const directory = openDirectory();
        const member = await openMember(directory, "127.0.0.1", influx.url, NO_SUBSCRIPTIONS);
        define(
          member,
          directory,
          "copy",
          `dbrp "in"."autogen"
stream
    |from().measurement('m')
    |influxDBOut()
        .create()
        .database('out')
        .retentionPolicy('autogen')
        .measurement('copy')
        .tag('by', 'us')
        .buffer(5000)
        .flushInterval(500ms)
`,
        );
        const baseMs = 1_600_000_000_000;
        /** Time of a point: 1,000,007 ns after the last one, so that every digit matters. */
        const timeOf = (i: number) => ({
          ms: baseMs + i + Math.floor((i * 7) / 1e6),
          ns: (i * 7) % 1e6,
        });
        const lineOf = (i: number): string => {
          const { ms, ns } = timeOf(i);
          const stamp = `${ms}${String(ns).padStart(6, "0")}`;
          return `m,host=${hosts[i % HOSTS]} f=${i / 7},n=${i}i,s="a \\"${i}\\"",t=${i % 2 === 0} ${stamp}`;
        };
        let back: Promise<void> = Promise.resolve();
        for (let from = 0; from < POINTS; from += LINES_PER_WRITE) {
          if (from === POINTS / 2) {
            await until("a first write", 30_000, async () => {
              return (
                ((await nodeStats(member, "copy", "influxdb_out2"))["points_written"] ?? 0) > 0
              );
            });
            await influx.kill();
            back = Bun.sleep(AWAY_MS).then(() => influx.restart());
          }
          const lines = Array.from({ length: LINES_PER_WRITE }, (_, i) => lineOf(from + i));
          const answer = await fetch(`${member.url}/write?db=in&rp=autogen`, {
            method: "POST",
            body: lines.join("\n"),
          });
          expect(answer.status).toBe(204);
        }
        await back;
        await until("every point", TEST_MS / 2, async () => {
          const stats = await nodeStats(member, "copy", "influxdb_out2");
          return stats["points_written"] === POINTS;
        });
        const stats = await nodeStats(member, "copy", "influxdb_out2");
        expect(stats["write_errors"]).toBeGreaterThan(0);
        for (const lost of ["points_refused", "points_overflowed", "points_abandoned"]) {
          expect(stats[lost] ?? 0).toBe(0);
        }
        for (const [h, host] of hosts.entries()) {
          const statement = `SELECT "by", f, n, s, t FROM out.autogen.copy WHERE host = '${host}'`;
          const [series] = await select(influx.url, statement);
          const rows = series?.values ?? [];
          expect(rows.length).toBe(POINTS / HOSTS);
          const wrong = rows.findIndex((row, k) => {
            const i = k * HOSTS + h;
            const { ms, ns } = timeOf(i);
            const wanted = [formatTime(ms, ns), "us", i / 7, i, `a "${i}"`, i % 2 === 0];
            return !Bun.deepEquals(row, wanted);
          });
          expect(wrong < 0 ? undefined : { at: wrong, row: rows[wrong] }).toBeUndefined();
        }
      },
      TEST_MS,
    );

    test.skipIf(process.platform !== "linux")(
      `the memory of a member stays bounded while a query returns ${MANY} points`,
      async () => {
        const influx = await openInfluxd();
        const directory = openDirectory();
        const member = await openMember(directory, "127.0.0.1", influx.url, NO_SUBSCRIPTIONS);
        await influx.query("CREATE DATABASE telegraf");
        const firstS = Math.floor(Date.now() / 1_000) - MANY / HOSTS - 60;
        for (let from = 0; from < MANY; from += LINES_PER_WRITE) {
          const lines = Array.from({ length: LINES_PER_WRITE }, (_, i) => {
            const at = firstS + Math.floor((from + i) / HOSTS);
            return `m,host=${hosts[i % HOSTS]} v=${Math.sin(from + i)} ${at}000000000`;
          });
          await influx.write("telegraf", lines.join("\n"));
        }
        const idle = residentBytes(member.pid);
        define(
          member,
          directory,
          "all",
          `dbrp "telegraf"."autogen"
batch
    |query('SELECT v FROM "telegraf"."autogen"."m"')
        .period(${MANY / HOSTS + 600}s)
        .every(1s)
        .groupBy('host')
    |count('v')
    |httpOut('out')
`,
        );
        let most = 0;
        await until("a count for every host", TEST_MS / 2, async () => {
          most = Math.max(most, residentBytes(member.pid));
          return (await shown(member, "all")).length === HOSTS;
        });
        for (const { values } of await shown(member, "all")) {
          expect(values[0]?.[1]).toBe(MANY / HOSTS);
        }
        expect((most - idle) / 1e6).toBeLessThan(MEMORY_MB_MAX);
      },
      TEST_MS,
    );
  },
);
