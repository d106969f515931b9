/**
 * A number of places for things that go on at once; whoever finds none waits, first come first served.
 */

export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** `max` places, at least 1. */
  constructor(max: number) {
    this.#free = Math.max(1, max);
  }

  /** Runs with a place. Rejects with the signal's reason when it is aborted while waiting. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void => {
      const at = this.#waiting.indexOf(take);
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(signal.reason);
    };
    const take = (): void => {
      signal.removeEventListener("abort", abort);
      resolve();
    };
    if (signal.aborted) {
      reject(signal.reason);
    } else {
      this.#waiting.push(take);
      signal.addEventListener("abort", abort, { once: true });
    }
    return promise;
  }
}
