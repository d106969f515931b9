import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { VirtualClock } from "#lib/clock.ts";
import { put } from "#storage/store.ts";
import { recordingKind, replayKind, type StoredReplay } from "#tasks/recording-store.ts";
import { unzip } from "#tasks/zip-file.ts";
import { FakeQueries, giving } from "#test/support/fake-outside.ts";
import { RecordingWorld, until, type WorldOptions } from "./recording-world.ts";

const worlds: RecordingWorld[] = [];

async function world(options: WorldOptions = {}): Promise<RecordingWorld> {
  const made = new RecordingWorld(options);
  worlds.push(made);
  return made.open();
}

afterEach(async () => {
  for (const made of worlds.splice(0)) await made.close();
});

const at = (seconds: number) => ({ ms: seconds * 1000, ns: 0 });
const CPU = "stream|from().measurement('cpu').groupBy('host')|httpOut('out')";
const fast = { id: "p", task: "t", recording: "r", recordingTime: true, clock: "fast" } as const;

/** A finished recording of these lines of `db.rp`. */
async function recorded(made: RecordingWorld, lines: readonly string[]): Promise<void> {
  const text = lines.map((line) => `db\nrp\n${line}\n`).join("");
  writeFileSync(made.path("r.srpl"), gzipSync(text));
  await made.recordings.open();
}

function ended(made: RecordingWorld, id = "p"): Promise<StoredReplay> {
  return until(() => {
    const replay = made.replays.get(id);
    return replay?.status === "running" ? undefined : replay;
  });
}

function recordingEnded(made: RecordingWorld, id = "r") {
  return until(() => {
    const recording = made.recordings.get(id);
    return recording?.status === "running" ? undefined : recording;
  });
}

describe("a replay of a stream recording", () => {
  test("gives an endpoint the same data as the recorded stream did", async () => {
    const made = await world();
    await made.define("t", CPU);
    await made.main.engine.start({
      id: "t",
      type: "stream",
      script: CPU,
      dbrps: [{ db: "db", rp: "rp" }],
      vars: {},
    });
    await made.recordings.recordStream({ id: "r", task: "t", stop: at(1000) });
    await made.main.write(
      'cpu,host=a v=1,n=3i,u=4u,s="a\\"b,c=d e\\\\",ok=true 1000000001\ncpu,host=b\\ c v=-0.125 2000000002\ncpu,host=a v=2e300,n=9007199254740993i,s="é" 3000000003\n',
    );
    const live = made.main.engine.endpoint("t", "out");
    await made.main.write("cpu v=1 1000000000001\n");
    await recordingEnded(made);
    await made.main.engine.stop("t");
    await made.replays.replay(fast);
    const replay = await ended(made);
    expect(replay).toMatchObject({ status: "finished", error: "", progress: 1 });
    expect(live?.series).toHaveLength(2);
    expect(made.endpoints.get("t/out")).toEqual(live);
    expect(replay.stats?.nodeStats["from1"]).toMatchObject({ collected: 3, emitted: 3 });
  });

  test("moves times to now, the first one exactly", async () => {
    const clock = new VirtualClock({ ms: 1_700_000_000_000, ns: 5 });
    const made = await world({ clock });
    await made.define("t", CPU);
    await recorded(made, ["cpu,host=a v=1 1000000001", "cpu,host=b v=1 2500000002"]);
    await made.replays.replay({ ...fast, recordingTime: false });
    await ended(made);
    expect(made.endpoints.get("t/out")).toMatchObject({
      series: [
        { values: [["2023-11-14T22:13:20.000000005Z", 1]] },
        { values: [["2023-11-14T22:13:21.500000006Z", 1]] },
      ],
    });
  });

  test("with the real clock waits as long as the recording did, also with recorded times", async () => {
    const clock = new VirtualClock(at(5_000));
    const made = await world({ clock });
    await made.define("t", CPU);
    await recorded(made, ["cpu v=1 1000000000", "cpu v=2 61000000000"]);
    await made.replays.replay({ ...fast, clock: "real" });
    const collected = () => made.replays.running("p")?.engine.stats("t")?.nodeStats["from1"];
    await until(() => collected()?.["collected"] === 1);
    clock.advance(59_999);
    for (let i = 0; i < 20; i++) await new Promise<void>((done) => setImmediate(done));
    expect(collected()?.["collected"]).toBe(1);
    expect(made.replays.endpoint("t", "out")).toMatchObject({
      series: [{ values: [["1970-01-01T00:00:01Z", 1]] }],
    });
    clock.advance(1);
    expect((await ended(made)).status).toBe("finished");
    expect(made.endpoints.get("t/out")).toMatchObject({
      series: [{ values: [["1970-01-01T00:01:01Z", 2]] }],
    });
  });

  test("uses anonymous topics of its own name", async () => {
    const made = await world();
    await made.define("t", "stream|from()|alert().crit(lambda: TRUE).post('http://localhost')");
    await recorded(made, ["cpu v=1 1"]);
    await made.replays.replay(fast);
    await ended(made);
    expect(made.engines[0]?.alerts.events.map(({ topic }) => topic)).toEqual(["p:t:alert2"]);
  });

  test.each([
    ["no gzip file", CPU, "db\nrp\ncpu v=1 1\n", "data source open: gzip: invalid header"],
    ["an empty file", CPU, "", "data source open: EOF"],
    [
      "a cut triple",
      CPU,
      gzipSync("db\nrp\n"),
      "running replay: invalid replay file format, expected another line",
    ],
    [
      "a batch task",
      "batch|query('SELECT v FROM db.rp.cpu').every(1m).period(1m)|httpOut('out')",
      gzipSync("db\nrp\ncpu v=1 1\n"),
      "data source open: zip: not a valid zip file",
    ],
    [
      "a line too long",
      CPU,
      gzipSync(`db\nrp\n${"x".repeat(65_537)}\n`),
      "running replay: a line of the recording is longer than 65536 bytes",
    ],
  ])("fails for %s", async (_, script, bytes, error) => {
    const made = await world();
    await made.define("t", script);
    writeFileSync(made.path("r.srpl"), bytes);
    await made.recordings.open();
    await made.replays.replay(fast);
    expect(await ended(made)).toMatchObject({ status: "failed", error, progress: 1 });
  });

  test("fails for data that is cut off or no line protocol, and when the file is gone", async () => {
    const made = await world();
    await made.define("t", CPU);
    const whole = gzipSync("db\nrp\ncpu v=1 1\n");
    writeFileSync(made.path("a.srpl"), whole.subarray(0, whole.length - 9));
    writeFileSync(made.path("b.srpl"), gzipSync("db\nrp\nnonsense\n"));
    await made.recordings.open();
    await made.replays.replay({ ...fast, id: "pa", recording: "a" });
    expect((await ended(made, "pa")).error).toStartWith("running replay: cannot unpack");
    await made.replays.replay({ ...fast, id: "pb", recording: "b" });
    expect((await ended(made, "pb")).error).toMatch(/^running replay: .*nonsense/);
    const row = { type: "stream", size: 1, date: "", error: "", status: "finished" } as const;
    await made.store.commit([put(recordingKind, "c", { ...row, id: "c", progress: 1 })]);
    await made.replays.replay({ ...fast, id: "pc", recording: "c" });
    const missing = `data source open: open ${made.path("c.srpl")}: no such file or directory`;
    expect((await ended(made, "pc")).error).toBe(missing);
  });

  test("fails when the task's endpoint is taken", async () => {
    const made = await world();
    await made.define("t", CPU);
    made.main.start("t", CPU);
    await recorded(made, ["cpu v=1 1"]);
    await made.replays.replay(fast);
    expect((await ended(made)).error).toBe(
      "task run: http_out2: http: multiple registrations for /kapacitor/v1/tasks/t/out",
    );
  });

  test("fails when the task does not start", async () => {
    const made = await world();
    await made.define("t", "stream|from().measurement('cpu')|shift(0s)");
    await recorded(made, ["cpu v=1 1"]);
    await made.replays.replay(fast);
    expect((await ended(made)).error).toBe(
      "task start: invalid shift value: must be non zero duration",
    );
  });
});

test("a running replay is failed when the daemon stops, and one found running at start", async () => {
  const clock = new VirtualClock(at(5_000));
  const made = await world({ clock });
  await made.define("t", CPU);
  await recorded(made, ["cpu v=1 1000000000", "cpu v=2 61000000000"]);
  await made.replays.replay({ ...fast, clock: "real" });
  const before = made.replays.get("p");
  await until(() => made.replays.running("p"));
  await made.replays.close();
  const failed = { status: "failed", error: "unexpected Kapacitor shutdown" };
  expect(made.replays.get("p")).toMatchObject(failed);
  await made.store.commit([put(replayKind, "p", before as StoredReplay)]);
  await made.replays.open();
  expect(made.replays.get("p")).toMatchObject({ ...failed, progress: 0 });
});

test("a known ID keeps the old replay until the new one has ended", async () => {
  const made = await world();
  await made.define("t", CPU);
  await recorded(made, ["cpu v=1 1"]);
  await made.replays.replay(fast);
  const first = await ended(made);
  made.main.clock.advance(1000);
  expect((await made.replays.replay(fast)).status).toBe("running");
  expect(made.replays.get("p")).toEqual(first);
  const second = await until(
    () => made.replays.get("p")?.date !== first.date && made.replays.get("p"),
  );
  expect(second).toMatchObject({ status: "finished", date: "1970-01-01T00:00:01Z" });
});

const BATCH = `batch
    |query('SELECT mean(v) FROM db.rp.cpu').period(10s).every(10s).groupBy('host')
    |httpOut('out')`;

describe("batch tasks", () => {
  const series = (seconds: number, value: number) => ({
    name: "cpu",
    tags: { host: "a" },
    columns: ["time", "mean"],
    values: [[`1970-01-01T00:00:${seconds}Z`, value]],
  });

  test("are recorded by their schedule and replayed to the same data", async () => {
    const queries = new FakeQueries();
    queries.answers.push(giving(series(11, 1.5)), giving(), giving(series(35, 2)));
    const made = await world({ queries, clock: new VirtualClock(at(1000)) });
    await made.define("t", BATCH);
    await made.recordings.recordBatch({ id: "r", task: "t", start: at(10), stop: at(40) });
    const recording = await recordingEnded(made);
    expect(recording).toMatchObject({ type: "batch", status: "finished", error: "" });
    expect(queries.asked.map((text) => text.replace(/.*WHERE /, ""))).toEqual([
      "time >= '1970-01-01T00:00:10Z' AND time < '1970-01-01T00:00:20Z' GROUP BY host",
      "time >= '1970-01-01T00:00:20Z' AND time < '1970-01-01T00:00:30Z' GROUP BY host",
      "time >= '1970-01-01T00:00:30Z' AND time < '1970-01-01T00:00:40Z' GROUP BY host",
    ]);
    const file = readFileSync(made.path("r.brpl"));
    expect(recording.size).toBe(file.length);
    const entries = unzip(file, 10_000);
    expect([...entries.keys()]).toEqual(["0"]);
    expect(new TextDecoder().decode(entries.get("0"))).toBe(
      '{"name":"cpu","tmax":"1970-01-01T00:00:20Z","group":"host=a","tags":{"host":"a"},"points":[{"fields":{"mean":1.5},"tags":{"host":"a"},"time":"1970-01-01T00:00:11Z"}]}\n' +
        '{"name":"cpu","tmax":"1970-01-01T00:00:40Z","group":"host=a","tags":{"host":"a"},"points":[{"fields":{"mean":2},"tags":{"host":"a"},"time":"1970-01-01T00:00:35Z"}]}\n',
    );
    await made.replays.replay(fast);
    const replay = await ended(made);
    expect(replay).toMatchObject({ status: "finished", error: "" });
    expect(made.endpoints.get("t/out")).toEqual({
      series: [
        {
          name: "cpu",
          tags: { host: "a" },
          columns: ["time", "mean"],
          values: [["1970-01-01T00:00:35Z", 2]],
        },
      ],
    });
  });

  test("are replayed live without leaving a file", async () => {
    const queries = new FakeQueries();
    queries.answers.push(giving(series(11, 1.5)));
    const made = await world({ queries, clock: new VirtualClock(at(1000)) });
    await made.define("t", BATCH);
    const { recording } = await made.replays.replayBatch({ ...fast, start: at(10), stop: at(20) });
    expect(recording).toBe("");
    expect(await ended(made)).toMatchObject({ status: "finished", error: "" });
    expect(made.endpoints.get("t/out")).toMatchObject({
      series: [{ values: [["1970-01-01T00:00:11Z", 1.5]] }],
    });
    expect(existsSync(made.path("p.live"))).toBe(false);
    const again = made.replays.replayBatch({ ...fast, start: at(10), stop: at(20) });
    await expect(again).rejects.toMatchObject({
      reason: "failed",
      message: "replay already exists",
    });
  });

  test("ask nothing of the future, and fail with the query", async () => {
    const queries = new FakeQueries();
    queries.answers.push(giving(series(11, 1)), () =>
      Promise.reject(new Error("no route to host")),
    );
    const made = await world({ queries, clock: new VirtualClock(at(25)) });
    await made.define("t", BATCH);
    await made.recordings.recordBatch({ id: "a", task: "t", start: at(10), stop: at(90) });
    expect(await recordingEnded(made, "a")).toMatchObject({ status: "finished" });
    expect(queries.asked).toHaveLength(1);
    await made.recordings.recordBatch({ id: "b", task: "t", start: at(10), stop: at(90) });
    expect(await recordingEnded(made, "b")).toMatchObject({
      status: "failed",
      error: "no route to host",
    });
  });

  test("fail with another number of queries than recorded", async () => {
    const queries = new FakeQueries();
    const made = await world({ queries, clock: new VirtualClock(at(25)) });
    await made.define("t", BATCH);
    const one = "|query('SELECT v FROM db.rp.cpu').period(1s).every(1s)";
    await made.define("two", `var a = batch${one}\nvar b = batch${one}\na|union(b)|httpOut('out')`);
    await made.recordings.recordBatch({ id: "r", task: "t", start: at(10), stop: at(20) });
    await recordingEnded(made);
    await made.replays.replay({ ...fast, task: "two" });
    expect((await ended(made)).error).toBe("unexpected number of batch collectors. exp 1 got 2");
  });

  test("of another type fail as recording and are refused as live replay", async () => {
    const made = await world({ queries: new FakeQueries() });
    await made.define("t", CPU);
    await made.recordings.recordBatch({ id: "r", task: "t", start: at(1), stop: at(2) });
    expect(await recordingEnded(made)).toMatchObject({
      status: "failed",
      error: "wrong task type",
    });
    const live = made.replays.replayBatch({ ...fast, start: at(1), stop: at(2) });
    await expect(live).rejects.toMatchObject({
      reason: "invalid",
      message: "cannot replay batch against stream task: t",
    });
  });
});

describe("queries", () => {
  const rows = (host: string, ...values: [number, number][]) => ({
    name: "cpu",
    tags: { host },
    columns: ["time", "n"],
    values: values.map(([s, n]) => [`1970-01-01T00:00:0${s}Z`, n]),
  });

  async function queried(type: "stream" | "batch", query: string) {
    const answer = giving(rows("a", [1, 1], [3, 3]), rows("b", [2, 2]));
    const made = await world({ rawQueries: { run: (_, take, signal) => answer(take, signal) } });
    await made.recordings.recordQuery({ id: "r", query, type, cluster: "" });
    return { made, recording: await recordingEnded(made) };
  }

  test("are recorded as a stream in order of time, integers as floats", async () => {
    const { made, recording } = await queried("stream", "SELECT n FROM db.rp.cpu GROUP BY host");
    expect(recording).toMatchObject({ status: "finished", type: "stream" });
    expect(gunzipSync(readFileSync(made.path("r.srpl"))).toString()).toBe(
      "db\nrp\ncpu,host=a n=1 1000000000\ndb\nrp\ncpu,host=b n=2 2000000000\ndb\nrp\ncpu,host=a n=3 3000000000\n",
    );
  });

  test("are recorded as batches in one entry", async () => {
    const { made } = await queried("batch", "SELECT n FROM db.rp.cpu GROUP BY host");
    const entries = unzip(readFileSync(made.path("r.brpl")), 10_000);
    const lines = new TextDecoder().decode(entries.get("0")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).group)).toEqual(["host=a", "host=b"]);
  });

  test.each([["SELECT n FROM cpu"], ["SELECT n FROM db.rp.cpu, db.rp.mem"]])(
    "%s is not fully qualified",
    async (query) => {
      const { recording } = await queried("stream", query);
      expect(recording).toMatchObject({
        status: "failed",
        size: -1,
        error: "could not determine database and retention policy. Is the query fully qualified?",
      });
    },
  );
});
