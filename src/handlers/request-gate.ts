/**
 * How many requests handlers may have under way at once, in all and to one receiver.
 *
 * The runtime runs at most 256 requests of the whole process side by side and lets the others wait in one line. Without
 * a gate the requests that one hung receiver keeps open would in time hold up every other handler, and writes to
 * InfluxDB too. With it a hung receiver fills its own share and no more. Who waits, waits in the order of coming,
 * until the attempt's time limit ends the wait.
 */

import { ORIGIN_REQUESTS_MAX, REQUESTS_MAX } from "./limits.ts";

interface Origin {
  active: number;
  readonly waiting: Set<() => void>;
}

export class RequestGate {
  readonly #origins = new Map<string, Origin>();
  /** Those with waiters, in the order in which they get the next free place. */
  readonly #line = new Set<Origin>();
  readonly #max: number;
  readonly #originMax: number;
  #active = 0;

  constructor(max = REQUESTS_MAX, originMax = ORIGIN_REQUESTS_MAX) {
    this.#max = max;
    this.#originMax = originMax;
  }

  /**
   * Takes a place, now (`undefined`) or when the promise resolves; give it back by `leave`. Throws, or rejects with, the
   * signal's reason, and there is then no place to give back.
   */
  enter(name: string, signal: AbortSignal): Promise<void> | undefined {
    signal.throwIfAborted();
    const origin = this.#origin(name);
    if (origin.waiting.size > 0 || !this.#mayStart(origin)) return this.#wait(name, origin, signal);
    this.#start(origin);
    return undefined;
  }

  leave(name: string): void {
    const origin = this.#origins.get(name);
    if (origin === undefined) return;
    origin.active--;
    this.#active--;
    this.#forget(name, origin);
    this.#startWaiting();
  }

  get counts(): { readonly active: number; readonly waiting: number; readonly origins: number } {
    let waiting = 0;
    for (const origin of this.#line) waiting += origin.waiting.size;
    return { active: this.#active, waiting, origins: this.#origins.size };
  }

  #wait(name: string, origin: Origin, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = (): void => {
        origin.waiting.delete(begin);
        if (origin.waiting.size === 0) this.#line.delete(origin);
        this.#forget(name, origin);
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      origin.waiting.add(begin);
      this.#line.add(origin);
    });
  }

  #origin(name: string): Origin {
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      origin = { active: 0, waiting: new Set() };
      this.#origins.set(name, origin);
    }
    return origin;
  }

  #mayStart(origin: Origin): boolean {
    return this.#active < this.#max && origin.active < this.#originMax;
  }

  #start(origin: Origin): void {
    origin.active++;
    this.#active++;
  }

  /** One per origin in turn, so that a crowd before one receiver does not hold up the others. */
  #startWaiting(): void {
    for (const origin of this.#line) {
      if (this.#active >= this.#max) return;
      const [begin] = origin.waiting;
      if (begin === undefined || !this.#mayStart(origin)) continue;
      origin.waiting.delete(begin);
      this.#line.delete(origin);
      if (origin.waiting.size > 0) this.#line.add(origin);
      this.#start(origin);
      begin();
    }
  }

  #forget(name: string, origin: Origin): void {
    if (origin.active === 0 && origin.waiting.size === 0) this.#origins.delete(name);
  }
}
