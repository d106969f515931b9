/**
 * Keys of events settled lately, so that a late copy is recognised, and its sender told what was done.
 *
 * The completion table cannot answer that: it knows only the newest event of an ID, and nothing of events without
 * handlers. Events that were dropped because another producer had said the same are marked: raised by yet another one,
 * they may be news.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import { RECENT_KEYS_MAX } from "./limits.ts";
import type { Before } from "./notices.ts";

/** Told to nobody, because another producer had said the same before. */
const DROPPED: readonly string[] = [];
const NONE: readonly string[] = [];

export class RecentKeys {
  readonly #isOverruled: (event: AlertEvent, producer: MemberId, before: Before) => boolean;
  /** Key → handlers told. */
  readonly #keys = new Map<string, readonly string[]>();

  /** `isOverruled`: is what was dropped for another producer's sake news when this one raises it? */
  constructor(isOverruled: (event: AlertEvent, producer: MemberId, before: Before) => boolean) {
    this.#isOverruled = isOverruled;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** The handlers that were told of it. */
  toldOf(key: string): readonly string[] {
    return this.#keys.get(key) ?? NONE;
  }

  /** Settled lately? What was dropped for one producer's sake may be news when another one raises it. */
  isSettled(key: string, event: AlertEvent, producer: MemberId, before: Before): boolean {
    const told = this.#keys.get(key);
    if (told !== DROPPED || !this.#isOverruled(event, producer, before)) return told !== undefined;
    this.#keys.delete(key);
    return false;
  }

  rememberDropped(key: string): void {
    this.remember(key, DROPPED);
  }

  remember(key: string, told: readonly string[]): void {
    if (this.#keys.size >= RECENT_KEYS_MAX) {
      // Half at once: deleting first keys one by one grows slow with the size of the map.
      let drop = RECENT_KEYS_MAX / 2;
      for (const old of this.#keys.keys()) {
        if (drop-- <= 0) break;
        this.#keys.delete(old);
      }
    }
    this.#keys.set(key, told);
  }
}
