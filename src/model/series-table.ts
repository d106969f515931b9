/**
 * Interned series: one `Series` object per (db, rp, measurement, tag set), found by raw key bytes.
 *
 * Idea: senders repeat the same series in the same order. Every entry remembers which entry followed it
 * last time, so the usual look-up is one comparison of stored bytes with the input, word by word. When the
 * guess is wrong the bytes are hashed and looked up in an open-addressing table. Only an unknown key is
 * taken apart into strings. Different spellings of one series (tag order, escapes) are separate entries
 * that share one `Series`.
 *
 * Bounds: `keysMax` entries and `keyBytesMax` bytes over all databases. When either is reached the whole
 * table starts anew (counted in `restarts`): live series are interned again as they arrive, dead ones are
 * gone, and series objects held elsewhere stay valid; only identity and per-series caches are lost.
 */

import { compareBytes } from "#lib/json.ts";
import { formatKey } from "./line-protocol-format.ts";
import type { FieldLayout } from "./line-protocol-layout.ts";
import { Series, type SeriesHome } from "./series.ts";

/** Spellings of series kept at most; about 0.5 KB each with five tags. */
export const SERIES_KEYS_MAX = 2_000_000;
/** Bytes of stored keys at most. */
export const SERIES_KEY_BYTES_MAX = 512 * 1024 * 1024;
/** Measurements with a counter of their own; the rest share one named `OTHER_MEASUREMENTS` per (db, rp). */
export const MEASUREMENT_COUNTS_MAX = 100_000;
export const OTHER_MEASUREMENTS = "_other";
/** Tag strings shared between series; beyond, the pool starts anew (strings stay valid). */
const POOLED_STRINGS_MAX = 65_536;
/** Field layouts remembered per measurement, to be tried for a series seen first. */
const LAYOUTS_MAX = 8;
const PAGE_BYTES_FIRST = 4 * 1024;
const PAGE_BYTES = 256 * 1024;

/** Lines received of one measurement. The object lives as long as the table. */
export interface MeasurementCount {
  readonly db: string;
  readonly rp: string;
  readonly measurement: string;
  points: number;
}

/** What the entries of one measurement share. */
export interface Measurement extends SeriesHome {
  readonly count: MeasurementCount;
  /** Layouts seen lately, newest first, at most `LAYOUTS_MAX`. */
  readonly layouts: FieldLayout[];
  /** Number of its series. */
  series: number;
}

/** One spelling of a series. Used by the line-protocol reader only. */
export class SeriesEntry {
  readonly series: Series;
  readonly measurement: Measurement;
  /** The key's bytes are `view[at … at + length − 1]`. */
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
  /** False when the key holds `\\`, where line splitting and key scanning see different escapes. */
  readonly plain: boolean;
  /** The entry that followed this one last time. */
  next: SeriesEntry | undefined = undefined;
  /** The layout of this series' last line. */
  layout: FieldLayout | undefined = undefined;

  constructor(
    series: Series,
    measurement: Measurement,
    view: DataView,
    at: number,
    length: number,
    plain: boolean,
  ) {
    this.series = series;
    this.measurement = measurement;
    this.view = view;
    this.at = at;
    this.length = length;
    this.plain = plain;
  }
}

/** What a key means, see `parseKey` in line-protocol-line.ts. Tags in any order, no duplicates. */
export interface ParsedKey {
  readonly name: string;
  readonly tagKeys: readonly string[];
  readonly tagValues: readonly string[];
}

export interface SeriesTableOptions {
  readonly keysMax?: number;
  readonly keyBytesMax?: number;
  /** Start of the byte hash; give a random 32-bit number where senders are not trusted. */
  readonly seed?: number;
}

export class SeriesTable {
  readonly #keysMax: number;
  readonly #keyBytesMax: number;
  readonly #seed: number;
  readonly #counts = new Map<string, MeasurementCount>();
  #spaces = new Map<string, SeriesSpace>();
  #strings = new Map<string, string>();
  #tagKeys = new Map<string, readonly string[]>();
  #keys = 0;
  #bytes = 0;
  #restarts = 0;

  constructor(options: SeriesTableOptions = {}) {
    this.#keysMax = options.keysMax ?? SERIES_KEYS_MAX;
    this.#keyBytesMax = options.keyBytesMax ?? SERIES_KEY_BYTES_MAX;
    this.#seed = (options.seed ?? 0x2f0b4a27) | 0;
  }

  /** Spellings now in the table. */
  get keys(): number {
    return this.#keys;
  }

  /** How often the table was full and started anew. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Points received per measurement since the start, in order of first arrival. */
  counts(): readonly MeasurementCount[] {
    return [...this.#counts.values()];
  }

  /** The interned series of these tags; empty values are dropped. For inputs other than line protocol. */
  intern(db: string, rp: string, name: string, tags: Readonly<Record<string, string>>): Series {
    const tagKeys = Object.keys(tags).filter((key) => tags[key] !== "");
    const tagValues = tagKeys.map((key) => tags[key] as string);
    return this.space(db, rp).internKey({ name, tagKeys, tagValues }).series;
  }

  /** The part of the table for one database and retention policy. */
  space(db: string, rp: string): SeriesSpace {
    const key = `${db.length}:${db}${rp}`;
    let space = this.#spaces.get(key);
    if (space === undefined) {
      this.reserve(0);
      space = new SeriesSpace(this, db, rp, this.#seed);
      this.#spaces.set(key, space);
    }
    return space;
  }

  /**
   * Makes room for one more key; a full table starts anew. Bodies being read keep the space they hold until
   * they are done. A space counts as a key, so their number is bounded too.
   */
  reserve(bytes: number): void {
    if (this.#keys >= this.#keysMax || this.#bytes + bytes > this.#keyBytesMax) this.restart();
    this.#keys += 1;
    this.#bytes += bytes;
  }

  /** Starts anew: series that still live are interned again as they arrive. */
  restart(): void {
    this.#spaces = new Map();
    this.#tagKeys = new Map();
    this.#keys = 0;
    this.#bytes = 0;
    this.#restarts += 1;
  }

  countOf(db: string, rp: string, name: string): MeasurementCount {
    const scope = `${db.length}:${db}${rp.length}:${rp}`;
    const own = this.#counts.get(scope + name);
    if (own !== undefined) return own;
    const measurement = this.#counts.size >= MEASUREMENT_COUNTS_MAX ? OTHER_MEASUREMENTS : name;
    const key = scope + measurement;
    let count = this.#counts.get(key);
    if (count === undefined) {
      count = { db, rp, measurement, points: 0 };
      this.#counts.set(key, count);
    }
    return count;
  }

  /** One shared copy of a tag's text. */
  pool(text: string): string {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    if (this.#strings.size >= POOLED_STRINGS_MAX) this.#strings = new Map();
    this.#strings.set(text, text);
    return text;
  }

  /** One shared copy of a list of tag keys. */
  poolTagKeys(keys: readonly string[]): readonly string[] {
    const text = keys.join("\n");
    const known = this.#tagKeys.get(text);
    if (known?.length === keys.length && known.every((key, i) => key === keys[i])) return known;
    if (this.#tagKeys.size >= POOLED_STRINGS_MAX) this.#tagKeys = new Map();
    this.#tagKeys.set(text, keys);
    return keys;
  }
}

const encoder = new TextEncoder();

/** The series of one (db, rp). Readers hold it for one body; a restarted table drops its spaces. */
export class SeriesSpace {
  readonly #table: SeriesTable;
  readonly #db: string;
  readonly #rp: string;
  readonly #seed: number;
  readonly #measurements = new Map<string, Measurement>();
  #entries: SeriesEntry[] = [];
  #hashes = new Int32Array(64);
  /** Index into `#entries` plus one; 0 is free. Linear probing, at most half full. */
  #places = new Int32Array(64);
  #page = new DataView(new ArrayBuffer(0));
  #pageUsed = 0;
  /** Tag keys of the series made last, mostly those of the next one. */
  #lastTagKeys: readonly string[] = [];
  /** The entry of the last line read: its `next` is the first guess for the next body. */
  last: SeriesEntry | undefined = undefined;

  constructor(table: SeriesTable, db: string, rp: string, seed: number) {
    this.#table = table;
    this.#db = db;
    this.#rp = rp;
    this.#seed = seed;
  }

  /** The entry with exactly these key bytes, or `undefined`. */
  find(view: DataView, at: number, length: number): SeriesEntry | undefined {
    const hash = hashBytes(view, at, length, this.#seed);
    const mask = this.#places.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const place = this.#places[i] as number;
      if (place === 0) return undefined;
      if (this.#hashes[i] !== hash) continue;
      const entry = this.#entries[place - 1] as SeriesEntry;
      if (entry.length === length && sameBytes(entry.view, entry.at, view, at, length)) {
        return entry;
      }
    }
  }

  /** Adds the entry of a key that `find` does not know. The bytes are copied. */
  add(view: DataView, at: number, length: number, key: ParsedKey): SeriesEntry {
    if (isSorted(key.tagKeys) && isBare(view, at, length, key.tagKeys.length)) {
      return this.#insert(view, at, length, this.#makeSeries(key));
    }
    const main = this.internKey(key);
    const same = main.length === length && sameBytes(main.view, main.at, view, at, length);
    return same ? main : this.#insert(view, at, length, main.series);
  }

  /** The entry of a key under its canonical spelling, made when missing. */
  internKey(key: ParsedKey): SeriesEntry {
    const bytes = encoder.encode(formatKey(key.name, ...sortTags(key)));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return (
      this.find(view, 0, bytes.length) ?? this.#insert(view, 0, bytes.length, this.#makeSeries(key))
    );
  }

  #makeSeries(key: ParsedKey): Series {
    const table = this.#table;
    const [keys, values] = sortTags(key);
    if (!areEqual(keys, this.#lastTagKeys)) {
      this.#lastTagKeys = table.poolTagKeys(keys.map((text) => table.pool(text)));
    }
    const tagKeys = this.#lastTagKeys;
    const tagValues = values.map((text) => table.pool(text));
    const name = table.pool(key.name);
    const home = this.#measurement(name);
    return new Series(this.#db, this.#rp, name, tagKeys, tagValues, home, home.series++);
  }

  #measurement(name: string): Measurement {
    let measurement = this.#measurements.get(name);
    if (measurement === undefined) {
      measurement = {
        count: this.#table.countOf(this.#db, this.#rp, name),
        layouts: [],
        slots: [],
        series: 0,
      };
      this.#measurements.set(name, measurement);
    }
    return measurement;
  }

  #insert(view: DataView, at: number, length: number, series: Series): SeriesEntry {
    this.#table.reserve(length);
    const copyAt = this.#store(view, at, length);
    const plain = !hasDoubleBackslash(view, at, length);
    const measurement = this.#measurement(series.name);
    const entry = new SeriesEntry(series, measurement, this.#page, copyAt, length, plain);
    entry.layout = measurement.layouts[0];
    this.#entries.push(entry);
    if (this.#entries.length * 2 > this.#places.length) this.#grow();
    this.#place(hashBytes(view, at, length, this.#seed), this.#entries.length);
    return entry;
  }

  #store(view: DataView, at: number, length: number): number {
    if (this.#pageUsed + length > this.#page.byteLength) {
      const doubled = Math.max(PAGE_BYTES_FIRST, this.#page.byteLength * 2);
      const size = Math.max(length, Math.min(PAGE_BYTES, doubled));
      this.#page = new DataView(new ArrayBuffer(size));
      this.#pageUsed = 0;
    }
    const page = this.#page;
    const start = this.#pageUsed;
    // Byte by byte: the two views that the runtime's copy needs cost more.
    for (let i = 0; i < length; i++) page.setUint8(start + i, view.getUint8(at + i));
    this.#pageUsed += length;
    return start;
  }

  #place(hash: number, place: number): void {
    const mask = this.#places.length - 1;
    let i = hash & mask;
    while (this.#places[i] !== 0) i = (i + 1) & mask;
    this.#places[i] = place;
    this.#hashes[i] = hash;
  }

  #grow(): void {
    const [hashes, places] = [this.#hashes, this.#places];
    this.#places = new Int32Array(places.length * 2);
    this.#hashes = new Int32Array(this.#places.length);
    for (let i = 0; i < places.length; i++) {
      if (places[i] !== 0) this.#place(hashes[i] as number, places[i] as number);
    }
  }
}

/** Puts a layout first in its measurement's list of recent ones. */
export function rememberLayout(measurement: Measurement, layout: FieldLayout): void {
  const { layouts } = measurement;
  const at = layouts.indexOf(layout);
  if (at === 0) return;
  if (at > 0) layouts.splice(at, 1);
  layouts.unshift(layout);
  if (layouts.length > LAYOUTS_MAX) layouts.pop();
}

function sortTags(key: ParsedKey): [readonly string[], readonly string[]] {
  const { tagKeys, tagValues } = key;
  if (isSorted(tagKeys)) return [tagKeys, tagValues];
  const order = tagKeys.map((_, i) => i);
  order.sort((a, b) => compareBytes(tagKeys[a] as string, tagKeys[b] as string));
  return [order.map((i) => tagKeys[i] as string), order.map((i) => tagValues[i] as string)];
}

function areEqual(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function isSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) {
    if (compareBytes(keys[i - 1] as string, keys[i] as string) >= 0) return false;
  }
  return true;
}

/**
 * True for key bytes that can be spelled only this way when their tags are sorted: ASCII without escapes and
 * without an `=` besides one per tag.
 */
function isBare(view: DataView, at: number, length: number, tags: number): boolean {
  let equals = 0;
  for (let i = at; i < at + length; i++) {
    const byte = view.getUint8(i);
    if (byte > 127 || byte === BACKSLASH) return false;
    if (byte === EQUALS) equals += 1;
  }
  return equals === tags;
}

/** True when both runs of `length` bytes are equal. Both must lie within their views. */
export function sameBytes(
  a: DataView,
  aAt: number,
  b: DataView,
  bAt: number,
  length: number,
): boolean {
  const words = length - 3;
  let i = 0;
  for (; i < words; i += 4) {
    if (a.getInt32(aAt + i, true) !== b.getInt32(bAt + i, true)) return false;
  }
  for (; i < length; i++) {
    if (a.getUint8(aAt + i) !== b.getUint8(bAt + i)) return false;
  }
  return true;
}

function hashBytes(view: DataView, at: number, length: number, seed: number): number {
  let hash = seed ^ length;
  const words = length - 3;
  let i = 0;
  for (; i < words; i += 4) {
    hash = Math.imul(hash ^ view.getInt32(at + i, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; i < length; i++) hash = Math.imul(hash ^ view.getUint8(at + i), 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

const EQUALS = 61;
const BACKSLASH = 92;

function hasDoubleBackslash(view: DataView, at: number, length: number): boolean {
  for (let i = at + 1; i < at + length; i++) {
    if (view.getUint8(i) === BACKSLASH && view.getUint8(i - 1) === BACKSLASH) return true;
  }
  return false;
}
