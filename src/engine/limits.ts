/**
 * Every bound of the engine, with unit and reason, and what happens when it is reached.
 */

/** Longest the engine works before it returns to the event loop, so that gossip, RPC and the API stay prompt. */
export const SLICE_MS = 5;

/** Pieces of work in one slice, for clocks that stand still while the engine works (tests, `kapacitor test`). */
export const SLICE_STEPS_MAX = 100_000;

/** Lines read between two looks at the clock inside a slice. */
export const SLICE_CHECK_LINES = 256;

/** Points of a batch pushed between two looks at the clock inside a slice. */
export const SLICE_CHECK_POINTS = 64;

/**
 * Points pushed into the tasks together, between two looks at the clock. Long runs keep the processor's caches
 * warm, short ones keep to the slice: a task's visit to a point takes 0.02 to 1 µs.
 */
export const RUN_POINTS_MIN = 16;
export const RUN_POINTS_MAX = 256;
/** How long such a run should take, ms; see run-length.ts. */
export const RUN_MS = 2;

/** Bytes of bodies accepted and not yet answered. Beyond, `write` answers `overloaded` and takes nothing. */
export const BACKLOG_BYTES_MAX = 256 * 1024 * 1024;

/** Writes accepted and not yet answered. Beyond, `write` answers `overloaded` and takes nothing. */
export const BACKLOG_WRITES_MAX = 65_536;

/** One in about this many points entering the engine is timed for `avg_exec_time_ns`. */
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

/** How long a stopping task may drain (posts under way), ms; what is left then is dropped and counted by its node. */
export const DRAIN_MS_MAX = 10_000;

/** Longest wait of a schedule before it looks at the wall clock again, ms, since that clock may be set. */
export const SCHEDULE_WAIT_MS_MAX = 60_000;

/** Posts of one httpPost node under way at once; of one group there is one. */
export const POSTS_UNDER_WAY_MAX = 16;

/** Messages one httpPost node holds until their post was answered. Beyond, a message is dropped and counted. */
export const POSTS_WAITING_MAX = 10_000;

/** Points one httpPost node holds in waiting batches. Beyond, a batch is dropped and counted. */
export const POST_POINTS_WAITING_MAX = 1_000_000;

/** Parsed templates kept for tasks that have the same; beyond, the table starts anew. */
export const ALERT_TEMPLATES_MAX = 1_024;

/** Groups looked at for expiry before the event loop has its turn. */
export const EXPIRY_SLICE_GROUPS = 10_000;

/** Groups of one task in a snapshot. A task with more is not saved, which is logged once: writing it would take too long. */
export const SNAPSHOT_GROUPS_MAX = 100_000;

/** Points that a task may hold to be saved; with more it is not saved. */
export const SNAPSHOT_POINTS_MAX = 1_000_000;

/** Snapshots of a task that took this share of the time since the last one are taken less often. */
export const SNAPSHOT_TIME_SHARE = 0.01;

/** Idle groups that must have expired before the table of series may start anew for them. */
export const EXPIRED_SERIES_MIN = 10_000;
