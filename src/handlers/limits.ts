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

/** How long a self-test of a service may take, ms. */
export const SERVICE_TEST_MS_MAX = 30_000;

/** Redirects followed for one request, where they are followed by hand. */
export const REDIRECTS_MAX = 10;

/**
 * Requests of all handlers under way at once; more wait. The runtime has 256 places for the whole process, and
 * InfluxDB, scraping and discovery need some of them.
 */
export const REQUESTS_MAX = 192;

/** Requests to one receiver under way at once; more wait. As many as one handler has. */
export const ORIGIN_REQUESTS_MAX = 16;

/** URLs whose origins are remembered; beyond it they are read anew. */
export const URLS_KEPT_MAX = 256;
