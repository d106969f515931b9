/**
 * Points on their way to an InfluxDB: collected per target, written in batches, kept while it is away.
 *
 * A batch is written when it has `buffer` points, at every flush interval and on close. One batch per target
 * is under way at a time, so points of a target arrive in order. A write that may succeed later (no answer,
 * 429, 5xx) is tried again with growing waits; one that InfluxDB refuses is dropped and counted. What waits is
 * bounded in bytes: beyond, the oldest waiting batch is dropped and counted, since the newest points are the
 * ones somebody looks at. Difference: the original drops a batch at its first failed write.
 */

import { type Cancel, type Clock, every } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { InfluxError, type WriteTarget } from "./client.ts";
import {
  BATCH_BYTES_MAX,
  WAITING_BYTES_MAX,
  WRITE_CLOSE_MS_MAX,
  WRITE_RETRY_FIRST_MS,
  WRITE_RETRY_MAX_MS,
  WRITE_TARGETS_MAX,
} from "./limits.ts";

/** The part of `InfluxClient` a buffer uses. */
export interface LineWriter {
  write(target: WriteTarget, lines: Uint8Array, signal?: AbortSignal): Promise<void>;
}

export interface WriteBufferOptions {
  readonly client: LineWriter;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Points per batch; at least 1. */
  readonly buffer: number;
  /** ms; at least 1. */
  readonly flushIntervalMs: number;
  /** Default `WAITING_BYTES_MAX`. */
  readonly waitingBytesMax?: number;
}

/** `points_written` and `write_errors` are the original's; why points were lost is counted in points. */
export interface WriteBufferCounters {
  points_written: number;
  /** Failed attempts. */
  write_errors: number;
  /** Lost: InfluxDB refused the batch. */
  points_refused: number;
  /** Lost: the buffer was full, or had too many targets. */
  points_overflowed: number;
  /** Lost: still waiting when the buffer had to close. */
  points_abandoned: number;
}

interface Batch {
  readonly body: Uint8Array;
  readonly points: number;
}

interface Lane {
  readonly target: WriteTarget;
  lines: string[];
  bytes: number;
  /** Closed batches, oldest first; the first may be under way. */
  readonly batches: Batch[];
  sending: Promise<void> | undefined;
}

const encoder = new TextEncoder();

export class WriteBuffer {
  readonly counters: WriteBufferCounters = {
    points_written: 0,
    write_errors: 0,
    points_refused: 0,
    points_overflowed: 0,
    points_abandoned: 0,
  };
  readonly #options: WriteBufferOptions;
  readonly #bytesMax: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #stop = new AbortController();
  readonly #cancelTick: Cancel;
  #bytes = 0;
  #closed = false;

  constructor(options: WriteBufferOptions) {
    this.#options = options;
    this.#bytesMax = options.waitingBytesMax ?? WAITING_BYTES_MAX;
    this.#cancelTick = every(options.clock, options.flushIntervalMs, () => this.flush());
  }

  /** Points that wait or are under way. */
  get waiting(): number {
    let points = 0;
    for (const { lines, batches } of this.#lanes.values()) {
      points += lines.length + batches.reduce((sum, batch) => sum + batch.points, 0);
    }
    return points;
  }

  /** Takes one line without line end; false when it had to be dropped (counted). */
  add(target: WriteTarget, line: string): boolean {
    const lane = this.#closed ? undefined : this.#lane(target);
    if (lane === undefined) {
      this.counters.points_overflowed += 1;
      return false;
    }
    lane.lines.push(line);
    lane.bytes += line.length + 1;
    this.#bytes += line.length + 1;
    if (lane.lines.length >= this.#options.buffer || lane.bytes >= BATCH_BYTES_MAX) {
      this.#closeBatch(lane);
    }
    this.#makeRoom();
    return true;
  }

  /** Sends off what has been collected; does not wait. */
  flush(): void {
    for (const lane of this.#lanes.values()) this.#closeBatch(lane);
  }

  /** Flushes, waits a bounded time, and counts what could not be written by then. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTick();
    this.flush();
    const late = new Error(`not written within ${WRITE_CLOSE_MS_MAX} ms of closing`);
    const cancel = this.#options.clock.after(WRITE_CLOSE_MS_MAX, () => this.#stop.abort(late));
    await Promise.all([...this.#lanes.values()].map(({ sending }) => sending));
    cancel();
    this.counters.points_abandoned += this.waiting;
    this.#lanes.clear();
  }

  #lane(target: WriteTarget): Lane | undefined {
    const { db, rp, consistency, precision } = target;
    const key = JSON.stringify([db, rp, consistency, precision]);
    let lane = this.#lanes.get(key);
    if (lane === undefined && this.#lanes.size < WRITE_TARGETS_MAX) {
      lane = { target, lines: [], bytes: 0, batches: [], sending: undefined };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #closeBatch(lane: Lane): void {
    if (lane.lines.length === 0) return;
    const body = encoder.encode(`${lane.lines.join("\n")}\n`);
    this.#bytes += body.length - lane.bytes;
    lane.batches.push({ body, points: lane.lines.length });
    lane.lines = [];
    lane.bytes = 0;
    lane.sending ??= this.#send(lane);
  }

  /**
   * Drops the oldest waiting batch of the lane that has most of them until the bound holds; without any,
   * the lines collected last. Batches under way stay, one per lane.
   */
  #makeRoom(): void {
    while (this.#bytes > this.#bytesMax) {
      let longest: Lane | undefined;
      let fullest: Lane | undefined;
      for (const lane of this.#lanes.values()) {
        if (lane.batches.length > (longest?.batches.length ?? 1)) longest = lane;
        if (lane.bytes > (fullest?.bytes ?? 0)) fullest = lane;
      }
      if (longest !== undefined) this.#dropBatch(longest);
      else if (fullest !== undefined) this.#dropLines(fullest);
      else return;
    }
  }

  #dropBatch(lane: Lane): void {
    for (const batch of lane.batches.splice(1, 1)) {
      this.#bytes -= batch.body.length;
      this.counters.points_overflowed += batch.points;
    }
  }

  #dropLines(lane: Lane): void {
    this.#bytes -= lane.bytes;
    this.counters.points_overflowed += lane.lines.length;
    lane.lines = [];
    lane.bytes = 0;
  }

  async #send(lane: Lane): Promise<void> {
    let waitMs = WRITE_RETRY_FIRST_MS;
    for (let batch = lane.batches[0]; batch !== undefined; batch = lane.batches[0]) {
      const error = await this.#attempt(lane.target, batch.body);
      if (error === undefined) {
        this.counters.points_written += batch.points;
        waitMs = WRITE_RETRY_FIRST_MS;
      } else if (this.#stop.signal.aborted) {
        break;
      } else if (error instanceof InfluxError && error.retryable) {
        await this.#pause(waitMs);
        waitMs = Math.min(waitMs * 1.5, WRITE_RETRY_MAX_MS);
        continue;
      } else {
        this.counters.points_refused += batch.points;
      }
      lane.batches.shift();
      this.#bytes -= batch.body.length;
    }
    lane.sending = undefined;
  }

  async #attempt(target: WriteTarget, body: Uint8Array): Promise<unknown> {
    const { client, log } = this.#options;
    if (this.#stop.signal.aborted) return this.#stop.signal.reason;
    try {
      await client.write(target, body, this.#stop.signal);
      return undefined;
    } catch (error) {
      this.counters.write_errors += 1;
      const fields = { db: target.db, rp: target.rp, err: errorMessage(error) };
      log.error("failed to write points to InfluxDB", fields);
      return error;
    }
  }

  #pause(waitMs: number): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#stop;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(waitMs * (0.5 + random.float()), resolve);
    const abort = (): void => {
      cancel();
      resolve();
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }
}
