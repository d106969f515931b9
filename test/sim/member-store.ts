/**
 * A member's database on a virtual disk: readable at once, durable after the disk's time, lost from there on at a crash.
 *
 * Commits become durable in order and whole or not at all, as the real store's log does; which of those under way survive
 * a crash in the middle is decided by the real store (`torn-tail.ts`). A failing disk rejects them and keeps nothing. What
 * the platter holds survives every start; a copy of it can be kept and put back.
 */

import { type EncodedWrite, encodeWrites } from "#storage/encode.ts";
import { MemoryStore } from "#storage/memory.ts";
import { type Kind, StorageError, type Store, type Table, type Write } from "#storage/store.ts";
import type { SimMember, World } from "./sim-member.ts";

/** What is on the disk: encoded values by table and key. */
export type Platter = Map<string, Map<string, string>>;

export function copyPlatter(platter: Platter): Platter {
  return new Map([...platter].map(([name, rows]) => [name, new Map(rows)]));
}

export class MemberStore implements Store {
  readonly #world: World;
  readonly #member: SimMember;
  readonly #boot: number;
  readonly #platter: Platter;
  readonly #live = new MemoryStore();
  #durableAt = 0;
  readonly #unsynced: (readonly EncodedWrite[])[] = [];

  constructor(world: World, member: SimMember, boot: number, platter: Platter) {
    this.#world = world;
    this.#member = member;
    this.#boot = boot;
    this.#platter = platter;
    const tables: Record<string, Record<string, string>> = {};
    for (const [name, rows] of platter) tables[name] = Object.fromEntries(rows);
    this.#live.restore(new TextEncoder().encode(JSON.stringify(tables)));
  }

  /** Commits not yet durable, oldest first. */
  get unsynced(): readonly (readonly EncodedWrite[])[] {
    return this.#unsynced;
  }

  table<T>(kind: Kind<T>): Table<T> {
    return this.#live.table(kind);
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (writes.length === 0) return;
    const { clock } = this.#world;
    const encoded = encodeWrites(writes, () => true);
    void this.#live.commit(writes);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#durableAt = Math.max(this.#durableAt, clock.now + this.#member.diskDelayMs);
    this.#unsynced.push(encoded);
    this.#member.writes();
    clock.at(this.#durableAt, () => {
      if (!this.#member.runs(this.#boot)) return;
      this.#unsynced.shift();
      const failed = this.#member.diskFails;
      if (!failed) for (const { table, key, text } of encoded) this.#put(table, key, text);
      this.#member.run(() => {
        if (failed) reject(new StorageError("disk is full"));
        else resolve();
      });
    });
    return promise;
  }

  backup(): Uint8Array {
    return this.#live.backup();
  }

  async close(): Promise<void> {
    await this.#live.close();
  }

  #put(table: string, key: string, text: string | undefined): void {
    let rows = this.#platter.get(table);
    if (rows === undefined) {
      rows = new Map();
      this.#platter.set(table, rows);
    }
    if (text === undefined) rows.delete(key);
    else rows.set(key, text);
  }
}
