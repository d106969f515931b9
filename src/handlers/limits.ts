/** Bounds of handlers: bytes read back from receivers, and sizes that receivers or safety ask for. */

/** Bytes read from an answer; the rest is thrown away. Enough for every error text worth showing. */
export const ANSWER_BYTES_MAX = 16_384;

/** Characters of a receiver's answer in an error text. */
export const ERROR_BODY_MAX = 1_024;

/** Bytes of a command's stdout and stderr that are kept for the log. */
export const EXEC_OUTPUT_MAX = 16_384;

/** Files of body templates, bytes. */
export const TEMPLATE_FILE_MAX = 1_048_576;

/** How many `publish` handlers one event may pass; ends publish cycles. */
export const PUBLISH_HOPS_MAX = 16;

/** Messages and rows one aggregate keeps between two summaries; later ones are counted, but not shown. */
export const AGGREGATE_EVENTS_MAX = 10_000;
