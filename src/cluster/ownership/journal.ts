/**
 * What must reach the disk, and which published events are safe.
 *
 * Writes are collected between flushes; an event that is settled before its row was written needs no row at all. An
 * event is *safe* when its row is on disk, another owner holds it, or it is settled. `settled()` waits per generation:
 * closing one and asking whether all events up to it are safe. Source: reference gossip.md §14.7.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { CompletionRow } from "./completions.ts";
import type { Held } from "./held.ts";

/** A row of the store to be put or removed. */
export type StoredWrite =
  | {
      readonly kind: "put-pending";
      readonly key: string;
      readonly event: AlertEvent;
      readonly local: boolean;
      /** Handlers not finished with; absent = all. */
      readonly left?: readonly string[];
    }
  | { readonly kind: "remove-pending"; readonly key: string }
  | {
      readonly kind: "put-completions";
      readonly row: CompletionRow;
      /** Other members know them, too: they need not be on disk at once. */
      readonly mayWait: boolean;
    }
  | { readonly kind: "remove-completions"; readonly topic: string; readonly id: string };

/** Who else has a completion: nobody may, others are being told, or they told this member. */
export type Spread = "alone" | "shared" | "heard";

export class Journal {
  readonly #boot: string;
  #rows = 0;
  #writes = new Map<string, StoredWrite>();
  /** Completions that others told of, and have; kept back to be written together. */
  readonly #heard = new Map<string, StoredWrite>();
  /** Events whose rows are among `#writes`. */
  #unwritten = new Set<Held>();
  /** Written but not yet durable, by commit number. */
  readonly #committing = new Map<number, readonly Held[]>();
  #generation = 1;
  /** Unsafe events per generation. */
  readonly #unsafe = new Map<number, number>();

  constructor(boot: string) {
    this.#boot = boot;
  }

  /** A published event that `settled()` has to wait for. */
  expect(held: Held): void {
    held.unsafe = this.#generation;
    this.#unsafe.set(this.#generation, (this.#unsafe.get(this.#generation) ?? 0) + 1);
  }

  markSafe(held: Held): void {
    const generation = held.unsafe;
    if (generation === 0) return;
    held.unsafe = 0;
    const left = (this.#unsafe.get(generation) ?? 1) - 1;
    if (left === 0) this.#unsafe.delete(generation);
    else this.#unsafe.set(generation, left);
  }

  /** Starts a new generation; returns the one just closed. */
  closeGeneration(): number {
    return this.#generation++;
  }

  /** Are all events of this generation and the earlier ones safe? */
  isSafe(generation: number): boolean {
    for (const open of this.#unsafe.keys()) if (open <= generation) return false;
    return true;
  }

  /** Gives a held event its row on disk, under a key that no other start of a member uses. */
  putPending(held: Held): void {
    if (held.row !== "") return;
    const { event, local } = held;
    held.row = `${this.#boot} ${++this.#rows}`;
    this.#writes.set(held.row, { kind: "put-pending", key: held.row, event, local });
    this.#unwritten.add(held);
  }

  /** Some handlers of the event are finished with: after a crash they must not be told again. */
  updatePending(held: Held): void {
    if (held.row === "") return;
    const { event, local, row: key } = held;
    const left = held.works.map((work) => work.handler);
    this.#writes.set(key, { kind: "put-pending", key, event, local, left });
  }

  removePending(held: Held): void {
    if (held.row === "") return;
    if (this.#unwritten.delete(held)) this.#writes.delete(held.row);
    else this.removeRow(held.row);
    held.row = "";
  }

  /** Removes a row that an earlier start wrote. */
  removeRow(key: string): void {
    this.#writes.set(key, { kind: "remove-pending", key });
  }

  /** What was heard is written only after `releaseHeard`, unless the same completions are to be written anyway. */
  putCompletions(row: CompletionRow, spread: Spread): void {
    const key = completionsKey(row.topic, row.id);
    const before = this.#writes.get(key);
    const isUrgent = before?.kind === "put-completions" && !before.mayWait;
    const write = {
      kind: "put-completions",
      row,
      mayWait: spread !== "alone" && !isUrgent,
    } as const;
    if (spread === "heard" && before === undefined) {
      this.#heard.set(key, write);
      return;
    }
    this.#heard.delete(key);
    this.#writes.set(key, write);
  }

  removeCompletions(topic: string, id: string): void {
    const key = completionsKey(topic, id);
    this.#heard.delete(key);
    this.#writes.set(key, { kind: "remove-completions", topic, id });
  }

  /** How many rows are kept back. */
  get heard(): number {
    return this.#heard.size;
  }

  /** What was kept back is to be written now. */
  releaseHeard(): void {
    for (const [key, write] of this.#heard) this.#writes.set(key, write);
    this.#heard.clear();
  }

  /** The collected writes, to be committed together under this number; `undefined` when there are none. */
  take(number: number): readonly StoredWrite[] | undefined {
    if (this.#writes.size === 0) return undefined;
    const writes = [...this.#writes.values()];
    this.#committing.set(number, [...this.#unwritten]);
    this.#writes = new Map();
    this.#unwritten = new Set();
    return writes;
  }

  /** The commit ended. Failed ones count as safe too: whoever waited was told of the failure. */
  written(number: number): void {
    for (const held of this.#committing.get(number) ?? []) this.markSafe(held);
    this.#committing.delete(number);
  }
}

function completionsKey(topic: string, id: string): string {
  return `completions ${JSON.stringify([topic, id])}`;
}
