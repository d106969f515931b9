/**
 * Durable tables behind one interface.
 *
 * A *kind* is a table of values by key (`storage/kinds/<plural>.ts`). Writers pass lists of writes to `commit`;
 * many commits share one disk flush (group commit). Reads are immediate and see every write already passed to
 * `commit`, durable or not.
 */

/** A stored kind: its name is the table's, its codec turns values into text and back. */
export interface Kind<T> {
  readonly name: string;
  encode(value: T): string;
  /** Throws on text it does not understand. */
  decode(text: string): T;
  /**
   * Nobody waits for removals to be on disk, and one that a crash undoes costs some work and nothing else: they join the
   * flushes of others, or are flushed some milliseconds later.
   */
  readonly removalsMayWait?: boolean;
  /** Values come many at a time and go soon: those of a commit may be stored together. Few at a time are read. */
  readonly packed?: boolean;
  /**
   * Values are mostly below a kilobyte and written all the time: they are stored in the order of their keys, so that a new
   * one changes one page of the file and not also one of an index.
   */
  readonly inKeyOrder?: boolean;
}

/** One change; `value` undefined deletes. All writes of one commit are applied together or not at all. */
export interface Write {
  readonly kind: Kind<never> | Kind<unknown>;
  readonly key: string;
  readonly value: unknown;
  /**
   * Nobody waits for it to be on disk, and what a crash undoes is known elsewhere: commits of nothing else join the flushes
   * of others, or are flushed some tens of milliseconds later.
   */
  readonly mayWait?: true;
}

export interface RangeOptions {
  readonly prefix?: string;
  /** Exclusive lower (or, reversed, upper) bound. */
  readonly after?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

export interface Table<T> {
  get(key: string): T | undefined;
  has(key: string): boolean;
  /** In ascending byte order of keys. */
  entries(range?: RangeOptions): readonly (readonly [key: string, value: T])[];
  count(prefix?: string): number;
}

export interface Store {
  table<T>(kind: Kind<T>): Table<T>;
  /** Applies the writes at once; resolves when they are on disk. Rejects with `StorageError`. */
  commit(writes: readonly Write[]): Promise<void>;
  /** A consistent copy of the whole store as one file's bytes. */
  backup(): Uint8Array;
  /** Waits for outstanding commits, then closes. */
  close(): Promise<void>;
}

/** What is known about a failed storage operation, beside its text. */
export interface StorageErrorOptions {
  readonly cause?: unknown;
  /** True when the write may yet be found on disk: the disk failed while it was being made durable. */
  readonly mayHaveHappened?: boolean;
}

/** Disk trouble: whose write, and whether it may have happened. Retrying is useful when space or the disk returns. */
export class StorageError extends Error {
  override name = "StorageError";
  readonly mayHaveHappened: boolean;

  constructor(message: string, options: StorageErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.mayHaveHappened = options.mayHaveHappened ?? false;
  }
}

export function put<T>(kind: Kind<T>, key: string, value: T): Write {
  return { kind: kind as Kind<never>, key, value };
}

/** A value that may come to disk with what others flush. See `Write.mayWait`. */
export function putLater<T>(kind: Kind<T>, key: string, value: T): Write {
  return { kind: kind as Kind<never>, key, value, mayWait: true };
}

export function remove<T>(kind: Kind<T>, key: string): Write {
  return { kind: kind as Kind<never>, key, value: undefined };
}

/** A kind of any value type, as lists of kinds hold it. */
export type AnyKind = Kind<unknown>;

/** A kind whose values are JSON. `parse` checks the shape. */
export function jsonKind<T>(name: string, parse: (input: unknown) => T): Kind<T> {
  return {
    name,
    encode: (value) => JSON.stringify(value),
    decode: (text) => parse(JSON.parse(text)),
  };
}
