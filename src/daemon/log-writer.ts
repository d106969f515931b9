/**
 * Where log entries go: standard error, standard output or a file, and to log sessions.
 *
 * Lines are collected for a few milliseconds and written by the thread pool, one write at a time, so a slow
 * disk or a full pipe never stalls the daemon. The buffer is bounded: when it is full, new lines are dropped
 * and counted, and the count is logged once there is room. `flush` writes what waits, synchronously, for the
 * end of the process. Sessions see every entry, whatever the threshold.
 */

import { closeSync, mkdirSync, openSync, write, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Cancel, Clock } from "#lib/clock.ts";
import { type Log, type LogEntry, type LogLevel, logTo } from "#lib/log.ts";
import { LOG_BUFFER_BYTES_MAX, LOG_CHUNK_BYTES_MAX, LOG_CLOSE_MS, LOG_FLUSH_MS } from "./limits.ts";
import { formatLogfmt, type StampedEntry } from "./log-format.ts";

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o755;

/** A level by its name in any case, or undefined. */
export function parseLogLevel(text: string): LogLevel | undefined {
  const name = text.toLowerCase();
  return Object.hasOwn(RANK, name) ? (name as LogLevel) : undefined;
}

/** At least as severe as. */
export function levelAtLeast(level: LogLevel, minimum: LogLevel): boolean {
  return RANK[level] >= RANK[minimum];
}

export interface LogCounters {
  readonly lines: number;
  readonly dropped: number;
  readonly writeErrors: number;
}

export class LogWriter {
  /** Logs through this writer. */
  readonly log: Log;
  readonly #clock: Clock;
  readonly #file: number;
  readonly #ownsFile: boolean;
  readonly #sessions = new Set<(entry: StampedEntry) => void>();
  readonly #counters = { lines: 0, dropped: 0, writeErrors: 0 };
  #threshold: LogLevel;
  #lines: string[] = [];
  #bytes = 0;
  #droppedSince = 0;
  /** What the thread pool is writing now, and how much of it is out. */
  #writing: Buffer | undefined;
  #written = 0;
  #cancelFlush: Cancel | undefined;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  private constructor(clock: Clock, output: { file: number; owns: boolean }, threshold: LogLevel) {
    this.#clock = clock;
    this.#file = output.file;
    this.#ownsFile = output.owns;
    this.#threshold = threshold;
    this.log = logTo((entry) => this.#take(entry));
  }

  /**
   * Opens the output: `STDERR`, `STDOUT`, or a path whose directory is made when missing. An unknown level
   * means debug. Throws the system's error when the file cannot be opened.
   */
  static open(clock: Clock, destination: string, level: string): LogWriter {
    const threshold = parseLogLevel(level) ?? "debug";
    if (destination === "STDERR") return new LogWriter(clock, { file: 2, owns: false }, threshold);
    if (destination === "STDOUT") return new LogWriter(clock, { file: 1, owns: false }, threshold);
    mkdirSync(dirname(destination), { recursive: true, mode: DIRECTORY_MODE });
    const file = openSync(destination, "a", FILE_MODE);
    return new LogWriter(clock, { file, owns: true }, threshold);
  }

  get level(): LogLevel {
    return this.#threshold;
  }

  /** Changes the threshold until the next start. */
  setLevel(level: LogLevel): void {
    this.#threshold = level;
  }

  /** Calls `listener` with every entry, below the threshold too, until the returned function is called. */
  subscribe(listener: (entry: StampedEntry) => void): () => void {
    this.#sessions.add(listener);
    return () => this.#sessions.delete(listener);
  }

  counters(): LogCounters {
    return { ...this.#counters };
  }

  /** Writes everything that waits before it returns. For the end of the process. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (this.#writing !== undefined) {
      // The thread pool may still finish this piece: a line written twice is better than one lost.
      this.#writeNow(this.#writing.subarray(this.#written));
      this.#writing = undefined;
    }
    this.#writeNow(this.#takeText(Number.POSITIVE_INFINITY));
  }

  /**
   * Writes everything, waits at most `LOG_CLOSE_MS` for a write under way, closes. Later entries go nowhere.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#writing !== undefined) {
      const idle = Promise.withResolvers<void>();
      this.#whenIdle = idle.resolve;
      const cancel = this.#clock.after(LOG_CLOSE_MS, idle.resolve);
      await idle.promise;
      cancel();
    }
    this.flush();
    this.#sessions.clear();
    if (this.#ownsFile) closeSync(this.#file);
  }

  #take(entry: LogEntry): void {
    if (this.#closed) return;
    const passes = levelAtLeast(entry.level, this.#threshold);
    if (!passes && this.#sessions.size === 0) return;
    const stamped: StampedEntry = { ...entry, time: this.#clock.now() };
    for (const session of this.#sessions) session(stamped);
    if (passes) this.#append(stamped);
  }

  #append(entry: StampedEntry): void {
    const line = `${formatLogfmt(entry)}\n`;
    if (this.#bytes + line.length > LOG_BUFFER_BYTES_MAX) {
      this.#counters.dropped++;
      this.#droppedSince++;
      return;
    }
    this.#counters.lines++;
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#writing === undefined)
      this.#cancelFlush ??= this.#clock.after(LOG_FLUSH_MS, () => this.#writeNext());
  }

  #writeNext(): void {
    this.#cancelFlush = undefined;
    const text = this.#takeText(LOG_CHUNK_BYTES_MAX);
    if (text.length === 0) return;
    this.#writing = text;
    this.#written = 0;
    this.#writeRest(text);
  }

  #writeRest(chunk: Buffer): void {
    write(this.#file, chunk, this.#written, chunk.length - this.#written, null, (error, count) => {
      if (this.#writing !== chunk) return;
      if (error === null) this.#written += count;
      else if (error.code === "EAGAIN") {
        this.#clock.after(LOG_FLUSH_MS, () => {
          if (this.#writing === chunk) this.#writeRest(chunk);
        });
        return;
      } else {
        this.#counters.writeErrors++;
        this.#written = chunk.length;
      }
      if (this.#written < chunk.length) return this.#writeRest(chunk);
      this.#writing = undefined;
      this.#reportDropped();
      if (this.#closed) this.#whenIdle?.();
      else this.#writeNext();
    });
  }

  #reportDropped(): void {
    if (this.#droppedSince === 0) return;
    const lines = this.#droppedSince;
    this.#droppedSince = 0;
    this.log.warn("log lines were dropped because the output was too slow", { lines });
  }

  /** Takes whole lines off the buffer. */
  #takeText(bytesMax: number): Buffer {
    if (this.#bytes <= bytesMax) {
      const all = Buffer.from(this.#lines.join(""));
      this.#lines = [];
      this.#bytes = 0;
      return all;
    }
    let count = 0;
    let bytes = 0;
    while (count === 0 || bytes + (this.#lines[count]?.length ?? 0) <= bytesMax)
      bytes += this.#lines[count++]?.length ?? 0;
    this.#bytes -= bytes;
    return Buffer.from(this.#lines.splice(0, count).join(""));
  }

  #writeNow(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#file, chunk, at);
    } catch {
      // At the end of the process there is nobody left to tell; a full pipe must not keep it from ending.
      this.#counters.writeErrors++;
    }
  }
}
