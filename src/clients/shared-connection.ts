/**
 * One connection for many senders: opened when first needed, kept while it is used, closed when nobody used it for
 * a while, opened anew after it was lost.
 *
 * A connection attempt belongs to nobody: who gives up waiting leaves it to the others, and its own time limit
 * ends it. Nothing is repeated here; that is the callers' business.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { trouble } from "./send-error.ts";

export interface ConnectionParts<C> {
  readonly clock: Clock;
  /** How long an unused connection is kept, ms. */
  readonly idleMs: number;
  /** Connects. Must settle within a finite time. */
  open(): Promise<C>;
  /** Takes leave. Must settle within a finite time; errors are ignored. */
  close(connection: C): Promise<void>;
  /** False once the connection was lost. */
  isAlive(connection: C): boolean;
}

export class SharedConnection<C> {
  readonly #parts: ConnectionParts<C>;
  #connection: { readonly it: C } | undefined;
  #opening: Promise<C> | undefined;
  #users = 0;
  #endIdle: Cancel = () => {};
  #closed = false;
  #unused: (() => void) | undefined;

  constructor(parts: ConnectionParts<C>) {
    this.#parts = parts;
  }

  /** Runs with the connection. Rejects with the signal's reason when it fires while connecting. */
  async use<T>(run: (connection: C) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#closed) throw trouble("the connection's settings were changed or removed");
    this.#endIdle();
    this.#users++;
    try {
      return await run(await abortable(this.#connect(), signal));
    } finally {
      this.#users--;
      if (this.#users === 0) this.#rest();
    }
  }

  /** Gives a connection up that is in an unknown state; the next use opens another. */
  discard(connection: C): void {
    if (this.#connection?.it === connection) this.#connection = undefined;
    void this.#leave(connection);
  }

  /** Refuses new users, waits for the present ones and closes. An attempt to connect is closed when it ends. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#endIdle();
    if (this.#users > 0) {
      await new Promise<void>((resolve) => {
        this.#unused = resolve;
      });
    }
    await this.#drop();
  }

  #connect(): Promise<C> {
    const current = this.#connection;
    if (current !== undefined && this.#parts.isAlive(current.it)) {
      return Promise.resolve(current.it);
    }
    if (current !== undefined) this.discard(current.it);
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<C> {
    try {
      const it = await this.#parts.open();
      this.#connection = { it };
      return it;
    } finally {
      this.#opening = undefined;
    }
  }

  #rest(): void {
    this.#unused?.();
    if (this.#closed) return;
    this.#endIdle = this.#parts.clock.after(this.#parts.idleMs, () => void this.#drop());
  }

  async #drop(): Promise<void> {
    if (this.#opening !== undefined) {
      // An attempt that everybody gave up on may last; what it opens is closed then.
      this.#opening.then(
        () => this.#drop(),
        () => {},
      );
      return;
    }
    const connection = this.#connection;
    if (connection === undefined || this.#users > 0) return;
    this.#connection = undefined;
    await this.#leave(connection.it);
  }

  async #leave(connection: C): Promise<void> {
    try {
      await this.#parts.close(connection);
    } catch {
      // It is gone either way.
    }
  }
}

/** The promise, or a rejection with the signal's reason when that comes first. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  // Who gives up does not hear how it ends; that must not count as unhandled.
  promise.catch(() => {});
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
