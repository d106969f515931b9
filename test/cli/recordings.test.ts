/** `record`, `replay` and `replay-live` against a server with the real parts, and exactly what they print. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import { VirtualClock } from "#lib/clock.ts";
import { fakeServices } from "#test/http/fake-services.ts";
import { FakeQueries } from "#test/support/fake-outside.ts";
import { RecordingWorld, until } from "#test/tasks/recording-world.ts";
import { type Ran, runCli } from "./support.ts";

const STREAM = "stream|from().measurement('cpu')|httpOut('out')";
const BATCH = "batch|query('SELECT v FROM db.rp.cpu').period(10s).every(10s)|httpOut('out')";
const NOW = Date.parse("2026-11-22T06:27:41Z");

const queries = new FakeQueries();
let world: RecordingWorld;
let server: ReturnType<typeof listen>;

beforeAll(async () => {
  const clock = new VirtualClock({ ms: NOW, ns: 0 });
  world = new RecordingWorld({ clock, queries, rawQueries: { run: async () => {} } });
  await world.open();
  writeFileSync(world.path("known.srpl"), gzipSync("db\nrp\ncpu v=1 1000000000\n"));
  writeFileSync(world.path("bad.srpl"), "no gzip");
  await world.recordings.open();
  await world.define("cpu", STREAM);
  await world.define("mem", BATCH);
  const { tasks, recordings, replays, language } = world;
  const { engine } = world.main;
  const app = createApp({ ...fakeServices(), clock, engine, tasks, recordings, replays, language });
  server = listen(app, { host: "127.0.0.1", port: 0 });
});

afterAll(async () => {
  await server.close(0, () => Promise.resolve());
  await world.close();
});

const cli = (...words: string[]): Promise<Ran> =>
  runCli(["kapacitor", ...words], { url: `http://127.0.0.1:${server.port}` });

const printed = (out: string): Ran => ({ out, err: "", code: 0 });

describe("record stream", () => {
  test("prints the ID when a point after the duration has come", async () => {
    const ran = cli("record", "stream", "-task", "cpu", "-duration", "1m", "-recording-id", "rs");
    await until(() => world.recordings.get("rs")?.status === "running");
    const stop = BigInt(NOW + 60_000) * 1_000_000n;
    await world.main.write(`cpu v=1 ${stop}\ncpu v=2 ${stop + 1n}\n`);
    expect(await ran).toEqual(printed("rs\n"));
    expect(world.recordings.get("rs")?.status).toBe("finished");
  });

  test("does not wait when told so", async () => {
    const words = ["-task", "cpu", "-duration", "1m", "-recording-id", "rn", "-no-wait"];
    expect(await cli("record", "stream", ...words)).toEqual(printed("rn\n"));
    expect(world.recordings.get("rn")?.status).toBe("running");
  });

  test("prints the ID and the error of a recording that failed", async () => {
    const words = ["-task", "mem", "-duration", "1m", "-recording-id", "rf"];
    const failed = { out: "rf\n", err: "Error: wrong task type\n", code: 3 };
    expect(await cli("record", "stream", ...words)).toEqual(failed);
  });
});

describe("record batch", () => {
  test("asks the past before now, or before stop", async () => {
    queries.asked.length = 0;
    expect((await cli("record", "batch", "-task", "mem", "-past", "20s")).code).toBe(0);
    const words = ["-stop", "2026-01-01T00:00:10Z", "-past", "10s", "-recording-id", "rb"];
    expect(await cli("record", "batch", "-task", "mem", ...words)).toEqual(printed("rb\n"));
    expect(queries.asked.map((text) => text.replace(/.*WHERE /, ""))).toEqual([
      "time >= '2026-11-22T06:27:21Z' AND time < '2026-11-22T06:27:31Z'",
      "time >= '2026-11-22T06:27:31Z' AND time < '2026-11-22T06:27:41Z'",
      "time >= '2026-01-01T00:00:00Z' AND time < '2026-01-01T00:00:10Z'",
    ]);
  });
});

test("record query prints the ID", async () => {
  const words = ["-query", "SELECT v FROM db.rp.cpu", "-type", "batch", "-recording-id", "rq"];
  expect(await cli("record", "query", ...words)).toEqual(printed("rq\n"));
});

describe("replay", () => {
  test("prints the ID of the replay", async () => {
    const words = ["-recording", "known", "-task", "cpu", "-replay-id", "p", "-rec-time"];
    expect(await cli("replay", ...words)).toEqual(printed("p\n"));
    expect(world.replays.get("p")).toMatchObject({ recordingTime: true, clock: "fast" });
  });

  test("prints the API's JSON when asked", async () => {
    const words = ["-recording", "known", "-task", "cpu", "-replay-id", "pj", "-real-clock"];
    const { out, code } = await cli("replay", ...words, "-output", "json");
    const shown = { id: "pj", status: "finished", clock: "real", "recording-time": false };
    expect([code, JSON.parse(out)]).toMatchObject([0, shown]);
  });

  test("prints the ID and the error of one that failed", async () => {
    const words = ["-recording", "bad", "-task", "cpu", "-replay-id", "pf"];
    expect(await cli("replay", ...words)).toEqual({
      out: "pf\n",
      err: "Error: data source open: gzip: invalid header\n",
      code: 3,
    });
  });

  test.each([
    ["batch", "-past", "20s"] as const,
    ["query", "-query", "SELECT v FROM db.rp.cpu"] as const,
  ])("-live %s prints the ID", async (kind, flag, value) => {
    const words = ["-task", "mem", flag, value, "-replay-id", `live-${kind}`];
    expect(await cli("replay-live", kind, ...words)).toEqual(printed(`live-${kind}\n`));
  });
});

describe("wrong arguments", () => {
  test.each([
    ["record", 2, "Must specify 'stream', 'batch' or 'query'\nUsage: kapacitor record "],
    ["record x", 3, "Error: Unknown record type \"x\", expected 'stream', 'batch' or 'query'\n"],
    ["replay", 2, "must pass recording ID\nUsage: kapacitor replay "],
    ["replay-live", 2, "Must specify 'batch' or 'query'\nUsage: kapacitor replay-live "],
    ["replay-live x", 3, "Error: Unknown replay-live type \"x\", expected 'batch' or 'query'\n"],
    ["record batch -task mem", 3, "Error: must set one of start or past flags.\n"],
    [
      "record batch -task mem -past 1m -start 2026-01-01T00:00:00Z",
      3,
      "Error: cannot set both start and past flags.\n",
    ],
    ["record batch -task mem -past soon", 3, 'Error: invalid duration "soon"\n'],
    ["record batch -task mem -start soon", 3, 'Error: invalid start time "soon": not RFC 3339\n'],
    ["record stream -duration soon -task cpu", 3, 'Error: invalid duration "soon"\n'],
  ])("%s", async (line, code, err) => {
    const ran = await cli(...line.split(" "));
    expect([ran.code, ran.out, ran.err.slice(0, err.length)]).toEqual([code, "", err]);
  });

  test.each([
    ["record stream -task cpu", "both task and duration are required"],
    ["record batch", "task is required"],
    ["record query -type stream", "both query and type are required"],
    ["replay -task cpu", "must pass recording ID"],
    ["replay -recording known", "must pass task ID"],
    ["replay-live batch -past 1m", "task is required"],
    ["replay-live query -task cpu", "both query and task are required"],
  ])("%s shows the usage, then what is missing", async (line, message) => {
    const { code, out, err } = await cli(...line.split(" "));
    expect([code, out]).toEqual([3, ""]);
    expect(err).toStartWith("Usage: kapacitor re");
    expect(err).toEndWith(`\nError: ${message}\n`);
  });
});
