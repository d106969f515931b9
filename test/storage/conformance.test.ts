/** What every store must do, run over each implementation, with a plain model as the judge of ranges. */

import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { systemClock } from "#daemon/system.ts";
import { silentLog } from "#lib/log.ts";
import { MemoryStore } from "#storage/memory.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import {
  type AnyKind,
  jsonKind,
  put,
  type RangeOptions,
  remove,
  type Store,
} from "#storage/store.ts";

const fruits = jsonKind<unknown>("fruits", (input) => input);
const stones = jsonKind<number>("stones", (input) => {
  if (typeof input !== "number") throw new Error("expected a number");
  return input;
});
const refusing: AnyKind = {
  name: "refusing",
  encode: () => {
    throw new Error("cannot be text");
  },
  decode: (text) => text,
};
const KINDS: readonly AnyKind[] = [fruits, stones, refusing];
const PACKED = KINDS.map((kind) => ({ ...kind, packed: true }));

let directory: string | undefined;
let opened: Store[] = [];

function newPath(): string {
  directory ??= mkdtempSync(join(tmpdir(), "store-"));
  return join(directory, `${opened.length}.db`);
}

function track<T extends Store>(store: T): T {
  opened.push(store);
  return store;
}

afterEach(async () => {
  for (const store of opened) await store.close();
  opened = [];
  if (directory !== undefined) rmSync(directory, { recursive: true });
  directory = undefined;
});

const STORES = [
  {
    name: "memory",
    create: () => track(new MemoryStore(KINDS)),
    restore: (bytes: Uint8Array) => {
      const store = track(new MemoryStore(KINDS));
      store.restore(bytes);
      return store;
    },
  },
  {
    name: "sqlite",
    create: () => track(SqliteStore.open(newPath(), KINDS, systemClock, silentLog)),
    restore: (bytes: Uint8Array) => {
      const path = newPath();
      writeFileSync(path, bytes);
      return track(SqliteStore.open(path, KINDS, systemClock, silentLog));
    },
  },
  {
    name: "sqlite, packed",
    create: () => track(SqliteStore.open(newPath(), PACKED, systemClock, silentLog)),
    restore: (bytes: Uint8Array) => {
      const path = newPath();
      writeFileSync(path, bytes);
      return track(SqliteStore.open(path, PACKED, systemClock, silentLog));
    },
  },
];

describe.each(STORES)("$name store", ({ create, restore }) => {
  test("reads see a write at once, before it is durable", async () => {
    const store = create();
    const done = store.commit([put(fruits, "apple", { red: true })]);
    expect(store.table(fruits).get("apple")).toEqual({ red: true });
    expect(store.table(fruits).has("apple")).toBe(true);
    expect(store.table(fruits).count()).toBe(1);
    await done;
    expect(store.table(fruits).get("apple")).toEqual({ red: true });
  });

  test("deletes, overwrites, and keeps kinds apart", async () => {
    const store = create();
    await store.commit([put(fruits, "a", 1), put(stones, "a", 2), put(fruits, "b", 3)]);
    await store.commit([remove(fruits, "a"), put(fruits, "b", 4), remove(fruits, "never there")]);
    expect(store.table(fruits).entries()).toEqual([["b", 4]]);
    expect(store.table(stones).get("a")).toBe(2);
    expect(store.table(fruits).get("a")).toBeUndefined();
    expect(store.table(fruits).has("a")).toBe(false);
  });

  test("a stored value cannot be changed through the object that was stored", async () => {
    const store = create();
    const value = { n: 1 };
    await store.commit([put(fruits, "a", value)]);
    value.n = 2;
    expect(store.table(fruits).get("a")).toEqual({ n: 1 });
  });

  test("a commit with a value that cannot be encoded changes nothing and names kind and key", async () => {
    const store = create();
    const bad = store.commit([put(fruits, "a", 1), put(refusing, "k", 1)]);
    await expect(bad).rejects.toThrow("cannot encode refusing/k: cannot be text");
    expect(store.table(fruits).count()).toBe(0);
    await store.commit([put(fruits, "a", 2)]);
    expect(store.table(fruits).get("a")).toBe(2);
  });

  test("a value its kind does not understand is an error that names it", async () => {
    const store = create();
    await store.commit([put({ ...stones, encode: () => '"flint"' }, "s", 1)]);
    expect(() => store.table(stones).get("s")).toThrow("cannot decode stones/s: expected a number");
  });

  test.each([
    ["unpaired surrogate", "a\ud800", "a key is not well-formed text"],
    ["too long", "x".repeat(16 * 1024 + 1), "a key is longer than 16384 bytes"],
    ["too long in bytes", "é".repeat(8 * 1024 + 1), "a key is longer than 16384 bytes"],
  ])("refuses a key that is %s", async (_name, key, message) => {
    const store = create();
    await expect(store.commit([put(fruits, key, 1)])).rejects.toThrow(message);
  });

  test.each([
    ["the longest", "x".repeat(16 * 1024)],
    ["empty", ""],
    ["with NUL", "a\0b"],
  ])("takes a key that is %s", async (_name, key) => {
    const store = create();
    await store.commit([put(fruits, key, 1)]);
    expect(store.table(fruits).entries()).toEqual([[key, 1]]);
  });

  test("an unknown kind is refused", async () => {
    const store = create();
    const other = jsonKind("others", (input) => input);
    expect(() => store.table(other)).toThrow("unknown kind others");
    await expect(store.commit([put(other, "a", 1)])).rejects.toThrow("unknown kind others");
  });

  test("after close commits are refused", async () => {
    const store = create();
    await store.close();
    await expect(store.commit([put(fruits, "a", 1)])).rejects.toThrow("the store is closed");
  });

  test("a backup holds every commit passed in, durable or not, and can be restored", async () => {
    const store = create();
    await store.commit([put(fruits, "a", [1, "ü\0"])]);
    const late = store.commit([put(fruits, "b", 2)]);
    const copy = restore(store.backup());
    await late;
    expect(copy.table(fruits).entries()).toEqual([
      ["a", [1, "ü\0"]],
      ["b", 2],
    ]);
    await copy.commit([put(fruits, "c", 3)]);
    expect(store.table(fruits).has("c")).toBe(false);
  });

  test("ranges agree with a sorted list of UTF-8 keys", async () => {
    const key = fc.string({
      unit: fc.constantFrom("a", "b", "/", "\ud7ff", "\uffff", "😀", "\u{10ffff}", "\0"),
      maxLength: 4,
    });
    const range = fc.record(
      { prefix: key, after: key, limit: fc.nat(5), reverse: fc.boolean() },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 20 }),
        fc.array(range),
        async (keys, ranges) => {
          const store = create();
          await store.commit(keys.map((k) => put(fruits, k, k)));
          for (const r of ranges) {
            const found = store.table(fruits).entries(r);
            expect(found.map(([k]) => k)).toEqual(expectedRange(keys, r));
          }
          expect(store.table(fruits).count(ranges[0]?.prefix)).toBe(
            keys.filter((k) => k.startsWith(ranges[0]?.prefix ?? "")).length,
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

function expectedRange(keys: readonly string[], range: RangeOptions): string[] {
  const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const { after, limit, prefix = "", reverse } = range;
  let found = keys.filter((k) => k.startsWith(prefix)).sort(order);
  if (reverse === true) found.reverse();
  if (after !== undefined)
    found = found.filter((k) => (reverse === true ? order(k, after) < 0 : order(k, after) > 0));
  return found.slice(0, limit);
}
