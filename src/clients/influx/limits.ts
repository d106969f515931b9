/** Bounds of the InfluxDB client, with unit and reason. */

/** Bytes of an answer that is read whole (`query`); larger ones are an error. Large results are streamed. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of one object of a chunked answer (10,000 rows by default). */
export const CHUNK_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of an error body that go into a message. */
export const ERROR_BODY_BYTES_MAX = 4 * 1024;

/** Rows InfluxDB puts into one object of a chunked answer. */
export const CHUNK_ROWS = 10_000;

/** Rows of one series of a result, which is held until it is complete: about 20 bytes a row and number column. */
export const SERIES_ROWS_MAX = 20_000_000;

/** Rows of a Flux table that are collected before they are packed. */
export const FLUX_ROWS_PACKED = 10_000;

/** Smaller bodies are sent as they are: gzip would cost more than it saves. */
export const GZIP_BYTES_MIN = 512;

/** Bytes of lines that may wait in one write buffer, over all its targets; then the oldest batch goes. */
export const WAITING_BYTES_MAX = 256 * 1024 * 1024;

/** Targets (database, policy, consistency, precision) one write buffer keeps apart. */
export const WRITE_TARGETS_MAX = 1_000;

/** Bytes of one write body: a batch is closed early when its lines are long. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** First wait before a failed write is tried again, ms; grows by half up to the cap, ±50 %. */
export const WRITE_RETRY_FIRST_MS = 500;
export const WRITE_RETRY_MAX_MS = 30_000;

/** How long closing waits for what is buffered, ms; the rest is dropped and counted. */
export const WRITE_CLOSE_MS_MAX = 10_000;
