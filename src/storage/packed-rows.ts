/**
 * Rows that come many at a time and go soon, as unsettled alerts do: what a commit puts is stored as one row, a *pack*, and
 * what is removed of it is noted beside it until nothing is left.
 *
 * A row of its own would change a page of the file when it comes and others when it goes. Which key is in which pack is
 * known in memory; removals are written once per flush, those of a pack together. Packs of which little is left are packed
 * anew when they waste too much. Rows that an earlier release wrote one by one stay in the kind's table until they go.
 */

import { boundsOf, compareKeys } from "./key-order.ts";
import { DEAD_LENGTH_MAX, PACK_LENGTH_MAX, PACK_ROWS_MAX, REPACK_LENGTH_MAX } from "./limits.ts";
import type { RangeOptions } from "./store.ts";

export type Row = { readonly key: string; readonly value: string };

/** The open database; both throw what it throws. */
export interface Sql {
  run(sql: string, parameters: string[]): void;
  read(sql: string, parameters: string[]): readonly Row[];
}

interface Pack {
  readonly id: number;
  readonly keys: readonly string[];
  /** Of the texts, in UTF-16 units. */
  readonly lengths: readonly number[];
  readonly length: number;
  /** Places of the rows that were removed. */
  readonly gone: Set<number>;
  /** Length of the rows that were not. */
  live: number;
  /** Something is noted beside it. */
  noted: boolean;
}

interface Place {
  readonly pack: Pack;
  readonly at: number;
}

/** What the commit under way did in memory. */
type Step =
  | { readonly kind: "packed"; readonly pack: Pack }
  | { readonly kind: "gone"; readonly key: string; readonly place: Place }
  | { readonly kind: "single"; readonly key: string };

/** The tables beside that of the kind. */
export function packTables(kind: string): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS "${kind}_packs" (id INTEGER PRIMARY KEY, rows TEXT NOT NULL)`,
    `CREATE TABLE IF NOT EXISTS "${kind}_gone" (id INTEGER PRIMARY KEY, places TEXT NOT NULL)`,
  ];
}

export class PackedRows {
  readonly #kind: string;
  readonly #sql: Sql;
  #loaded = false;
  readonly #packs = new Map<number, Pack>();
  readonly #places = new Map<string, Place>();
  /** Keys of rows that an earlier release wrote. */
  readonly #singles = new Set<string>();
  /** Packs whose removals are not written yet. */
  readonly #dirty = new Set<Pack>();
  #puts = new Map<string, string>();
  #steps: Step[] = [];
  #nextId = 1;
  #length = 0;
  #live = 0;

  constructor(kind: string, sql: Sql) {
    this.#kind = kind;
    this.#sql = sql;
  }

  /** Takes a change of the commit under way; `text` undefined removes. */
  write(key: string, text: string | undefined): void {
    this.#load();
    if (text !== undefined) {
      this.#puts.set(key, text);
      return;
    }
    this.#puts.delete(key);
    this.#remove(key);
  }

  /** The commit is complete: what it puts is packed. After a throw call `undo`. */
  apply(): void {
    if (this.#puts.size > 0) this.#pack(this.#puts);
    this.#puts = new Map();
  }

  /** The next commit begins: the one before is no longer taken back by itself. */
  begin(): void {
    this.#steps = [];
  }

  /** Forgets what was taken since `begin`; the database has forgotten it already. */
  undo(): void {
    this.#puts = new Map();
    for (const step of this.#steps.reverse()) this.#takeBack(step);
    this.#steps = [];
  }

  /** The database went back to what it was before this transaction. */
  reset(): void {
    this.#loaded = false;
    this.#dirty.clear();
    this.#puts = new Map();
    this.#steps = [];
  }

  /** Writes what was removed; to be called before the transaction ends. */
  flush(): void {
    if (this.#dirty.size === 0) return;
    this.#repack();
    for (const pack of this.#dirty) this.#note(pack);
    this.#dirty.clear();
    this.#steps = [];
  }

  has(key: string): boolean {
    this.#load();
    return this.#places.has(key) || this.#singles.has(key);
  }

  get(key: string): string | undefined {
    this.#load();
    if (this.#singles.has(key)) {
      const find = `SELECT key, value FROM "${this.#kind}" WHERE key = ?`;
      return this.#sql.read(find, [key])[0]?.value;
    }
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#rowsOf(place.pack).get(key);
  }

  count(prefix: string): number {
    this.#load();
    let count = 0;
    for (const keys of [this.#places.keys(), this.#singles.keys()]) {
      for (const key of keys) if (key.startsWith(prefix)) count++;
    }
    return count;
  }

  /** Every row is read, whatever the range. */
  range(range: RangeOptions): readonly (readonly [key: string, text: string])[] {
    this.#load();
    const { from, fromInclusive, to } = boundsOf(range);
    const all = this.#sql.read(`SELECT key, value FROM "${this.#kind}"`, []);
    const rows = all.map(({ key, value }) => [key, value] as const);
    for (const pack of this.#packs.values()) rows.push(...this.#rowsOf(pack));
    const isIn = ([key]: readonly [string, string]): boolean => {
      const low = from === undefined ? 1 : compareKeys(key, from);
      return (
        (low > 0 || (low === 0 && fromInclusive)) && (to === undefined || compareKeys(key, to) < 0)
      );
    };
    const found = rows.filter(isIn).sort(([a], [b]) => compareKeys(a, b));
    if (range.reverse === true) found.reverse();
    return found.slice(0, range.limit);
  }

  #remove(key: string): void {
    const place = this.#places.get(key);
    if (place !== undefined) this.#takeOut(key, place);
    else if (this.#singles.delete(key)) {
      this.#steps.push({ kind: "single", key });
      this.#sql.run(`DELETE FROM "${this.#kind}" WHERE key = ?`, [key]);
    }
  }

  #takeOut(key: string, place: Place): void {
    const { pack, at } = place;
    const length = pack.lengths[at] ?? 0;
    this.#places.delete(key);
    pack.gone.add(at);
    pack.live -= length;
    this.#live -= length;
    this.#dirty.add(pack);
    this.#steps.push({ kind: "gone", key, place });
  }

  #takeBack(step: Step): void {
    if (step.kind === "single") this.#singles.add(step.key);
    else if (step.kind === "packed") this.#forget(step.pack);
    else {
      const { pack, at } = step.place;
      const length = pack.lengths[at] ?? 0;
      this.#places.set(step.key, step.place);
      pack.gone.delete(at);
      pack.live += length;
      this.#live += length;
    }
  }

  #pack(rows: ReadonlyMap<string, string>): void {
    let part = new Map<string, string>();
    let length = 0;
    for (const [key, text] of rows) {
      const isFull = part.size >= PACK_ROWS_MAX || length + text.length > PACK_LENGTH_MAX;
      if (isFull && part.size > 0) {
        this.#store(part);
        part = new Map();
        length = 0;
      }
      part.set(key, text);
      length += text.length;
    }
    this.#store(part);
  }

  #store(rows: ReadonlyMap<string, string>): void {
    const keys = [...rows.keys()];
    const texts = [...rows.values()];
    const lengths = texts.map((text) => text.length);
    const id = this.#nextId++;
    this.#sql.run(`INSERT INTO "${this.#kind}_packs" (id, rows) VALUES (?, ?)`, [
      String(id),
      `${JSON.stringify([keys, lengths])}\n${texts.join("")}`,
    ]);
    for (const key of keys) this.#remove(key);
    this.#steps.push({ kind: "packed", pack: this.#add(id, keys, lengths, []) });
  }

  #add(
    id: number,
    keys: readonly string[],
    lengths: readonly number[],
    places: readonly number[],
  ): Pack {
    const length = lengths.reduce((sum, one) => sum + one, 0);
    const gone = new Set(places);
    const pack: Pack = { id, keys, lengths, length, gone, live: 0, noted: places.length > 0 };
    keys.forEach((key, at) => {
      if (gone.has(at)) return;
      this.#places.set(key, { pack, at });
      pack.live += lengths[at] ?? 0;
    });
    this.#packs.set(id, pack);
    this.#length += length;
    this.#live += pack.live;
    return pack;
  }

  #forget(pack: Pack): void {
    this.#packs.delete(pack.id);
    this.#dirty.delete(pack);
    this.#length -= pack.length;
    this.#live -= pack.live;
    for (const key of pack.keys) {
      if (this.#places.get(key)?.pack === pack) this.#places.delete(key);
    }
  }

  #note(pack: Pack): void {
    const id = String(pack.id);
    if (pack.gone.size === pack.keys.length) {
      this.#sql.run(`DELETE FROM "${this.#kind}_packs" WHERE id = ?`, [id]);
      if (pack.noted) this.#sql.run(`DELETE FROM "${this.#kind}_gone" WHERE id = ?`, [id]);
      this.#packs.delete(pack.id);
      this.#length -= pack.length;
      return;
    }
    const places = JSON.stringify([...pack.gone]);
    const sql = `INSERT OR REPLACE INTO "${this.#kind}_gone" (id, places) VALUES (?, ?)`;
    this.#sql.run(sql, [id, places]);
    pack.noted = true;
  }

  /** Where more is wasted than held, what is left of some packs moves together; a little per flush. */
  #repack(): void {
    let moved = 0;
    for (const pack of this.#packs.values()) {
      const dead = this.#length - this.#live;
      if (dead <= DEAD_LENGTH_MAX || dead <= this.#live || moved > REPACK_LENGTH_MAX) return;
      if (pack.gone.size === 0 || pack.live === 0) continue;
      moved += pack.live;
      this.#pack(this.#rowsOf(pack));
    }
  }

  /** What is left of a pack. */
  #rowsOf(pack: Pack): ReadonlyMap<string, string> {
    const find = `SELECT '' AS key, rows AS value FROM "${this.#kind}_packs" WHERE id = ?`;
    const text = this.#sql.read(find, [String(pack.id)])[0]?.value ?? "";
    const rows = new Map<string, string>();
    let start = text.indexOf("\n") + 1;
    pack.keys.forEach((key, at) => {
      const end = start + (pack.lengths[at] ?? 0);
      if (!pack.gone.has(at)) rows.set(key, text.slice(start, end));
      start = end;
    });
    return rows;
  }

  #load(): void {
    if (this.#loaded) return;
    const name = this.#kind;
    this.#packs.clear();
    this.#places.clear();
    this.#dirty.clear();
    this.#singles.clear();
    [this.#length, this.#live] = [0, 0];
    for (const { key } of this.#sql.read(`SELECT key, '' AS value FROM "${name}"`, [])) {
      this.#singles.add(key);
    }
    const gone = new Map(
      this.#sql
        .read(`SELECT CAST(id AS TEXT) AS key, places AS value FROM "${name}_gone"`, [])
        .map(({ key, value }) => [key, JSON.parse(value) as readonly number[]]),
    );
    const heads = `SELECT CAST(id AS TEXT) AS key, substr(rows, 1, instr(rows, char(10)) - 1) AS value
       FROM "${name}_packs" ORDER BY id`;
    for (const { key, value } of this.#sql.read(heads, [])) {
      const [keys, lengths] = JSON.parse(value) as readonly [readonly string[], readonly number[]];
      this.#add(Number(key), keys, lengths, gone.get(key) ?? []);
      this.#nextId = Number(key) + 1;
    }
    this.#loaded = true;
  }
}
