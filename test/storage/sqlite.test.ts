/** What only the store on disk promises: durability, sharing of flushes, and leaving foreign files alone. */

import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#daemon/system.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { FLUSH_PAUSE_MAX_MS, GROUP_COMMITS_MAX, SHARED_FLUSH_WAIT_MS } from "#storage/limits.ts";
import { SCHEMA_VERSION } from "#storage/migrations.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import { jsonKind, put, putLater, remove, StorageError } from "#storage/store.ts";

const things = jsonKind<unknown>("things", (input) => input);
const patient = { ...jsonKind<unknown>("patient", (input) => input), removalsMayWait: true };
let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sqlite-"));
  path = join(directory, "kapacitor.db");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** What the children write; `packed` is a sort of its own. */
const acknowledgedKind = (sort: string) => ({
  ...jsonKind<unknown>("acknowledged", (input) => input),
  packed: sort === "packed",
});

const open = (clock = systemClock): SqliteStore =>
  SqliteStore.open(path, [things], clock, silentLog);

describe("group commit", () => {
  test("commits of one turn share one flush", async () => {
    const store = open();
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => store.commit([put(things, `${i}`, i)])),
    );
    expect(store.counters()).toMatchObject({ commits: 100, flushes: 1, writes: 100, rejected: 0 });
    await store.close();
  });

  test("nothing is durable before the timer fires, everything after", async () => {
    const clock = new VirtualClock();
    const store = open(clock);
    let durable = false;
    const done = store.commit([put(things, "a", 1)]).then(() => {
      durable = true;
    });
    await Promise.resolve();
    expect(durable).toBe(false);
    clock.advance(5);
    await done;
    expect(store.counters().flushes).toBe(1);
    await store.close();
  });

  test("a full group is flushed without waiting for the timer", async () => {
    const store = open(new VirtualClock());
    const all = Array.from({ length: GROUP_COMMITS_MAX }, (_, i) =>
      store.commit([put(things, `${i}`, i)]),
    );
    await Promise.all(all);
    expect(store.counters().flushes).toBe(1);
    await store.close();
  });

  test("one less than a full group waits", async () => {
    const clock = new VirtualClock();
    const store = open(clock);
    const all = Array.from({ length: GROUP_COMMITS_MAX - 1 }, (_, i) =>
      store.commit([put(things, `${i}`, i)]),
    );
    expect(store.counters().flushes).toBe(0);
    await store.close();
    await Promise.all(all);
    expect(store.counters().flushes).toBe(1);
  });

  test("removals that may wait are flushed with the next urgent commit, or after the longest pause", async () => {
    const clock = new VirtualClock();
    const store = SqliteStore.open(path, [things, patient], clock, silentLog);
    const flushes = (): number => store.counters().flushes;
    const kept = store.commit([put(patient, "a", 1), put(patient, "b", 1)]);
    clock.advance(0);
    await kept;
    expect(flushes()).toBe(1);
    const alone = store.commit([remove(patient, "a")]);
    clock.advance(FLUSH_PAUSE_MAX_MS - 1);
    expect([flushes(), store.table(patient).has("a")]).toEqual([1, false]);
    clock.advance(1);
    await alone;
    expect(flushes()).toBe(2);
    const waiting = store.commit([remove(patient, "b")]);
    const urgent = store.commit([put(things, "c", 1)]);
    clock.advance(0);
    await Promise.all([waiting, urgent]);
    expect(flushes()).toBe(3);
    // With something else in the same commit, or nothing at all, somebody waits.
    const mixed = store.commit([remove(patient, "c"), remove(things, "c")]);
    clock.advance(0);
    await mixed;
    expect(flushes()).toBe(4);
    const behind = store.commit([remove(patient, "d")]);
    const barrier = store.commit([]);
    clock.advance(0);
    await Promise.all([behind, barrier]);
    expect(flushes()).toBe(5);
    await store.close();
  });

  test("values that are known elsewhere are flushed with the next urgent commit, or after the longer wait", async () => {
    const clock = new VirtualClock();
    const store = open(clock);
    const flushes = (): number => store.counters().flushes;
    const alone = store.commit([putLater(things, "a", 1)]);
    clock.advance(SHARED_FLUSH_WAIT_MS - 1);
    expect([flushes(), store.table(things).get("a")]).toEqual([0, 1]);
    clock.advance(1);
    await alone;
    expect(flushes()).toBe(1);
    const waiting = store.commit([putLater(things, "b", 1)]);
    const urgent = store.commit([put(things, "c", 1)]);
    clock.advance(0);
    await Promise.all([waiting, urgent]);
    expect(flushes()).toBe(2);
    // Somebody waits for what comes in the same commit.
    const mixed = store.commit([putLater(things, "d", 1), put(things, "e", 1)]);
    clock.advance(0);
    await mixed;
    expect(flushes()).toBe(3);
    await store.close();
  });

  test("an empty commit waits for those before it", async () => {
    const clock = new VirtualClock();
    const store = open(clock);
    await store.commit([]);
    const order: string[] = [];
    const first = store.commit([put(things, "a", 1)]).then(() => order.push("write"));
    const second = store.commit([]).then(() => order.push("barrier"));
    clock.advance(5);
    await Promise.all([first, second]);
    expect(order).toEqual(["write", "barrier"]);
    await store.close();
  });

  test("a statement that fails rejects its own commit, whole, and no other", async () => {
    await open().close();
    const raw = new Database(path);
    raw.run(
      `CREATE TRIGGER no_bad BEFORE INSERT ON things WHEN new.key = 'bad'
         BEGIN SELECT RAISE(ABORT, 'bad key'); END`,
    );
    raw.close(true);
    const store = open();
    const good = store.commit([put(things, "a", 1)]);
    const bad = store.commit([put(things, "b", 2), put(things, "bad", 3)]);
    const lone = store.commit([put(things, "bad", 3)]);
    const late = store.commit([put(things, "c", 4)]);
    const outcomes = await Promise.allSettled([good, bad, lone, late]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
    await expect(bad).rejects.toThrow("bad key");
    await expect(lone).rejects.toBeInstanceOf(StorageError);
    expect(store.table(things).entries()).toEqual([
      ["a", 1],
      ["c", 4],
    ]);
    expect(store.counters()).toMatchObject({ commits: 2, rejected: 2, flushFailures: 0 });
    await store.close();
  });
});

describe("file", () => {
  test("content survives reopening; a new kind gets its table", async () => {
    const first = open();
    await first.commit([put(things, "a", 1)]);
    await first.close();
    const more = jsonKind<unknown>("more", (input) => input);
    const second = SqliteStore.open(path, [things, more], systemClock, silentLog);
    expect(second.table(things).get("a")).toBe(1);
    expect(second.table(more).count()).toBe(0);
    await second.close();
  });

  test("only its owner may read it, the log included", async () => {
    const store = open();
    await store.commit([put(things, "a", 1)]);
    for (const name of readdirSync(directory))
      expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o600]);
    await store.close();
  });

  test("it is a WAL database with our marks", async () => {
    await open().close();
    const raw = new Database(path, { readonly: true });
    expect(raw.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    expect(raw.query("PRAGMA application_id").get()).toEqual({ application_id: 0x4b415041 });
    expect(raw.query("SELECT version FROM schema_migrations").all()).toEqual(
      Array.from({ length: SCHEMA_VERSION }, (_, i) => ({ version: i + 1 })),
    );
    raw.close();
  });

  test("states of an earlier release are kept, in the order of their keys", async () => {
    const old = new Database(path, { create: true });
    old.run("PRAGMA application_id = 0x4b415041");
    old.run(
      "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL)",
    );
    old.run("INSERT INTO schema_migrations VALUES (1, 'one table of key and value per kind', '')");
    old.run("CREATE TABLE topic_events (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)");
    for (const key of ["b", "a", "c"]) {
      old.run("INSERT INTO topic_events VALUES (?, ?)", [key, JSON.stringify(key)]);
    }
    old.run("PRAGMA user_version = 1");
    old.close();
    const kind = { ...jsonKind<unknown>("topic_events", (input) => input), inKeyOrder: true };
    const store = SqliteStore.open(path, [kind], systemClock, silentLog);
    expect(store.table(kind).entries()).toEqual([
      ["a", "a"],
      ["b", "b"],
      ["c", "c"],
    ]);
    await store.commit([put(kind, "b", "B")]);
    await store.close();
    const raw = new Database(path, { readonly: true });
    const schema = "SELECT name FROM sqlite_schema WHERE sql LIKE '%WITHOUT ROWID'";
    expect(raw.query(schema).all()).toEqual([{ name: "topic_events" }]);
    expect(raw.query("SELECT value FROM topic_events WHERE key = 'b'").get()).toEqual({
      value: '"B"',
    });
    raw.close();
  });

  test("a second opener is told that the file is in use", async () => {
    const store = open();
    await store.commit([put(things, "a", 1)]);
    const child = Bun.spawnSync([process.execPath, join(import.meta.dir, "crash-child.ts"), path]);
    expect(child.exitCode).toBe(1);
    expect(child.stderr.toString()).toContain(`database ${path} is in use by another process`);
    await store.close();
  });

  test("a start that died half-way is repaired by the next", async () => {
    writeFileSync(`${path}.new`, "half a database");
    writeFileSync(path, "");
    const store = open();
    await store.commit([put(things, "a", 1)]);
    await store.close();
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test("a directory that is not there is named", () => {
    path = join(directory, "none", "kapacitor.db");
    expect(open).toThrow(`cannot create database ${path}`);
  });
});

describe("foreign files are refused and untouched", () => {
  const bolt = Buffer.alloc(64 * 1024, 1);
  bolt.writeUInt32LE(0xed0cdaed, 16);

  function sqliteFile(pragma: string): Buffer {
    const raw = new Database(path);
    raw.run(pragma);
    raw.run("CREATE TABLE mine (a)");
    raw.close(true);
    const bytes = readFileSync(path);
    rmSync(path);
    return bytes;
  }

  function newerFile(): Buffer {
    const raw = new Database(path);
    raw.run("PRAGMA application_id = 0x4b415041");
    raw.run(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    raw.run("CREATE TABLE mine (a)");
    raw.close(true);
    const bytes = readFileSync(path);
    rmSync(path);
    return bytes;
  }

  test.each([
    ["a Bolt database", () => bolt, "is a Bolt database of another Kapacitor"],
    ["text", () => Buffer.from("hello\n"), "is not a database of this program"],
    ["one byte", () => Buffer.from("S"), "is not a database of this program"],
    ["garbage", () => Buffer.alloc(8192, 0xa5), "is not a database of this program"],
    [
      "a torn header",
      () => Buffer.from("SQLite format 3\0abc"),
      "is not a database of this program",
    ],
    [
      "another program's SQLite file",
      () => sqliteFile("PRAGMA application_id = 7"),
      "is an SQLite database of another program",
    ],
    ["a newer schema", newerFile, `has schema ${SCHEMA_VERSION + 1}, written by a newer program`],
  ])("%s", (_name, bytes, message) => {
    const content = bytes();
    writeFileSync(path, content);
    expect(open).toThrow(message);
    expect(open).toThrow("the file was not touched");
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(readdirSync(directory)).toEqual(["kapacitor.db"]);
  });

  test("a newer schema that is only in the write-ahead log yet", async () => {
    await open().close();
    const raw = new Database(path);
    raw.run("PRAGMA journal_mode = WAL");
    raw.run(`PRAGMA user_version = ${SCHEMA_VERSION + 3}`);
    const [file, log] = [readFileSync(path), readFileSync(`${path}-wal`)];
    raw.close(true);
    writeFileSync(path, file);
    writeFileSync(`${path}-wal`, log);
    expect(open).toThrow(`has schema ${SCHEMA_VERSION + 3}`);
    expect(readFileSync(path).equals(file)).toBe(true);
    expect(readFileSync(`${path}-wal`).equals(log)).toBe(true);
  });

  test("a damaged database of ours is an error, not a crash", async () => {
    const store = open();
    await store.commit([put(things, "a", "x".repeat(20_000))]);
    await store.close();
    const bytes = readFileSync(path);
    bytes.fill(0xff, 100, bytes.length);
    writeFileSync(path, bytes);
    expect(open).toThrow(`cannot open database ${path}`);
  });
});

describe("crashes", () => {
  test.each([
    ["one writer", 1, 25, ""],
    ["64 writers", 64, 700, ""],
    ["64 writers of packed rows", 64, 700, "packed"],
  ])("whatever was acknowledged is there after kill -9: %s", async (_, writers, atMost, sort) => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const killAfter = 1 + Math.floor(Math.random() * atMost);
      acknowledged.push(...(await runUntilKilled(writers, killAfter, sort)));
    }
    const kind = acknowledgedKind(sort);
    const store = SqliteStore.open(path, [kind], systemClock, silentLog);
    const table = store.table(kind);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(acknowledged.filter((key) => !table.has(key) || !table.has(`${key}/twin`))).toEqual([]);
    expect(table.count() % 2).toBe(0);
    await store.close();
  });

  async function runUntilKilled(
    writers: number,
    killAfter: number,
    sort: string,
  ): Promise<string[]> {
    const child = Bun.spawn(
      [process.execPath, join(import.meta.dir, "crash-child.ts"), path, String(writers), sort],
      { stdout: "pipe", stderr: "inherit" },
    );
    let text = "";
    let killed = false;
    for await (const chunk of child.stdout) {
      text += Buffer.from(chunk).toString();
      if (!killed && text.split("\n").length > killAfter) {
        killed = true;
        child.kill("SIGKILL");
      }
    }
    await child.exited;
    return text.split("\n").slice(0, -1);
  }

  test.each([
    ["", ""],
    [", of packed rows too", "packed"],
  ])("a full disk refuses commits whole and keeps what was acknowledged%s", async (_, sort) => {
    const script = `trap '' XFSZ; ulimit -f 2048; exec "$0" "$1" "$2" "$3"`;
    const args = [process.execPath, join(import.meta.dir, "full-disk-child.ts"), path, sort];
    const child = Bun.spawnSync(["sh", "-c", script, ...args]);
    const report = JSON.parse(child.stdout.toString());
    expect(report).toMatchObject({ kinds: ["kept", "refused"], consistent: true });
    const kind = acknowledgedKind(sort);
    const store = SqliteStore.open(path, [kind], systemClock, silentLog);
    expect(store.table(kind).count()).toBe(2 * report.kept);
    await store.close();
  });
});
