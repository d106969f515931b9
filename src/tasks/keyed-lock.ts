/**
 * One change at a time per definition.
 *
 * Storing, stopping and starting a task takes several steps with waits between them; two requests for
 * the same task must not interleave, while different tasks go on side by side. Holders of several keys
 * take them in sorted order, so no two can wait for each other.
 */

import { failed } from "./task-error.ts";

/** Requests waiting for one key; the next one is refused with an error that says so. */
export const WAITERS_PER_KEY_MAX = 256;

export class KeyedLock {
  readonly #tails = new Map<string, { last: Promise<unknown>; waiting: number }>();

  /** Runs `work` when everything earlier on any of these keys has ended; passes on its result or error. */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const [key, ...rest] = [...new Set(keys)].sort();
    if (key === undefined) return work();
    const tail = this.#tails.get(key) ?? { last: Promise.resolve(), waiting: 0 };
    if (tail.waiting >= WAITERS_PER_KEY_MAX) {
      throw failed(`too many changes of ${key} are waiting, at most ${WAITERS_PER_KEY_MAX} may`);
    }
    this.#tails.set(key, tail);
    tail.waiting++;
    const mine = tail.last.then(() => this.run(rest, work));
    tail.last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      tail.waiting--;
      if (tail.waiting === 0) this.#tails.delete(key);
    }
  }
}
