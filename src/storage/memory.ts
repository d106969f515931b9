/**
 * A store that forgets everything at exit: for tests, `kapacitor test` and the simulator.
 *
 * Values are kept encoded, as on disk, so nobody can change a stored value through a reference, and what does
 * not survive encoding does not survive here either. Commits are "on disk" at the next microtask.
 */

import { decodeValue, encodeWrites } from "./encode.ts";
import { boundsOf, compareKeys } from "./key-order.ts";
import {
  type AnyKind,
  type Kind,
  type RangeOptions,
  StorageError,
  type Store,
  type Table,
  type Write,
} from "./store.ts";

export class MemoryStore implements Store {
  readonly #tables = new Map<string, SortedText>();
  #closed = false;

  /** `kinds` limits the tables; without it every kind is known. */
  constructor(kinds?: readonly AnyKind[]) {
    this.#known = kinds === undefined ? undefined : new Set(kinds.map((kind) => kind.name));
  }

  readonly #known: ReadonlySet<string> | undefined;

  table<T>(kind: Kind<T>): Table<T> {
    if (!this.#isKnown(kind.name)) throw new StorageError(`unknown kind ${kind.name}`);
    return tableOver(kind, this.#text(kind.name));
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (this.#closed) throw new StorageError("the store is closed");
    for (const write of encodeWrites(writes, (table) => this.#isKnown(table)))
      this.#text(write.table).set(write.key, write.text);
  }

  /** The content as JSON text: `{table: {key: encoded value}}`. `restore` reads it. */
  backup(): Uint8Array {
    const tables: Record<string, Record<string, string>> = {};
    for (const [name, text] of this.#tables) tables[name] = Object.fromEntries(text.all());
    return new TextEncoder().encode(JSON.stringify(tables));
  }

  /** Adds the content of a backup made by `backup`. */
  restore(bytes: Uint8Array): void {
    const tables: Record<string, Record<string, string>> = JSON.parse(
      new TextDecoder().decode(bytes),
    );
    for (const [name, values] of Object.entries(tables))
      for (const [key, text] of Object.entries(values)) this.#text(name).set(key, text);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #isKnown(table: string): boolean {
    return this.#known === undefined || this.#known.has(table);
  }

  #text(name: string): SortedText {
    let text = this.#tables.get(name);
    if (text === undefined) {
      text = new SortedText();
      this.#tables.set(name, text);
    }
    return text;
  }
}

function tableOver<T>(kind: Kind<T>, text: SortedText): Table<T> {
  return {
    get(key) {
      const found = text.get(key);
      return found === undefined ? undefined : decodeValue(kind, key, found);
    },
    has: (key) => text.get(key) !== undefined,
    entries: (range = {}) =>
      text.range(range).map(([key, value]) => [key, decodeValue(kind, key, value)] as const),
    count: (prefix = "") => text.range({ prefix }).length,
  };
}

/** Text by key with the keys in byte order; insertion is a binary search and one move. */
class SortedText {
  readonly #values = new Map<string, string>();
  readonly #keys: string[] = [];

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  set(key: string, text: string | undefined): void {
    if (text === undefined) {
      if (this.#values.delete(key)) this.#keys.splice(this.#lowerBound(key), 1);
      return;
    }
    if (!this.#values.has(key)) this.#keys.splice(this.#lowerBound(key), 0, key);
    this.#values.set(key, text);
  }

  range(range: RangeOptions): (readonly [string, string])[] {
    const bounds = boundsOf(range);
    let first = bounds.from === undefined ? 0 : this.#lowerBound(bounds.from);
    if (!bounds.fromInclusive && this.#keys[first] === bounds.from) first++;
    const end = bounds.to === undefined ? this.#keys.length : this.#lowerBound(bounds.to);
    const limit = range.limit ?? Number.POSITIVE_INFINITY;
    const keys =
      range.reverse === true
        ? this.#keys.slice(Math.max(first, end - limit), end).reverse()
        : this.#keys.slice(first, Math.min(end, first + limit));
    return keys.map((key) => [key, this.#values.get(key) ?? ""] as const);
  }

  all(): readonly (readonly [string, string])[] {
    return this.range({});
  }

  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] ?? "", key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
