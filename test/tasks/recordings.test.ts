import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { ZERO_TIME } from "#lib/time.ts";
import { put } from "#storage/store.ts";
import { RECORDING_BACKLOG_CHARS_MAX, RECORDINGS_RUNNING_MAX } from "#tasks/recording-limits.ts";
import { recordingKind } from "#tasks/recording-store.ts";
import { StreamRecordingWriter } from "#tasks/recording-writer.ts";
import { point } from "#test/support/points.ts";
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
const CPU = "stream|from().measurement('cpu')|httpOut('out')";

function ended(made: RecordingWorld, id: string) {
  return until(() => {
    const recording = made.recordings.get(id);
    return recording?.status === "running" ? undefined : recording;
  });
}

describe("a stream recording", () => {
  test("holds what the task would get, in the original's format, until a later point arrives", async () => {
    const made = await world();
    await made.define("t", CPU);
    const running = await made.recordings.recordStream({ id: "r", task: "t", stop: at(100) });
    expect(running).toMatchObject({
      id: "r",
      type: "stream",
      status: "running",
      size: 0,
      progress: 0,
    });
    await made.main.write(
      'cpu,host=a,b\\ c=d value=20,i=3i,s="q\\"x",t=true 50000000123\nmem,host=a value=1 60000000000\n',
    );
    await made.main.write("cpu value=1 60000000000\n", { db: "other" });
    await made.main.write("cpu value=2.5 100000000000\ncpu value=3 100000000001\ncpu value=4 1\n");
    const finished = await ended(made, "r");
    const bytes = readFileSync(made.path("r.srpl"));
    expect(gunzipSync(bytes).toString()).toBe(
      'db\nrp\ncpu,b\\ c=d,host=a i=3i,s="q\\"x",t=true,value=20 50000000123\n' +
        "db\nrp\ncpu value=2.5 100000000000\n",
    );
    expect(finished).toMatchObject({
      status: "finished",
      size: bytes.length,
      progress: 1,
      error: "",
    });
  });

  test("keeps each point once though the script names its measurement and all", async () => {
    const made = await world();
    await made.define("t", "var a = stream|from().measurement('cpu')\nvar b = stream|from()");
    await made.recordings.recordStream({ id: "r", task: "t", stop: at(1) });
    await made.main.write("cpu value=1 1\nmem value=2 2\ncpu value=1 2000000000\n");
    await ended(made, "r");
    const text = gunzipSync(readFileSync(made.path("r.srpl"))).toString();
    expect(text).toBe("db\nrp\ncpu value=1 1\ndb\nrp\nmem value=2 2\n");
  });

  test("leaves out and counts lines that readers of the format cannot take", async () => {
    const made = await world();
    await made.define("t", CPU);
    await made.recordings.recordStream({ id: "r", task: "t", stop: at(1) });
    const long = "x".repeat(64 * 1024);
    await made.main.write(`cpu s="a\nb" 1\ncpu s="${long}" 2\ncpu v=1 3\ncpu v=1 2000000000\n`);
    await ended(made, "r");
    expect(gunzipSync(readFileSync(made.path("r.srpl"))).toString()).toBe("db\nrp\ncpu v=1 3\n");
    const warned = made.log.find(({ level }) => level === "warn");
    expect(warned?.fields).toEqual({ task: "t", points: 2 });
  });

  test("of a batch task fails", async () => {
    const made = await world();
    await made.define("b", "batch|query('SELECT v FROM db.rp.cpu').every(1m).period(1m)");
    await made.recordings.recordStream({ id: "r", task: "b", stop: at(1) });
    expect(await ended(made, "r")).toMatchObject({
      status: "failed",
      error: "wrong task type",
      size: -1,
    });
  });

  test("fails when its file cannot be made", async () => {
    const made = await world();
    await made.define("t", CPU);
    const id = "x".repeat(300);
    await made.recordings.recordStream({ id, task: "t", stop: at(1) });
    const failed = await ended(made, id);
    expect([failed.status, failed.size]).toEqual(["failed", -1]);
    expect(failed.error).toContain("ENAMETOOLONG");
  });

  test("that is running when the daemon stops has failed", async () => {
    const made = await world();
    await made.define("t", CPU);
    await made.recordings.recordStream({ id: "r", task: "t", stop: at(1) });
    await made.main.write("cpu v=1 1\n");
    await made.recordings.close();
    expect(made.recordings.get("r")).toMatchObject({
      status: "failed",
      error: "unexpected Kapacitor shutdown",
    });
    expect(gunzipSync(readFileSync(made.path("r.srpl"))).toString()).toBe("db\nrp\ncpu v=1 1\n");
  });
});

test.each([
  ["no such task", { id: "r", task: "none" }, "not-found", "no task exists"],
  [
    "a bad ID",
    { id: "bad id", task: "t" },
    "invalid",
    "recording ID must contain only letters, numbers, '-', '.' and '_'. \"bad id\"",
  ],
  ["a known ID", { id: "known", task: "t" }, "failed", "recording already exists"],
])("%s is refused", async (_, request, reason, message) => {
  const made = await world();
  await made.define("t", CPU);
  await made.recordings.recordStream({ id: "known", task: "t", stop: at(1) });
  const begun = async () => made.recordings.recordStream({ ...request, stop: ZERO_TIME });
  await expect(begun()).rejects.toMatchObject({ reason, message });
});

test("one recording more than may run at once is refused", async () => {
  const made = await world();
  await made.define("t", CPU);
  const begin = async () => made.recordings.recordStream({ id: "", task: "t", stop: at(1) });
  for (let i = 0; i < RECORDINGS_RUNNING_MAX; i++) await begin();
  await expect(begin()).rejects.toThrow("too many recordings are running, at most 64 may");
});

describe("the writer", () => {
  test("tells of a full disk and takes points on without harm", async () => {
    const writer = new StreamRecordingWriter("/dev/full");
    writer.add(point("cpu", {}, { v: 1 }, 1));
    await expect(writer.end()).rejects.toThrow("ENOSPC");
    await expect(writer.failed).rejects.toThrow("ENOSPC");
    for (let i = 0; i < 10_000; i++) writer.add(point("cpu", {}, { v: 1 }, 1));
  });

  test("fails when more waits for the disk than may", async () => {
    const made = await world();
    const writer = new StreamRecordingWriter(made.path("slow.srpl"));
    const long = point("cpu", {}, { s: "x".repeat(60_000) }, 1);
    for (let i = 0; i < RECORDING_BACKLOG_CHARS_MAX / 60_000 + 10; i++) writer.add(long);
    await expect(writer.failed).rejects.toThrow("the disk is too slow for this recording");
    await expect(writer.end()).rejects.toThrow("the disk is too slow for this recording");
  });
});

describe("deleting", () => {
  test("a running recording ends it and takes its file away", async () => {
    const made = await world();
    await made.define("t", CPU);
    await made.recordings.recordStream({ id: "r", task: "t", stop: at(1) });
    await made.recordings.delete("r");
    expect([made.recordings.get("r"), existsSync(made.path("r.srpl"))]).toEqual([undefined, false]);
    await made.recordings.recordStream({ id: "r", task: "t", stop: at(1) });
    expect(made.recordings.get("r")?.status).toBe("running");
  });

  test("one whose file is gone forgets it and says so; an unknown one is fine", async () => {
    const made = await world();
    const row = { id: "r", type: "stream", size: 1, date: "", error: "", progress: 1 } as const;
    await made.store.commit([put(recordingKind, "r", { ...row, status: "finished" })]);
    await expect(made.recordings.delete("r")).rejects.toThrow("r.srpl: no such file or directory");
    expect(made.recordings.get("r")).toBeUndefined();
    await made.recordings.delete("r");
  });
});

test("at start, what ran has failed, unknown files are taken in and others ignored", async () => {
  const first = await world();
  const running = {
    type: "stream",
    size: 0,
    date: "2026-01-01T00:00:00Z",
    error: "",
    progress: 0,
  } as const;
  await first.store.commit([
    put(recordingKind, "gone", { ...running, id: "gone", status: "running" }),
  ]);
  writeFileSync(first.path("found.srpl"), gzipSync("db\nrp\ncpu v=1 1\n"));
  writeFileSync(first.path("found-too.brpl"), "x");
  writeFileSync(first.path("notes.txt"), "x");
  writeFileSync(first.path("left.live"), "x");
  utimesSync(first.path("found.srpl"), 1_700_000_000, 1_700_000_000);
  const second = await world({ store: first.store, dir: first.dir });
  expect(second.recordings.get("gone")).toMatchObject({
    status: "failed",
    error: "unexpected Kapacitor shutdown",
    progress: 0,
    size: -1,
  });
  expect(second.recordings.get("found")).toMatchObject({
    type: "stream",
    status: "finished",
    date: "2023-11-14T22:13:20Z",
    progress: 1,
  });
  expect(second.recordings.get("found-too")).toMatchObject({ type: "batch", size: 1 });
  expect(second.log.map(({ fields }) => fields)).toEqual([{ file: "notes.txt" }]);
  expect(existsSync(second.path("left.live"))).toBe(false);
});

test("lists show the newest first, of one second the greater ID", async () => {
  const made = await world();
  const row = { type: "stream", size: 1, error: "", status: "finished", progress: 1 } as const;
  const dates = [
    ["a", "2026-01-01T00:00:00.9Z"],
    ["b", "2026-01-01T00:00:00.1Z"],
    ["c", "2026-01-02T00:00:00Z"],
  ] as const;
  await made.store.commit(dates.map(([id, date]) => put(recordingKind, id, { ...row, id, date })));
  const ids = (pattern: string, offset: number, limit: number) =>
    made.recordings.list({ pattern, offset, limit }).map(({ id }) => id);
  expect(ids("", 0, -1)).toEqual(["c", "b", "a"]);
  expect(ids("", 1, 1)).toEqual(["b"]);
  expect(ids("[ab]", -5, 100)).toEqual(["b", "a"]);
  expect(ids("[", 0, 100)).toEqual([]);
});
