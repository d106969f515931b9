/**
 * Fills a file system that has a limit, then shows that the store lives on. Arguments: the database's path, `packed`.
 * Prints one JSON line: what failed, how, and what can be read afterwards.
 */

import { systemClock } from "#daemon/system.ts";
import { silentLog } from "#lib/log.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import { jsonKind, put, StorageError } from "#storage/store.ts";

const [path = "", sort] = process.argv.slice(2);
const kind = {
  ...jsonKind<unknown>("acknowledged", (input) => input),
  packed: sort === "packed",
};
const store = SqliteStore.open(path, [kind], systemClock, silentLog);
const outcomes = await Promise.all(
  Array.from({ length: 40 }, async (_, i) => {
    await Bun.sleep(i);
    return store.commit([put(kind, `k${i}`, "x".repeat(100_000)), put(kind, `twin${i}`, i)]).then(
      () => "kept",
      (error) => (error instanceof StorageError ? "refused" : `unexpected ${error}`),
    );
  }),
);
const table = store.table(kind);
const consistent = outcomes.every(
  (outcome, i) =>
    (outcome === "kept") === table.has(`k${i}`) && (outcome === "kept") === table.has(`twin${i}`),
);
const kept = outcomes.filter((outcome) => outcome === "kept").length;
console.log(JSON.stringify({ kept, kinds: [...new Set(outcomes)].sort(), consistent }));
