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
/** Events waiting for one peer, no more than half of them unsettled; beyond it those that are settled go and are counted. */
export const PEER_EVENTS_MAX = 2 * HELD_MAX;
/** What the first owner is likely to raise as well is kept this long for its word, before it is sent by its other producers, ms. */
export const FIRST_WORD_WAIT_MS = 50;
/** So many events may wait for that; further ones are sent at once. */
export const FIRST_WORD_MAX = 10_000;
/** The first owner is waited for once it has said so many of a topic's events in a row, after it missed one … */
export const WORDS_AFTER_MISS = 16;
/** … and at first. */
export const WORDS_AT_FIRST = 1;
/** Notices and events in one batch, and a guess of bytes, well below the frame limit. */
export const BATCH_NOTICES_MAX = 2000;
export const BATCH_EVENTS_MAX = 500;
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Batches on the wire to one peer before the first is acknowledged. */
export const BATCHES_IN_FLIGHT_MAX = 4;
/** … and when only notices are to be sent. */
export const NOTICE_BATCHES_IN_FLIGHT_MAX = 16;
/** Retry of a batch that failed: doubles between these, ms. The first one is within the grace of the next in rank. */
export const RESEND_MIN_MS = 30;
export const RESEND_MAX_MS = 2000;

/** Completions in one page of a pull, and pages asked for in a row; the rest comes with the next sync. */
export const PULL_PAGE_MAX = 2000;
export const PULL_PAGES_MAX = 100;
/** A failed pull is tried again after this, while sends wait for it, ms. */
export const PULL_RETRY_MS = 100;
/** Sends are held back for a pull at most this long (never longer than `delay-per-member`), ms. */
export const PULL_WAIT_MAX_MS = 1000;
/** … and after a start, or a change of the members, which everybody must know first. */
export const SETTLE_WAIT_MAX_MS = 5000;

/** After ranks changed, each owner leaves those still before it this much time to show that they act, ms. */
export const RANK_GRACE_MS = 1000;

/** HOLD extends others' waits up to this many times `delay-per-member`. */
export const HOLD_CAP_DELAYS = 6;
/** Pairs of handler and member whose last completion is remembered; beyond it all are forgotten. */
export const PROGRESS_MAX = 20_000;
/** HOLD is repeated this many times per `delay-per-member`. */
export const HOLDS_PER_DELAY = 3;

/** An event no other owner acknowledged within this is written to disk, so that `settled` does not hang, ms. */
export const SAFE_WAIT_MS = 250;
/** Rows of completions that others told of, kept back to be written together; at this number they are. */
export const HEARD_MAX = 1000;
/** On leaving, sends in flight may end within this; then they are passed on, ms. */
export const LEAVE_MAX_MS = 10_000;

/** A member that handed over to be removed, and was not, takes part again after this, ms. */
export const REMOVAL_MAX_MS = 30_000;

/** A member that joined a cluster decides who wants an event only when it has its handlers, or after this, ms. */
export const HANDLERS_WAIT_MS = 5000;

/** Stall detection: how late a beat may be, ms. */
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

/**
 * When every owner has failed to tell a handler, the turn goes round again after a rest that doubles between these, ms;
 * so many times, and up to this age of the event, ms.
 */
export const ROUND_REST_MS = 1000;
export const ROUND_REST_MAX_MS = 60_000;
export const ROUNDS_MAX = 60;
export const ROUND_AGE_MAX_MS = 3_600_000;
/** IDs that rest between rounds, per handler; further events that all owners failed to tell are given up. */
export const ROUND_LANES_MAX = 5000;

/** Inline topics of one member that are shared with others; further ones are sent by each member by itself. */
export const INLINE_TOPICS_MAX = 20_000;
/** Topics in one announcement; about 100 bytes each. */
export const ANNOUNCE_PAGE_MAX = 2000;
/** Withdrawn topics remembered for members that missed it; beyond it they get the whole list. */
export const WITHDRAWN_KEPT_MAX = 1000;
/** An announcement that failed is repeated after this, ms; wait for its answer. */
export const ANNOUNCE_RETRY_MS = 500;
export const ANNOUNCE_TIMEOUT_MS = 2000;
/**
 * An inline topic that others run too sends nothing for this long after it was opened here, ms: meanwhile everybody
 * learns of it, and what they sent before that is known here.
 */
export const INLINE_QUIET_MS = 500;
/** A closed inline topic stays in its group for this long, passing everything on, ms: a reload leaves no gap. */
export const INLINE_WITHDRAW_MS = 1000;
/** Pause between looks whether its sends have ended, ms; they get `LEAVE_MAX_MS`. */
export const INLINE_DRAIN_LOOK_MS = 200;

/** Event IDs whose producers are remembered; beyond it all are forgotten and learned anew. */
export const LEAD_IDS_MAX = 100_000;
/** Events kept because their producer goes its own way; beyond it they are taken at once. */
export const KEPT_EVENTS_MAX = 10_000;
/** Part of `delay-per-member` for which such an event is kept: less, so that the next owner hears of it before it acts. */
export const KEPT_SHARE = 0.9;
/** A lead that repeats a level is waited for until its usual time between repeats has passed so many times. */
export const REPEAT_PATIENCE = 1.5;

/** A stamp of another member's hybrid clock is believed up to this far ahead of the wall clock here, ms (U25). */
export const HLC_AHEAD_MAX_MS = 60_000;
/** Stamps this far ahead are reserved on disk; a start goes on after them, ms. */
export const HLC_RESERVE_MS = 5_000;
/** A reservation that could not be written is tried again after this, ms. */
export const HLC_RESERVE_RETRY_MS = 1_000;
/** Stamps that are too far ahead are warned of at most this often, ms. */
export const HLC_WARN_EVERY_MS = 60_000;
/** Topics that a member with a wrong clock deleted; beyond it the first one heard of is forgotten. */
export const HLC_FLOORS_MAX = 10_000;
