/** Bounds and waits of alert ownership, with units and reasons. */

/** Unsettled events kept per member (outbox and pending together); beyond it the oldest is dropped and counted. */
export const HELD_MAX = 200_000;
/** Keys of settled events remembered to recognise late copies; the oldest are forgotten. */
export const RECENT_KEYS_MAX = 65_536;
/** (topic, event ID) pairs whose last completions are kept; the longest untouched are forgotten. */
export const COMPLETION_IDS_MAX = 200_000;
/** Topics whose ranking or scores are cached; the caches start anew beyond it. */
export const RANKED_TOPICS_MAX = 10_000;

/** Notices waiting for one peer; beyond it the oldest is dropped, and the peer's next pull repairs it. */
export const NOTICES_MAX = 65_536;
/** Notices and events in one batch, and a guess of bytes, well below the frame limit. */
export const BATCH_NOTICES_MAX = 2000;
export const BATCH_EVENTS_MAX = 500;
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Batches on the wire to one peer before the first is acknowledged. */
export const BATCHES_IN_FLIGHT_MAX = 4;
/** Retry of a batch that failed: doubles between these, ms. */
export const RESEND_MIN_MS = 100;
export const RESEND_MAX_MS = 2000;

/** Completions in one page of a pull, and pages asked for in a row; the rest comes with the next sync. */
export const PULL_PAGE_MAX = 2000;
export const PULL_PAGES_MAX = 100;
/** A failed pull is tried again after this, while sends wait for it, ms. */
export const PULL_RETRY_MS = 100;
/** Sends are held back for a pull at most this long (never longer than `delay-per-member`), ms. */
export const PULL_WAIT_MAX_MS = 1000;
/** … and after a start. */
export const SETTLE_WAIT_MAX_MS = 5000;

/**
 * After a change of the table sends are held until it is sure to be known everywhere, ms: the former first owner and the
 * new one must not both act. A spread takes a tenth of it.
 */
export const TABLE_SETTLE_MS = 500;

/** After ranks changed, each owner leaves those still before it this much time to show that they act, ms. */
export const RANK_GRACE_MS = 1000;

/** HOLD extends others' waits up to this many times `delay-per-member`. */
export const HOLD_CAP_DELAYS = 6;
/** HOLD is repeated this many times per `delay-per-member`. */
export const HOLDS_PER_DELAY = 3;

/** An event no other owner acknowledged within this is written to disk, so that `settled` does not hang, ms. */
export const SAFE_WAIT_MS = 250;
/** On leaving, sends in flight may end within this; then they are passed on, ms. */
export const LEAVE_MAX_MS = 10_000;

/** A member that handed over to be removed, and was not, takes part again after this, ms. */
export const REMOVAL_MAX_MS = 30_000;

/** Stall detection: heartbeat, and how late it may be, ms. */
export const BEAT_MS = 100;
export const STALL_MIN_MS = 500;
/** Wait for the answer to a page of a pull, ms. */
export const PULL_TIMEOUT_MS = 2000;

/**
 * Wait for the answer to a batch, ms: well below `delay-per-member`, so that a repeat still arrives before the next owner
 * acts.
 */
export function batchTimeoutMs(delayMs: number): number {
  return Math.min(5000, Math.max(500, delayMs / 2));
}
