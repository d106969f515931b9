/**
 * Work that goes on after its request was answered: recordings being made, replays being run.
 *
 * Each job has an ID and a signal; ending one, or all when the daemon stops, aborts the signal and waits. How many
 * run at once is bounded, and the bound is a refusal, not a queue: whoever asks should know at once.
 */

import { failed } from "./task-error.ts";

interface Job {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export class RunningJobs {
  readonly #noun: string;
  readonly #most: number;
  readonly #jobs = new Map<string, Job>();

  /** `noun` in the plural, for the refusal's text. */
  constructor(noun: string, most: number) {
    this.#noun = noun;
    this.#most = most;
  }

  has(id: string): boolean {
    return this.#jobs.has(id);
  }

  /** Throws a `failed` `TaskError` when as many run as may. */
  checkRoom(): void {
    if (this.#jobs.size < this.#most) return;
    throw failed(`too many ${this.#noun} are running, at most ${this.#most} may`);
  }

  /** Starts a job under an ID that is not taken. `work` must not reject. */
  start(id: string, work: (signal: AbortSignal) => Promise<void>): void {
    const stop = new AbortController();
    const ended = work(stop.signal).finally(() => this.#jobs.delete(id));
    this.#jobs.set(id, { stop, ended });
  }

  /** Aborts a job and waits until it has ended; an unknown one is fine. */
  async end(id: string, reason: string): Promise<void> {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    job.stop.abort(new Error(reason));
    await job.ended;
  }

  async endAll(reason: string): Promise<void> {
    await Promise.all([...this.#jobs.keys()].map((id) => this.end(id, reason)));
  }
}

/** Rejects with the signal's reason when it is aborted; never resolves. */
export function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  if (signal.aborted) reject(signal.reason);
  else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}
