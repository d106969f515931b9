/**
 * Opening the one database file, or refusing it untouched.
 *
 * A file is recognised by its first hundred bytes before SQLite may touch it: our application number and a
 * schema number we know. So a Bolt database of the original, another program's file or a newer schema is
 * refused with one clear line and stays byte for byte what it was. A new file is built aside and renamed into
 * place, so a crash at the first start never leaves a half-made database.
 */

import { Database } from "bun:sqlite";
import { closeSync, existsSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errorMessage } from "#lib/errors.ts";
import { syncDirectory } from "./durable-file.ts";
import { CHECKPOINT_PAGES, LOCK_WAIT_MS, WAL_BYTES_KEPT } from "./limits.ts";
import { MIGRATIONS_TABLE, migrate, SCHEMA_VERSION } from "./migrations.ts";
import { packTables } from "./packed-rows.ts";
import { type AnyKind, StorageError } from "./store.ts";

/** Marks a database as ours; the bytes "KAPA" at offset 68 of the file. */
export const APPLICATION_ID = 0x4b415041;

const HEADER_BYTES = 100;
const SQLITE_MAGIC = "SQLite format 3\0";
const BOLT_MAGIC = 0xed0cdaed;
const FILE_MODE = 0o600;

/**
 * Opens the file for this process alone, creating or migrating it as needed. Throws `StorageError` with a
 * line for the operator when the file is foreign, newer, damaged, or in use.
 */
export function openDatabaseFile(
  path: string,
  kinds: readonly AnyKind[],
  nowText: string,
): Database {
  checkKindNames(kinds);
  const state = recognise(path);
  if (state === "absent") createFile(path, nowText);
  else refuseNewerLog(path);
  try {
    return openOwn(path, kinds, nowText);
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    throw new StorageError(explain(path, cause), { cause });
  }
}

function explain(path: string, cause: unknown): string {
  const code = codeOf(cause);
  if (code.startsWith("SQLITE_BUSY")) return `database ${path} is in use by another process`;
  return `cannot open database ${path}: ${errorMessage(cause)}`;
}

/** The error code of SQLite or of the system, or "". */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return String(error.code);
}

function checkKindNames(kinds: readonly AnyKind[]): void {
  const seen = new Set<string>([MIGRATIONS_TABLE]);
  for (const { name } of kinds) {
    if (!/^[a-z][a-z0-9_]*$/.test(name) || name.startsWith("sqlite_"))
      throw new StorageError(`kind name ${JSON.stringify(name)} cannot be a table name`);
    if (seen.has(name)) throw new StorageError(`kind name ${name} is used twice`);
    seen.add(name);
  }
}

function recognise(path: string): "absent" | "ours" {
  const header = readHeader(path);
  if (header === undefined || header.length === 0) return "absent";
  if (header.toString("latin1", 0, 16) !== SQLITE_MAGIC || header.length < HEADER_BYTES) {
    const bolt = header.length >= 20 && header.readUInt32LE(16) === BOLT_MAGIC;
    const what = bolt
      ? "is a Bolt database of another Kapacitor, which this program does not read"
      : "is not a database of this program";
    throw refusal(path, what);
  }
  if (header.readUInt32BE(68) !== APPLICATION_ID)
    throw refusal(path, "is an SQLite database of another program");
  refuseNewer(path, header.readUInt32BE(60));
  return "ours";
}

function refuseNewer(path: string, version: number): void {
  if (version > SCHEMA_VERSION)
    throw refusal(
      path,
      `has schema ${version}, written by a newer program (this one knows up to ${SCHEMA_VERSION})`,
    );
}

function refusal(path: string, what: string): StorageError {
  return new StorageError(
    `database ${path} ${what}; the file was not touched. ` +
      "Set [storage] boltdb to another path, or move the file away",
  );
}

/** The first bytes; `undefined` when there is no file. */
function readHeader(path: string): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw new StorageError(`cannot read database ${path}: ${errorMessage(cause)}`, { cause });
  }
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    return header.subarray(0, readSync(file, header, 0, HEADER_BYTES, 0));
  } catch (cause) {
    throw new StorageError(`cannot read database ${path}: ${errorMessage(cause)}`, { cause });
  } finally {
    closeSync(file);
  }
}

/**
 * After a crash the newest schema number may be only in the write-ahead log. A read-only look finds it without
 * folding the log into the file.
 */
function refuseNewerLog(path: string): void {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  if (log === undefined || log.size === 0) return;
  let version: number;
  try {
    const database = new Database(path, { readonly: true });
    try {
      version = readVersion(database);
    } finally {
      database.close(true);
    }
  } catch (cause) {
    throw new StorageError(explain(path, cause), { cause });
  }
  refuseNewer(path, version);
}

function readVersion(database: Database): number {
  const statement = database.prepare<{ user_version: number }, []>("PRAGMA user_version");
  try {
    return statement.get()?.user_version ?? 0;
  } finally {
    statement.finalize();
  }
}

function createFile(path: string, nowText: string): void {
  const building = `${path}.new`;
  try {
    for (const suffix of ["", "-journal", "-wal", "-shm"])
      rmSync(building + suffix, { force: true });
    closeSync(openSync(building, "wx", FILE_MODE));
    const database = new Database(building, { readwrite: true, create: false });
    try {
      database.run(`PRAGMA synchronous = FULL`);
      database.run("BEGIN IMMEDIATE");
      database.run(`PRAGMA application_id = ${APPLICATION_ID}`);
      migrate(database, 0, nowText);
      database.run("COMMIT");
    } finally {
      database.close(true);
    }
    renameSync(building, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    rmSync(building, { force: true });
    throw new StorageError(`cannot create database ${path}: ${errorMessage(cause)}`, { cause });
  }
  // A log left behind by a database that was deleted must not be replayed into the new one.
  for (const suffix of ["-wal", "-shm"])
    if (existsSync(path + suffix)) rmSync(path + suffix, { force: true });
}

function openOwn(path: string, kinds: readonly AnyKind[], nowText: string): Database {
  const database = new Database(path, { readwrite: true, create: false });
  try {
    database.run(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
    database.run(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    const version = readVersion(database);
    database.run("BEGIN IMMEDIATE");
    if (version < SCHEMA_VERSION) migrate(database, version, nowText);
    for (const { name, packed, inKeyOrder } of kinds) {
      const layout = inKeyOrder === true ? " WITHOUT ROWID" : "";
      database.run(
        `CREATE TABLE IF NOT EXISTS "${name}" (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)${layout}`,
      );
      for (const sql of packed === true ? packTables(name) : []) database.run(sql);
    }
    database.run("COMMIT");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
