/**
 * The store on disk: one SQLite file, one table per kind, group commit.
 *
 * Writes are applied at once inside an open transaction, so reads see them; one COMMIT, and so one disk flush,
 * then serves every commit that waited. An idle store flushes on the next turn of the event loop. A busy one
 * pauses as long as its last flush took (at most `FLUSH_PAUSE_MAX_MS`), so the group grows with the load and the
 * slowness of the disk. When a group is full, the caller that fills it pays for the flush: nothing piles up.
 */

import type { Database, Statement } from "bun:sqlite";
import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { formatTime } from "#lib/time.ts";
import { codeOf, openDatabaseFile } from "./database-file.ts";
import { decodeValue, type EncodedWrite, encodeWrites } from "./encode.ts";
import { boundsOf } from "./key-order.ts";
import {
  FLUSH_PAUSE_MAX_MS,
  FLUSH_PAUSE_MIN_MS,
  GROUP_COMMITS_MAX,
  GROUP_LENGTH_MAX,
  SHARED_FLUSH_WAIT_MS,
} from "./limits.ts";
import { PackedRows, type Row } from "./packed-rows.ts";
import {
  type AnyKind,
  type Kind,
  type RangeOptions,
  StorageError,
  type Store,
  type Table,
  type Write,
} from "./store.ts";

/** Counters since open, for statistics. */
export interface StorageCounters {
  /** Commits that became durable, and the disk flushes they shared. */
  readonly commits: number;
  readonly flushes: number;
  readonly writes: number;
  /** Commits rejected, and flushes that failed. */
  readonly rejected: number;
  readonly flushFailures: number;
}

interface Waiting {
  resolve(): void;
  reject(error: StorageError): void;
}

export class SqliteStore implements Store {
  readonly #path: string;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #kinds: ReadonlySet<string>;
  readonly #packed: ReadonlyMap<string, PackedRows>;
  readonly #statements = new Map<string, Statement<Row, string[]>>();
  readonly #counters = { commits: 0, flushes: 0, writes: 0, rejected: 0, flushFailures: 0 };

  /** Commits applied in the open transaction, waiting for the flush. */
  #waiting: Waiting[] = [];
  #waitingLength = 0;
  #inTransaction = false;
  #cancelFlush: Cancel | undefined;
  /** When `#cancelFlush` would flush, in monotonic ms. */
  #flushAt = 0;
  /** No flush before this time, in monotonic ms. */
  #restUntil = 0;
  #closed = false;

  private constructor(
    path: string,
    kinds: readonly AnyKind[],
    services: { database: Database; clock: Clock; log: Log },
  ) {
    this.#path = path;
    this.#kinds = new Set(kinds.map((kind) => kind.name));
    this.#database = services.database;
    this.#clock = services.clock;
    this.#log = services.log;
    const sql = {
      run: (text: string, parameters: string[]) => this.#run(text, parameters),
      read: (text: string, parameters: string[]) => this.#read(text, parameters),
    };
    const packed = kinds.filter((kind) => kind.packed === true);
    this.#packed = new Map(packed.map(({ name }) => [name, new PackedRows(name, sql)]));
  }

  /**
   * Opens or creates the file and its tables. Throws `StorageError` when the file is not ours, is newer, is
   * damaged or is in use; in the first two cases the file is untouched.
   */
  static open(path: string, kinds: readonly AnyKind[], clock: Clock, log: Log): SqliteStore {
    const now = clock.now();
    const database = openDatabaseFile(path, kinds, formatTime(now.ms, now.ns));
    return new SqliteStore(path, kinds, { database, clock, log });
  }

  table<T>(kind: Kind<T>): Table<T> {
    const { name } = kind;
    if (!this.#kinds.has(name)) throw new StorageError(`unknown kind ${name}`);
    const packed = this.#packed.get(name);
    if (packed !== undefined) return this.#packedTable(kind, packed);
    const find = `SELECT key, value FROM "${name}" WHERE key = ?`;
    return {
      get: (key) => {
        const row = this.#read(find, [key])[0];
        return row === undefined ? undefined : decodeValue(kind, key, row.value);
      },
      has: (key) =>
        this.#read(`SELECT key, '' AS value FROM "${name}" WHERE key = ?`, [key])[0] !== undefined,
      entries: (range = {}) => {
        const [sql, parameters] = rangeQuery(`SELECT key, value FROM "${name}"`, range);
        return this.#read(sql, parameters).map(
          (row) => [row.key, decodeValue(kind, row.key, row.value)] as const,
        );
      },
      count: (prefix = "") => {
        const select = `SELECT '' AS key, CAST(count(*) AS TEXT) AS value FROM "${name}"`;
        const [sql, parameters] = conditions(select, { prefix });
        return Number(this.#read(sql, parameters)[0]?.value);
      },
    };
  }

  #packedTable<T>(kind: Kind<T>, rows: PackedRows): Table<T> {
    return {
      get: (key) => {
        const text = rows.get(key);
        return text === undefined ? undefined : decodeValue(kind, key, text);
      },
      has: (key) => rows.has(key),
      entries: (range = {}) =>
        rows.range(range).map(([key, text]) => [key, decodeValue(kind, key, text)] as const),
      count: (prefix = "") => rows.count(prefix),
    };
  }

  commit(writes: readonly Write[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new StorageError("the store is closed");
      if (writes.length === 0 && this.#waiting.length === 0) {
        resolve();
        return;
      }
      try {
        const encoded = encodeWrites(writes, (table) => this.#kinds.has(table));
        this.#apply(encoded);
        this.#counters.writes += encoded.length;
        this.#enqueue({ resolve, reject }, encoded, patienceMs(writes));
      } catch (error) {
        this.#counters.rejected++;
        throw error;
      }
    });
  }

  /** A copy of the file as of now, all commits included. Takes memory of the file's size. */
  backup(): Uint8Array {
    this.#flush();
    try {
      return this.#database.serialize();
    } catch (cause) {
      throw this.#failure("cannot copy the database", cause);
    }
  }

  counters(): StorageCounters {
    return { ...this.#counters };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
    try {
      this.#database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      // What is in the log is durable; the next start reads it from there.
      this.#log.warn("failed to fold the write-ahead log into the database", {
        path: this.#path,
        err: errorMessage(error),
      });
    }
    this.#database.close(true);
  }

  #apply(writes: readonly EncodedWrite[]): void {
    for (const packed of this.#packed.values()) packed.begin();
    try {
      if (!this.#inTransaction) {
        this.#run("BEGIN IMMEDIATE");
        this.#inTransaction = true;
      }
      // One statement is atomic by itself; several need a point to go back to.
      if (writes.length > 1) this.#run("SAVEPOINT one_commit");
      for (const write of writes) this.#write(write);
      for (const packed of this.#packed.values()) packed.apply();
      if (writes.length > 1) this.#run("RELEASE one_commit");
    } catch (cause) {
      const error = this.#failure("write failed", cause);
      if (this.#inTransaction) this.#undo(writes.length > 1, error);
      throw error;
    }
  }

  /** Takes one failed commit out of the group. SQLite may have given up the whole transaction (disk full). */
  #undo(savepoint: boolean, error: StorageError): void {
    for (const packed of this.#packed.values()) packed.undo();
    if (!this.#database.inTransaction) {
      this.#rejectGroup(error);
      return;
    }
    if (this.#waiting.length === 0) {
      this.#rollBack();
      this.#inTransaction = false;
      this.#forgetPacked();
      return;
    }
    if (!savepoint) return;
    try {
      this.#run("ROLLBACK TO one_commit");
      this.#run("RELEASE one_commit");
    } catch {
      this.#rollBack();
      this.#rejectGroup(error);
    }
  }

  #write({ table, key, text }: EncodedWrite): void {
    const packed = this.#packed.get(table);
    if (packed !== undefined) packed.write(key, text);
    else if (text === undefined) this.#run(`DELETE FROM "${table}" WHERE key = ?`, [key]);
    else
      this.#run(
        `INSERT INTO "${table}" (key, value) VALUES (?, ?)
           ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
        [key, text],
      );
  }

  /** With patience nobody waits for it, so it joins what others flush; alone it is flushed when that is over. */
  #enqueue(waiting: Waiting, writes: readonly EncodedWrite[], patience: number): void {
    this.#waiting.push(waiting);
    for (const { key, text } of writes) this.#waitingLength += key.length + (text?.length ?? 0);
    if (this.#waiting.length >= GROUP_COMMITS_MAX || this.#waitingLength >= GROUP_LENGTH_MAX) {
      this.#flush();
      return;
    }
    const now = this.#clock.monoMs();
    const at = Math.max(now, this.#restUntil, patience > 0 ? now + patience : 0);
    if (this.#cancelFlush !== undefined && this.#flushAt <= at) return;
    this.#cancelFlush?.();
    this.#flushAt = at;
    this.#cancelFlush = this.#clock.after(at - now, () => this.#flush());
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (!this.#inTransaction) return;
    const start = this.#clock.monoMs();
    try {
      for (const packed of this.#packed.values()) packed.flush();
      this.#run("COMMIT");
    } catch (cause) {
      const error = this.#failure("commit failed", cause, true);
      this.#rollBack();
      this.#rejectGroup(error);
      return;
    }
    const end = this.#clock.monoMs();
    const took = end - start;
    this.#restUntil = took < FLUSH_PAUSE_MIN_MS ? end : end + Math.min(FLUSH_PAUSE_MAX_MS, took);
    this.#counters.flushes++;
    this.#counters.commits += this.#waiting.length;
    for (const waiting of this.#takeGroup()) waiting.resolve();
  }

  #rollBack(): void {
    try {
      if (this.#database.inTransaction) this.#database.run("ROLLBACK");
    } catch (error) {
      this.#log.error("rollback failed", { path: this.#path, err: errorMessage(error) });
    }
  }

  /** What they know of this transaction is no longer so. */
  #forgetPacked(): void {
    for (const packed of this.#packed.values()) packed.reset();
  }

  #rejectGroup(error: StorageError): void {
    this.#forgetPacked();
    this.#counters.flushFailures++;
    const group = this.#takeGroup();
    this.#counters.rejected += group.length;
    this.#log.error("stored changes were lost", {
      path: this.#path,
      commits: group.length,
      err: error.message,
    });
    for (const waiting of group) waiting.reject(error);
  }

  #takeGroup(): readonly Waiting[] {
    const group = this.#waiting;
    this.#waiting = [];
    this.#waitingLength = 0;
    this.#inTransaction = false;
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    return group;
  }

  #failure(what: string, cause: unknown, mayHaveHappened = false): StorageError {
    const code = codeOf(cause);
    const detail = `${errorMessage(cause)}${code === "" ? "" : ` (${code})`}`;
    return new StorageError(`database ${this.#path}: ${what}: ${detail}`, {
      cause,
      mayHaveHappened,
    });
  }

  #run(sql: string, parameters: string[] = []): void {
    this.#statement(sql).run(...parameters);
  }

  #read(sql: string, parameters: string[]): Row[] {
    if (this.#closed) throw new StorageError("the store is closed");
    try {
      return this.#statement(sql).all(...parameters);
    } catch (cause) {
      throw this.#failure("read failed", cause);
    }
  }

  /** Statements are few (kinds × forms), so they are kept until the store closes. */
  #statement(sql: string): Statement<Row, string[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<Row, string[]>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** How long a commit may wait for the flush of others, ms. An empty one asks for what came before it: that may be urgent. */
function patienceMs(writes: readonly Write[]): number {
  if (writes.length === 0) return 0;
  if (writes.every(({ mayWait }) => mayWait === true)) return SHARED_FLUSH_WAIT_MS;
  const areRemovals = writes.every(
    ({ kind, value }) => value === undefined && kind.removalsMayWait === true,
  );
  return areRemovals ? FLUSH_PAUSE_MAX_MS : 0;
}

function rangeQuery(select: string, range: RangeOptions): [string, string[]] {
  const [sql, parameters] = conditions(select, range);
  const order = range.reverse === true ? " ORDER BY key DESC" : " ORDER BY key";
  if (range.limit === undefined) return [sql + order, parameters];
  return [`${sql}${order} LIMIT CAST(? AS INTEGER)`, [...parameters, String(range.limit)]];
}

function conditions(select: string, range: RangeOptions): [string, string[]] {
  const { from, fromInclusive, to } = boundsOf(range);
  const tests: string[] = [];
  const parameters: string[] = [];
  if (from !== undefined) {
    tests.push(fromInclusive ? "key >= ?" : "key > ?");
    parameters.push(from);
  }
  if (to !== undefined) {
    tests.push("key < ?");
    parameters.push(to);
  }
  return [tests.length === 0 ? select : `${select} WHERE ${tests.join(" AND ")}`, parameters];
}
