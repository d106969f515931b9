/**
 * Every bound of the engine, with unit and reason, and what happens when it is reached.
 */

/** Longest the engine works before it returns to the event loop, so that gossip, RPC and the API stay prompt. */
export const SLICE_MS = 5;

/** Pieces of work in one slice, for clocks that stand still while the engine works (tests, `kapacitor test`). */
export const SLICE_STEPS_MAX = 100_000;

/** Lines read between two looks at the clock inside a slice. */
export const SLICE_CHECK_LINES = 256;

/** Points pushed between two looks at the clock inside a slice. */
export const SLICE_CHECK_POINTS = 64;

/** Bytes of bodies accepted and not yet answered. Beyond, `write` answers `overloaded` and takes nothing. */
export const BACKLOG_BYTES_MAX = 256 * 1024 * 1024;

/** Writes accepted and not yet answered. Beyond, `write` answers `overloaded` and takes nothing. */
export const BACKLOG_WRITES_MAX = 65_536;

/** One in this many messages entering a task is timed for `avg_exec_time_ns`. A power of two. */
export const TIMED_MESSAGE_EVERY = 256;

/** Error lines one node may log within `ERROR_LINES_WINDOW_MS`; the rest is counted and named in the next line. */
export const ERROR_LINES_MAX = 100;
export const ERROR_LINES_WINDOW_MS = 1_000;

/** Series whose task route the fork keeps; beyond, the table of shared routes starts anew. */
export const ROUTES_MAX = 65_536;

/** Derived tag sets one node remembers per input series; beyond, they are built anew. */
export const DERIVED_SERIES_MAX = 1_024;

/** Points and batches a node may hold back for one group (join, union, combine, flatten, groupBy on batches). */
export const HELD_MESSAGES_MAX = 10_000_000;

/** Points waiting to go round through `kapacitorLoopback`. Beyond, the node drops the point and counts an error. */
export const LOOPBACK_POINTS_MAX = 1_000_000;

/** Rounds of `kapacitorLoopback` that a write's answer waits for; later rounds still run, unawaited. */
export const LOOPBACK_ROUNDS_AWAITED = 64;
