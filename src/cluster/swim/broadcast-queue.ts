/**
 * Facts waiting to ride on packets. One entry per subject; a newer fact replaces the older one.
 *
 * A packet is filled from the fewest-sent entries, newest first among equals. Entries live in one list
 * per send count, so filling needs no sorting: an entry sent once moves to the next list. Replaced
 * entries stay in their list until met, or until they are more than those that wait. An entry sent `limit` times is
 * done: the limit makes it likely (1 − 0.001 / n) that everybody knows (gossip.md §8).
 */

import { QUEUE_EXTRA } from "../limits.ts";
import type { ByteWriter } from "../messages/bytes.ts";

/** Sends after which a fact is left to syncs, for `members` members with self. */
export function sendLimit(members: number): number {
  return members < 5 ? 6 : Math.ceil(Math.log(members) + 7);
}

/**
 * What kind of news: a membership fact, a hint that may be dropped, or a fact read in somebody's whole table, which
 * others therefore know and spread already.
 */
export type NewsKind = "fact" | "note" | "from-table";

/** A fact from a table gets one round of gossip: enough to start an epidemic where it is news. */
const FROM_TABLE_SENDS = 3;

/** Gone entries beyond the waiting ones that may stay in the lists. */
const SWEEP_EXTRA = 64;

interface Item {
  readonly subject: string;
  /** The whole framed record. */
  readonly bytes: Uint8Array;
  readonly kind: NewsKind;
  sends: number;
  gone: boolean;
}

export class BroadcastQueue {
  readonly #items = new Map<string, Item>();
  /** By number of sends; items that are gone or have moved on are skipped and dropped. */
  readonly #lists: Item[][] = [];
  #notes = 0;
  /** No more entries than this in the lists do not wait any more; those met since the last sweep are counted, too. */
  #gone = 0;
  /** No waiting record is shorter than this, so fuller packets are not searched further. */
  #smallest = Number.POSITIVE_INFINITY;
  /** No waiting record is longer than this. */
  #largest = 0;
  /** Taken by the fill that is running. */
  readonly #moved: Item[] = [];

  get size(): number {
    return this.#items.size;
  }

  /** Entries kept: those that wait and replaced ones that were not dropped yet; at most twice the former and a few. */
  get kept(): number {
    return this.#lists.reduce((sum, list) => sum + list.length, 0);
  }

  has(subject: string): boolean {
    return this.#items.has(subject);
  }

  /**
   * Queues a fact. Beyond 4 × members + 1,024 entries the most-sent note is dropped; membership facts
   * never are. Returns how many notes were dropped (0 or 1).
   */
  put(subject: string, bytes: Uint8Array, kind: NewsKind, members: number): number {
    this.remove(subject);
    if (this.#gone > this.#items.size + SWEEP_EXTRA) this.#sweep();
    const { length } = bytes;
    const isFirst = this.#items.size === 0;
    this.#smallest = isFirst ? length : Math.min(this.#smallest, length);
    this.#largest = isFirst ? length : Math.max(this.#largest, length);
    const item: Item = { subject, bytes, kind, sends: 0, gone: false };
    this.#items.set(subject, item);
    if (kind === "note") this.#notes++;
    this.#list(0).push(item);
    if (this.#items.size <= 4 * members + QUEUE_EXTRA || this.#notes === 0) return 0;
    this.#dropNote();
    return 1;
  }

  remove(subject: string): void {
    const item = this.#items.get(subject);
    if (item === undefined) return;
    item.gone = true;
    this.#items.delete(subject);
    if (item.kind === "note") this.#notes--;
    this.#gone++;
  }

  clear(): void {
    this.#items.clear();
    this.#lists.length = 0;
    this.#notes = 0;
    this.#gone = 0;
  }

  /** Appends records while they fit below `end`; returns how many. */
  fill(to: ByteWriter, end: number, limit: number): number {
    for (let sends = this.#lists.length - 1; sends >= limit; sends--) this.#finish(sends);
    // From the fewest-sent list up; items that are sent move up, so the bound is read once.
    const lists = Math.min(limit, this.#lists.length);
    const moved = this.#moved;
    for (let sends = 0; sends < lists && end - to.at >= this.#smallest; sends++) {
      this.#take(this.#lists[sends] as Item[], to, end);
    }
    const filled = moved.length;
    for (let i = filled - 1; i >= 0; i--) this.#sent(moved[i] as Item, limit);
    moved.length = 0;
    return filled;
  }

  /** Moves what fits from the end of a list, the newest, into the packet; touches no more of it than needed. */
  #take(list: Item[], to: ByteWriter, end: number): void {
    let from = list.length;
    while (from > 0 && end - to.at >= this.#smallest) {
      const item = list[--from] as Item;
      if (item.gone || to.at + item.bytes.length > end) continue;
      to.raw(item.bytes);
      this.#moved.push(item);
      list[from] = GONE;
    }
    let kept = from;
    for (let i = from; i < list.length; i++) {
      const item = list[i] as Item;
      if (!item.gone) list[kept++] = item;
    }
    list.length = kept;
  }

  /** Facts too large for a datagram of `room` bytes; each is counted as sent once. */
  takeLarge(room: number, limit: number): Uint8Array[] {
    const out: Uint8Array[] = [];
    if (this.#largest <= room) return out;
    for (const item of this.#items.values()) {
      if (item.bytes.length <= room) continue;
      out.push(item.bytes);
      item.sends++;
      if (item.sends >= limit) this.remove(item.subject);
    }
    return out;
  }

  #sent(item: Item, limit: number): void {
    item.sends++;
    const most = item.kind === "from-table" ? FROM_TABLE_SENDS : limit;
    if (item.sends >= most) this.remove(item.subject);
    else this.#list(item.sends).push(item);
  }

  /** Everything sent that often is done; happens when the limit shrinks with the cluster. */
  #finish(sends: number): void {
    for (const item of this.#lists[sends] ?? []) {
      if (!item.gone && item.sends === sends) this.remove(item.subject);
    }
    this.#lists.length = sends;
  }

  /** Drops what is gone from all lists, whose order stays: a fact that changes often must not pile up. */
  #sweep(): void {
    this.#gone = 0;
    for (const list of this.#lists) {
      let kept = 0;
      for (const item of list) if (!item.gone) list[kept++] = item;
      list.length = kept;
    }
  }

  #dropNote(): void {
    for (let sends = this.#lists.length - 1; sends >= 0; sends--) {
      for (const item of this.#lists[sends] ?? []) {
        if (item.kind === "note" && !item.gone) {
          this.remove(item.subject);
          return;
        }
      }
    }
  }

  #list(sends: number): Item[] {
    while (this.#lists.length <= sends) this.#lists.push([]);
    return this.#lists[sends] as Item[];
  }
}

const GONE: Item = {
  subject: "",
  bytes: new Uint8Array(0),
  kind: "fact",
  sends: -1,
  gone: true,
};
