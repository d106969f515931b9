/**
 * The completion table: per (topic, event ID, handler) the newest event the handler was told of, and by whom.
 *
 * Because nothing older than the newest completed event is ever sent (U15), that one stamp answers both questions: was
 * this done, and is it superseded. Merging takes the newer stamp, so tables converge in any order. Each change has a
 * sequence number, so that a peer that remembers the last one it saw asks only for what came later; an XOR digest tells
 * equal tables without listing them. Source: reference gossip.md §14.7, cluster-behaviour.md U14, U15, U20.
 */

import type { MemberId } from "../ports.ts";
import { COMPLETION_IDS_MAX } from "./limits.ts";
import type { CompletionEntry } from "./notices.ts";
import { digestOf } from "./ranking.ts";
import { compareStamps, type Stamp } from "./stamp.ts";

export interface Completion {
  readonly stamp: Stamp;
  readonly by: MemberId;
}

/** All completions of one event ID of a topic: the row that is stored. */
export interface CompletionRow {
  readonly topic: string;
  readonly id: string;
  readonly handlers: Readonly<Record<string, Completion>>;
}

interface Row {
  readonly topic: string;
  readonly id: string;
  readonly handlers: Map<string, Completion>;
  /** Sequence number of the last change. */
  changed: number;
}

export class Completions {
  readonly #takesOlder: boolean;
  readonly #rows = new Map<string, Row>();
  /** Rows in order of change; a row that changed later appears again, and the earlier mention is void. */
  #log: { readonly row: Row; readonly sequence: number }[] = [];
  #sequence = 0;
  #digest = 0n;
  #evictFrom = 0;

  /** `takesOlder` is a fault for tests to find. */
  constructor(takesOlder = false) {
    this.#takesOlder = takesOlder;
  }

  get size(): number {
    return this.#rows.size;
  }

  get sequence(): number {
    return this.#sequence;
  }

  get digest(): string {
    return this.#digest.toString(16);
  }

  last(topic: string, id: string, handler: string): Completion | undefined {
    return this.#rows.get(rowKey(topic, id))?.handlers.get(handler);
  }

  /** Takes the entry if it is newer than what is known; true when it was. */
  merge(entry: CompletionEntry): boolean {
    const key = rowKey(entry.topic, entry.id);
    let row = this.#rows.get(key);
    const known = row?.handlers.get(entry.handler);
    if (known !== undefined && !isNewer(entry, known) && !this.#takesOlder) return false;
    if (row === undefined) {
      row = { topic: entry.topic, id: entry.id, handlers: new Map(), changed: 0 };
      this.#rows.set(key, row);
    }
    if (known !== undefined) this.#digest ^= hashOf(row, entry.handler, known);
    const completion = { stamp: entry.stamp, by: entry.by };
    row.handlers.set(entry.handler, completion);
    this.#digest ^= hashOf(row, entry.handler, completion);
    row.changed = ++this.#sequence;
    this.#log.push({ row, sequence: row.changed });
    this.#compact();
    return true;
  }

  row(topic: string, id: string): CompletionRow | undefined {
    const row = this.#rows.get(rowKey(topic, id));
    if (row === undefined) return undefined;
    return { topic, id, handlers: Object.fromEntries(row.handlers) };
  }

  /** Drops all rows of a topic; returns their IDs. */
  forget(topic: string): readonly string[] {
    const ids: string[] = [];
    for (const row of this.#rows.values()) if (row.topic === topic) ids.push(row.id);
    for (const id of ids) this.#delete(topic, id);
    return ids;
  }

  /** While there are too many rows: the longest unchanged one, removed; `undefined` when within bounds. */
  evict(): CompletionRow | undefined {
    if (this.#rows.size <= COMPLETION_IDS_MAX) return undefined;
    for (;;) {
      const oldest = this.#log[this.#evictFrom];
      if (oldest === undefined) return undefined;
      this.#evictFrom++;
      if (!this.#isCurrent(oldest)) continue;
      const { topic, id } = oldest.row;
      const removed = this.row(topic, id);
      this.#delete(topic, id);
      return removed;
    }
  }

  /**
   * Entries changed after `since` and, if `before` is not 0, before it; newest first, at most `max` rows. `next` is
   * where to go on, 0 when that was all.
   */
  page(options: {
    readonly since: number;
    readonly before: number;
    readonly max: number;
    readonly wanted: (row: { readonly topic: string }) => boolean;
  }): { readonly entries: readonly CompletionEntry[]; readonly next: number } {
    const entries: CompletionEntry[] = [];
    let rows = 0;
    for (let i = this.#log.length - 1; i >= this.#evictFrom; i--) {
      const item = this.#log[i];
      if (item === undefined || item.sequence <= options.since) break;
      if (options.before !== 0 && item.sequence >= options.before) continue;
      if (!this.#isCurrent(item) || !options.wanted(item.row)) continue;
      if (rows === options.max) return { entries, next: item.sequence + 1 };
      rows++;
      const { topic, id, handlers } = item.row;
      for (const [handler, { stamp, by }] of handlers) {
        entries.push({ topic, id, handler, stamp, by });
      }
    }
    return { entries, next: 0 };
  }

  #delete(topic: string, id: string): void {
    const row = this.#rows.get(rowKey(topic, id));
    if (row === undefined) return;
    for (const [handler, completion] of row.handlers) {
      this.#digest ^= hashOf(row, handler, completion);
    }
    row.changed = 0;
    this.#rows.delete(rowKey(topic, id));
  }

  #isCurrent(item: { readonly row: Row; readonly sequence: number }): boolean {
    return item.row.changed === item.sequence;
  }

  #compact(): void {
    if (this.#log.length < 1024 || this.#log.length < 4 * this.#rows.size) return;
    this.#log = this.#log.filter((item) => this.#isCurrent(item));
    this.#evictFrom = 0;
  }
}

/** Key of a row in memory and in the store. */
export function rowKey(topic: string, id: string): string {
  return JSON.stringify([topic, id]);
}

/** Newer stamp wins; equal stamps are the same event, and the smaller member ID is kept so that tables are equal. */
function isNewer(entry: Completion, known: Completion): boolean {
  const order = compareStamps(entry.stamp, known.stamp);
  return order > 0 || (order === 0 && entry.by < known.by);
}

function hashOf(row: Row, handler: string, { stamp, by }: Completion): bigint {
  const { ms, ns, level } = stamp;
  return digestOf(row.topic, row.id, handler, `${ms}.${ns}.${level}`, by);
}
