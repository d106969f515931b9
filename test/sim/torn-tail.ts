/**
 * What a crash in the middle of a disk write leaves behind, by the product's own files.
 *
 * The database of a member is written by the real store into a real file, what was not yet flushed is cut somewhere in
 * its write-ahead log, and the real store opens what is left: commits before the cut survive, the torn one is ignored.
 * The membership file is replaced by the product's way of doing so, with half of the next one lying beside it.
 */

import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { writeFileDurably } from "#storage/durable-file.ts";
import type { EncodedWrite } from "#storage/encode.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import { type Kind, put, remove, type Write } from "#storage/store.ts";
import type { Platter } from "./member-store.ts";

/** Header of a write-ahead log, bytes: a shorter one is none. */
const LOG_HEADER_BYTES = 32;
const FILE_MODE = 0o600;

/** Flushes happen when they are asked for. */
const STILL: Clock = {
  monoMs: () => 0,
  now: () => ({ ms: 0, ns: 0 }),
  after: () => () => {},
};

/**
 * What a start finds: all of `platter`, and of the commits after it as many as lie whole in the first `share` (0 … 1) of
 * what they wrote.
 */
export function tornPlatter(
  platter: Platter,
  unsynced: readonly (readonly EncodedWrite[])[],
  share: number,
): Platter {
  return inDirectory((directory) => {
    const names = new Set(platter.keys());
    for (const commit of unsynced) for (const { table } of commit) names.add(table);
    const kinds = new Map([...names].map((name) => [name, textKind(name)]));
    const writesOf = (commit: readonly EncodedWrite[]): Write[] =>
      commit.flatMap(({ table, key, text }) => {
        const kind = kinds.get(table);
        if (kind === undefined) return [];
        return [text === undefined ? remove(kind, key) : put(kind, key, text)];
      });
    const all = [...kinds.values()] as unknown as Kind<unknown>[];
    const path = join(directory, "kapacitor.db");
    const before = SqliteStore.open(path, all, STILL, silentLog);
    void before.commit(writesOf(encodedOf(platter)));
    void before.close();
    const store = SqliteStore.open(path, all, STILL, silentLog);
    for (const commit of unsynced) {
      void store.commit(writesOf(commit));
      store.backup();
    }
    const left = join(directory, "left.db");
    writeFileSync(left, readFileSync(path));
    writeFileSync(`${left}-wal`, readFileSync(`${path}-wal`));
    void store.close();
    cutLog(`${left}-wal`, share);
    const next = SqliteStore.open(left, all, STILL, silentLog);
    const found: Platter = new Map();
    for (const [name, kind] of kinds) found.set(name, new Map(next.table(kind).entries()));
    void next.close();
    return found;
  });
}

function cutLog(path: string, share: number): void {
  const { length } = readFileSync(path);
  const body = Math.max(0, length - LOG_HEADER_BYTES);
  truncateSync(path, length - body + Math.floor(body * share));
}

/** What a start finds of a file whose next content was half written when the machine stopped. */
export function tornFile(content: Uint8Array, unsynced: Uint8Array, share: number): Uint8Array {
  return inDirectory((directory) => {
    const path = join(directory, "cluster.members");
    writeFileDurably(path, content, FILE_MODE);
    writeFileSync(`${path}.new`, unsynced.subarray(0, Math.floor(unsynced.length * share)));
    return new Uint8Array(readFileSync(path));
  });
}

function encodedOf(platter: Platter): EncodedWrite[] {
  return [...platter].flatMap(([table, rows]) =>
    [...rows].map(([key, text]) => ({ table, key, text })),
  );
}

function textKind(name: string): Kind<string> {
  return { name, encode: (text) => text, decode: (text) => text };
}

/** In memory where the system has such a place: flushes are many and prove nothing here. */
function inDirectory<T>(work: (directory: string) => T): T {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const directory = mkdtempSync(join(parent, "kapacitor-sim-"));
  try {
    return work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
