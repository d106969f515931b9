/** Sizes and times of the daemon's base, each with its reason. */

/** Log text waiting to be written, bytes. Beyond it lines are dropped and counted: a stuck pipe must not stop alerts. */
export const LOG_BUFFER_BYTES_MAX = 8 * 1024 * 1024;

/** One write to the log file, bytes. */
export const LOG_CHUNK_BYTES_MAX = 256 * 1024;

/** How long a line may wait for more lines, ms. */
export const LOG_FLUSH_MS = 10;

/** How long closing waits for a write that hangs, ms. */
export const LOG_CLOSE_MS = 1000;

/** One value of a log line, UTF-16 units; longer ones are cut and marked with "…". */
export const LOG_VALUE_LENGTH_MAX = 64 * 1024;

/** How long a clean stop may take before the process ends anyway, ms. */
export const STOP_TIME_MAX_MS = 30_000;

/** Statistics in one write to the engine: enough to be cheap, few enough to fit between other writes. */
export const STATISTIC_LINES_PER_WRITE = 1000;

/** Time limit of an httpPost node's request that names none, ms; without one, a receiver that hangs stops its group. */
export const POST_MS_MAX = 60_000;

/** Bytes of an answer to a post that are read, for error texts. */
export const POST_ANSWER_BYTES_MAX = 16_384;

/** Bytes of a file with a row template. */
export const ROW_TEMPLATE_BYTES_MAX = 1_048_576;
