/** Kinds whose rows are stored many together: what is in the file, and that it is the same as if they were not. */

import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { systemClock } from "#daemon/system.ts";
import { silentLog } from "#lib/log.ts";
import { DEAD_LENGTH_MAX, PACK_LENGTH_MAX, PACK_ROWS_MAX } from "#storage/limits.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import { jsonKind, put, remove, type Write } from "#storage/store.ts";

const single = jsonKind<unknown>("things", (input) => input);
const things = { ...single, packed: true, removalsMayWait: true };
let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "packed-"));
  path = join(directory, "kapacitor.db");
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (kind = things): SqliteStore => SqliteStore.open(path, [kind], systemClock, silentLog);

/** What a closed file holds. */
function inFile(): { readonly packs: number; readonly noted: number; readonly length: number } {
  const database = new Database(path, { readonly: true });
  const one = (sql: string): number => {
    using statement = database.prepare<{ n: number }, []>(`SELECT ${sql} AS n`);
    return statement.get()?.n ?? Number.NaN;
  };
  const found = {
    packs: one("(SELECT count(*) FROM things_packs)"),
    noted: one("(SELECT count(*) FROM things_gone)"),
    length: one("(SELECT coalesce(sum(length(rows)), 0) FROM things_packs)"),
  };
  database.close(true);
  return found;
}

const numbered = (count: number, value: unknown = 1): Write[] =>
  Array.from({ length: count }, (_, i) => put(things, `k${i}`, value));

describe("packs", () => {
  test("a commit is one row until the last of its values is removed", async () => {
    const store = open();
    await store.commit(numbered(100));
    await store.close();
    expect(inFile()).toMatchObject({ packs: 1, noted: 0 });
    const again = open();
    await Promise.all(numbered(99).map(({ key }) => again.commit([remove(things, key)])));
    await again.close();
    expect(inFile()).toMatchObject({ packs: 1, noted: 1 });
    const last = open();
    expect(last.table(things).entries()).toEqual([["k99", 1]]);
    expect([last.table(things).count(), last.table(things).count("k1")]).toEqual([1, 0]);
    await last.commit([remove(things, "k99")]);
    await last.close();
    expect(inFile()).toEqual({ packs: 0, noted: 0, length: 0 });
  });

  test.each([
    ["rows", PACK_ROWS_MAX, 1, 1],
    ["rows and one", PACK_ROWS_MAX + 1, 1, 2],
    ["length", 4, "x".repeat(PACK_LENGTH_MAX / 4 - 2), 1],
    ["length and one", 4, "x".repeat(PACK_LENGTH_MAX / 4 - 1), 2],
  ])("as many as a pack takes: %s", async (_name, count, value, packs) => {
    const store = open();
    await store.commit(numbered(count, value));
    expect(store.table(things).get(`k${count - 1}`)).toEqual(value);
    await store.close();
    expect(inFile().packs).toBe(packs);
  });

  test("what is removed in the turn in which it came leaves nothing", async () => {
    const store = open();
    const commits = [store.commit(numbered(3))];
    for (const { key } of numbered(3)) commits.push(store.commit([remove(things, key)]));
    await Promise.all(commits);
    expect(store.table(things).count()).toBe(0);
    await store.close();
    expect(inFile()).toEqual({ packs: 0, noted: 0, length: 0 });
  });

  test("rows of an earlier release are read, changed and removed", async () => {
    const earlier = open({ ...single, packed: false, removalsMayWait: true });
    await earlier.commit([put(single, "a", 1), put(single, "b", 2), put(single, "c", 3)]);
    await earlier.close();
    const store = open();
    await store.commit([put(things, "b", 20), remove(things, "c"), put(things, "d", 4)]);
    const expected = [
      ["a", 1],
      ["b", 20],
      ["d", 4],
    ];
    expect(store.table(things).entries()).toEqual(expected as never);
    expect(store.table(things).get("a")).toBe(1);
    await store.close();
    const again = open();
    expect(again.table(things).entries()).toEqual(expected as never);
    await again.close();
  });

  test("little that is left does not keep much that is gone", async () => {
    const store = open();
    const text = "x".repeat(100_000);
    for (let pack = 0; pack < 12; pack++) {
      const writes = Array.from({ length: 10 }, (_, i) => put(things, `${pack}/${i}`, text));
      await store.commit(writes);
    }
    for (let pack = 0; pack < 12; pack++) {
      for (let i = 1; i < 10; i++) await store.commit([remove(things, `${pack}/${i}`)]);
    }
    expect(store.table(things).count()).toBe(12);
    await store.close();
    expect(inFile().length).toBeLessThan(DEAD_LENGTH_MAX + 12 * 100_100);
    const again = open();
    expect(
      again
        .table(things)
        .entries()
        .map(([key]) => key),
    ).toEqual(Array.from({ length: 12 }, (_, pack) => `${pack}/0`).sort());
    await again.close();
  });

  test("a commit that fails takes nothing of the others back", async () => {
    await open().close();
    const raw = new Database(path);
    raw.run(
      `CREATE TRIGGER no_bad BEFORE INSERT ON things_packs WHEN instr(new.rows, 'bad') > 0
         BEGIN SELECT RAISE(ABORT, 'bad row'); END`,
    );
    raw.close(true);
    const store = open();
    await store.commit([put(things, "a", 1), put(things, "b", 2), put(things, "c", 3)]);
    const outcomes = await Promise.allSettled([
      store.commit([remove(things, "a")]),
      store.commit([remove(things, "b"), put(things, "bad", 4), put(things, "c", 5)]),
      store.commit([put(things, "bad", 4)]),
      store.commit([put(things, "d", 6)]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
    const expected = [
      ["b", 2],
      ["c", 3],
      ["d", 6],
    ];
    expect(store.table(things).entries()).toEqual(expected as never);
    await store.close();
    const again = open();
    expect(again.table(things).entries()).toEqual(expected as never);
    await again.close();
  });

  test("a flush that fails takes back all that waited, and what was durable before stays", async () => {
    await open().close();
    const raw = new Database(path);
    raw.run(
      `CREATE TRIGGER no_note BEFORE INSERT ON things_gone WHEN new.places = '[1]'
         BEGIN SELECT RAISE(ABORT, 'no note'); END`,
    );
    raw.close(true);
    const store = open();
    await store.commit([put(things, "a", 1), put(things, "b", 2), put(things, "c", 3)]);
    const lost = [store.commit([remove(things, "b")]), store.commit([put(things, "d", 4)])];
    const outcomes = await Promise.allSettled(lost);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(
      store
        .table(things)
        .entries()
        .map(([key]) => key),
    ).toEqual(["a", "b", "c"]);
    await store.commit([remove(things, "a"), put(things, "e", 5)]);
    await store.close();
    const again = open();
    expect(
      again
        .table(things)
        .entries()
        .map(([key]) => key),
    ).toEqual(["b", "c", "e"]);
    await again.close();
  });

  test("any changes end as in a plain map, also after a restart", async () => {
    const key = fc.constantFrom(..."abcdefgh", "\0", '"\n', "é😀");
    const change = fc.record({ key, value: fc.option(fc.string(), { nil: undefined }) });
    const turn = fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 4 });
    let files = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { maxLength: 6 }), async (turns) => {
        path = join(directory, `${files++}.db`);
        const model = new Map<string, unknown>();
        for (const commits of turns) {
          const store = open();
          const done = commits.map((changes) => {
            for (const { key, value } of changes) {
              if (value === undefined) model.delete(key);
              else model.set(key, value);
            }
            return store.commit(changes.map((one) => ({ kind: things, ...one }) as Write));
          });
          const table = store.table(things);
          expect(new Map(table.entries())).toEqual(model);
          for (const [k, value] of model) expect(table.get(k)).toBe(value);
          await Promise.all(done);
          await store.close();
        }
        const store = open();
        expect(new Map(store.table(things).entries())).toEqual(model);
        await store.close();
      }),
      { numRuns: 40 },
    );
  });
});
