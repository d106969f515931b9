/**
 * Structured logging: a constant lower-case message and data in fields.
 *
 * The core receives a `Log`; `daemon/log-writer.ts` prints entries as key=value lines and serves log
 * sessions. Hot paths count, they do not log. Levels: error = someone must act, warn = degraded but
 * handled, info = life-cycle, debug = per message.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Field values are printed with String(); `undefined` fields are left out. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose entries all carry these fields first (`service`, `task`, `node`, …). */
  with(fields: LogFields): Log;
}

/** One entry as sinks see it; `context` fields come before `fields`. */
export interface LogEntry {
  readonly level: LogLevel;
  readonly message: string;
  readonly context: LogFields;
  readonly fields: LogFields;
}

/** Builds a `Log` over one function. */
export function logTo(write: (entry: LogEntry) => void, context: LogFields = {}): Log {
  return new ContextLog(write, context);
}

/** Shared methods: every node of every task has a log of its own. */
class ContextLog implements Log {
  readonly #write: (entry: LogEntry) => void;
  readonly #context: LogFields;

  constructor(write: (entry: LogEntry) => void, context: LogFields) {
    this.#write = write;
    this.#context = context;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#write({ level: "debug", message, context: this.#context, fields });
  }

  info(message: string, fields: LogFields = {}): void {
    this.#write({ level: "info", message, context: this.#context, fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#write({ level: "warn", message, context: this.#context, fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.#write({ level: "error", message, context: this.#context, fields });
  }

  with(more: LogFields): Log {
    return new ContextLog(this.#write, { ...this.#context, ...more });
  }
}

export const silentLog: Log = logTo(() => {});
