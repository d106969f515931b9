/**
 * Recordings and replays on the compiled binary with a real InfluxDB: of the stream, of a batch task, of a query;
 * and a member that is killed while it records.
 */

import { afterEach, describe, expect, test } from "bun:test";
import { influxdMissing } from "#test/support/influxd.ts";
import { type Member, mustRun, until } from "../../scripts/lab.ts";
import { cleanUp, openDirectory, openInfluxd, openMember, shown } from "./influx-lab.ts";

afterEach(cleanUp);

const TEST_MS = 60_000;

interface Entry {
  readonly status: string;
  readonly error: string;
  readonly size?: number;
}

async function entry(member: Member, path: string): Promise<Entry> {
  const answer = await fetch(`${member.url}/kapacitor/v1/${path}`);
  return (await answer.json()) as Entry;
}

async function createTask(member: Member, id: string, script: string): Promise<void> {
  const answer = await fetch(`${member.url}/kapacitor/v1/tasks`, {
    method: "POST",
    body: JSON.stringify({ id, script, dbrps: [{ db: "telegraf", rp: "autogen" }] }),
  });
  expect(answer.status).toBe(200);
}

async function write(member: Member, lines: string): Promise<void> {
  const url = `${member.url}/kapacitor/v1/write?db=telegraf&rp=autogen&precision=s`;
  expect((await fetch(url, { method: "POST", body: lines })).status).toBe(204);
}

const missing = influxdMissing();

describe.skipIf(missing !== undefined)(
  `recordings${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    async function open() {
      const influx = await openInfluxd();
      await influx.query("CREATE DATABASE telegraf");
      const directory = openDirectory();
      const noSubscriptions = "  disable-subscriptions = true\n";
      const member = await openMember(directory, "127.0.0.1", influx.url, noSubscriptions);
      const kapacitor = (...words: string[]) =>
        mustRun("kapacitor", "-url", member.url, ...words).trim();
      return { influx, member, kapacitor };
    }

    test(
      "what was recorded is replayed with the same results",
      async () => {
        const { influx, member, kapacitor } = await open();
        await createTask(
          member,
          "out",
          `stream
    |from().measurement('cpu').groupBy('host')
    |influxDBOut().database('telegraf').retentionPolicy('autogen').measurement('replayed')`,
        );
        const words = ["-task", "out", "-duration", "1s", "-recording-id", "rs", "-no-wait"];
        expect(kapacitor("record", "stream", ...words)).toBe("rs");
        await write(member, 'cpu,host=a v=1.5,n=3i 10\ncpu,host=b v=2,s="x y" 11\nmem v=1 12\n');
        await write(member, "cpu v=0 9000000000\n");
        await until("the recording to end", 5_000, async () => {
          return (await entry(member, "recordings/rs")).status === "finished";
        });
        expect(kapacitor("replay", "-recording", "rs", "-task", "out", "-rec-time")).toMatch(
          /^\S+$/,
        );
        const { results } = await influx.query("SELECT * FROM replayed", "telegraf");
        expect(results[0]?.series).toEqual([
          {
            name: "replayed",
            columns: ["time", "host", "n", "s", "v"],
            values: [
              [10_000_000_000, "a", 3, null, 1.5],
              [11_000_000_000, "b", null, "x y", 2],
            ],
          },
        ]);
      },
      TEST_MS,
    );

    test(
      "answers of InfluxDB are recorded, replayed, and replayed live",
      async () => {
        const { influx, member, kapacitor } = await open();
        await createTask(
          member,
          "mean",
          `batch
    |query('SELECT mean(v) AS mean FROM telegraf.autogen.cpu').period(10s).every(10s).groupBy('host')
    |influxDBOut().database('telegraf').retentionPolicy('autogen').measurement('means')`,
        );
        const lines = [11, 12, 25].map((s) => `cpu,host=a v=${s} ${s}000000000`).join("\n");
        await influx.write("telegraf", lines);
        const past = [
          "-task",
          "mean",
          "-start",
          "1970-01-01T00:00:10Z",
          "-stop",
          "1970-01-01T00:00:30Z",
        ];
        expect(kapacitor("record", "batch", ...past, "-recording-id", "rb")).toBe("rb");
        const means = async () => {
          const { results } = await influx.query("SELECT * FROM means", "telegraf");
          return results[0]?.series?.[0]?.values;
        };
        kapacitor("replay", "-recording", "rb", "-task", "mean", "-rec-time");
        const wanted = [
          [10_000_000_000, "a", 11.5],
          [20_000_000_000, "a", 25],
        ];
        expect(await means()).toEqual(wanted);
        await influx.query("DROP MEASUREMENT means", "telegraf");
        kapacitor("replay-live", "batch", ...past, "-rec-time");
        expect(await means()).toEqual(wanted);

        const query = "SELECT v FROM telegraf.autogen.cpu GROUP BY host";
        kapacitor("record", "query", "-query", query, "-type", "stream", "-recording-id", "rq");
        await createTask(
          member,
          "copy",
          `stream
    |from().measurement('cpu')
    |influxDBOut().database('telegraf').retentionPolicy('autogen').measurement('copied')`,
        );
        kapacitor("replay", "-recording", "rq", "-task", "copy", "-rec-time");
        const { results } = await influx.query("SELECT host, v FROM copied", "telegraf");
        expect(results[0]?.series?.[0]?.values).toEqual([
          [11_000_000_000, "a", 11],
          [12_000_000_000, "a", 12],
          [25_000_000_000, "a", 25],
        ]);
        expect(await shown(member, "copy")).toEqual([]);
      },
      TEST_MS,
    );

    test(
      "a recording that ran when its member was killed has failed, a finished one is there",
      async () => {
        const { member, kapacitor } = await open();
        await createTask(member, "t", "stream|from().measurement('cpu')");
        const begin = (id: string) =>
          kapacitor(
            "record",
            "stream",
            "-task",
            "t",
            "-duration",
            "1s",
            "-recording-id",
            id,
            "-no-wait",
          );
        begin("done");
        await write(member, "cpu v=1 1\ncpu v=0 9000000000\n");
        await until("the recording to end", 5_000, async () => {
          return (await entry(member, "recordings/done")).status === "finished";
        });
        const done = await entry(member, "recordings/done");
        begin("running");
        await write(member, "cpu v=1 1\n");
        await member.kill("SIGKILL");
        await member.start();
        expect(await entry(member, "recordings/running")).toMatchObject({
          status: "failed",
          error: "unexpected Kapacitor shutdown",
        });
        expect(await entry(member, "recordings/done")).toEqual(done);
      },
      TEST_MS,
    );
  },
);
