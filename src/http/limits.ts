/** Every bound of the HTTP face. Beyond each, the request is refused with an error in the API's shape. */

/** Bytes of a write body, as sent and (separately) unpacked. Refused with 413. */
export const WRITE_BODY_BYTES_MAX = 128 * 1024 * 1024;

/** Bytes of a write body that `write-tracing` puts into the log; how many were left out is said there. */
export const TRACED_BYTES_MAX = 64 * 1024;

/** Bytes of any other body: scripts, handlers, options. Refused with 413. */
export const JSON_BODY_BYTES_MAX = 16 * 1024 * 1024;

/** Nesting of a JSON body; deeper ones would exhaust the stack of whoever walks them. Refused with 400. */
export const JSON_DEPTH_MAX = 512;

/** Bytes held of all bodies that are still being received. The one that stalls longest is given up with 503. */
export const BODIES_BYTES_MAX = 4 * WRITE_BODY_BYTES_MAX;

/** A body that announces no more than this is received at once and not counted, bytes. */
export const BODY_UNCOUNTED_BYTES_MAX = 256 * 1024;

/**
 * A body that announces no more than this is received at once, bytes, as long as such bodies together do not
 * announce more than `WHOLE_BODIES_BYTES_MAX`: part by part costs three times the processor time and twice the memory.
 * Beyond, bodies are received part by part, and counted.
 */
export const WHOLE_BODY_BYTES_MAX = 8 * 1024 * 1024;
export const WHOLE_BODIES_BYTES_MAX = 64 * 1024 * 1024;

/** Write requests being processed at once; those whose body is on its way do not count. The next one is refused with 503. */
export const WRITES_IN_FLIGHT_MAX = 1024;

/** Characters of path and query. Refused with 414. */
export const URL_LENGTH_MAX = 64 * 1024;

/** Characters of a write's URL that is kept in read form; longer ones are read each time. */
export const DIRECT_URL_LENGTH_MAX = 2 * 1024;

/** URLs of writes that are kept in read form; beyond, all are forgotten. */
export const DIRECT_URLS_MAX = 256;

/** Characters of all header names and values. Refused with 431. */
export const HEADERS_LENGTH_MAX = 256 * 1024;

/** Operations in one JSON Patch. Refused with 400. */
export const PATCH_OPERATIONS_MAX = 1000;

/** Seconds without traffic after which a connection is closed (the runtime's largest value). */
export const IDLE_TIMEOUT_S = 255;

/** Bytes the runtime accepts at all; above the bounds here, so that those answer in the API's shape. */
export const RUNTIME_BODY_BYTES_MAX = 4 * WRITE_BODY_BYTES_MAX;

/** Seconds that a CPU profile may take. Refused with 400. */
export const PROFILE_SECONDS_MAX = 300;

/** Bytes of a heap of which a snapshot is made; one takes many times as much and stops the process. Refused with 503. */
export const HEAP_SNAPSHOT_BYTES_MAX = 256 * 1024 * 1024;

/** Open log sessions. The next one is refused with 503. */
export const LOG_SESSIONS_MAX = 64;

/** Entries waiting for a slow reader of a log session; beyond, entries are left out and counted. */
export const LOG_SESSION_ENTRIES_MAX = 1000;
