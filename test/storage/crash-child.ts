/**
 * Commits keys without end and prints each one after its promise resolved; the parent kills it at random.
 * Arguments: the database's path, writers at once, `packed` for a kind of that sort.
 */

import { writeSync } from "node:fs";
import { systemClock } from "#daemon/system.ts";
import { silentLog } from "#lib/log.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import { jsonKind, put } from "#storage/store.ts";

const [path = "", writers = "1", sort] = process.argv.slice(2);
const kind = {
  ...jsonKind<unknown>("acknowledged", (input) => input),
  packed: sort === "packed",
};
const store = SqliteStore.open(path, [kind], systemClock, silentLog);
const prefix = `${store.table(kind).count()}`;

async function write(writer: number): Promise<void> {
  for (let i = 0; ; i++) {
    const key = `${prefix}/${writer}/${i}`;
    await store.commit([put(kind, key, "x".repeat(200)), put(kind, `${key}/twin`, 1)]);
    writeSync(1, `${key}\n`);
  }
}

for (let i = 0; i < Number(writers); i++) void write(i);
