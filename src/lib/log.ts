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
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) =>
      write({ level, message, context, fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (more) => logTo(write, { ...context, ...more }),
  };
}

export const silentLog: Log = logTo(() => {});
