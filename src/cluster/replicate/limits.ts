/** Bounds and waits of handler replication, with units and reasons. */

/** Tombstones are kept this long; a member away for longer takes the others' table instead of merging, ms. */
export const TOMBSTONE_MS = 7 * 24 * 60 * 60 * 1000;
/** Definitions on one page of a sync, and characters of their texts (a single one may have more). */
export const SYNC_PAGE_MAX = 500;
export const SYNC_PAGE_BYTES = 1024 * 1024;
/** Wait for one page, ms. */
export const SYNC_TIMEOUT_MS = 10_000;
/** Wait for an owner's sign of life before an edit, ms. */
export const PROBE_TIMEOUT_MS = 2000;
/** Wait for a member to have an edit on disk, ms, and how often that is tried. */
export const PUSH_TIMEOUT_MS = 3000;
export const PUSH_TRIES = 3;
/** Pause between comparisons while a new member's table is awaited, ms; how long that may take in all. */
export const EQUAL_PAUSE_MS = 50;
export const EQUAL_MAX_MS = 30_000;
/** Topics on one page of digests, and bytes of states (by a guess) on one page of a topic. */
export const DIGEST_PAGE_MAX = 2_000;
export const STATE_PAGE_BYTES = 256 * 1024;
/** Pages of states taken from one member in one go; the rest comes with the next sync. */
export const STATE_PAGES_MAX = 1_000;
/** Wait for one page of digests or states, ms. */
export const STATE_TIMEOUT_MS = 10_000;
/** Events of one topic read from an owner for the API; further ones are left out. */
export const READ_EVENTS_MAX = 20_000;
/** Budget of a read from another member, and of taking states over before tasks start, ms (U33). */
export const READ_TIMEOUT_MS = 1_000;
/** Before tasks start, states are taken from at most so many members, and again only after this, ms. */
export const REFRESH_MEMBERS_MAX = 16;
export const REFRESH_MIN_MS = 500;
/** A failed sync is tried again after this, ms. */
export const SYNC_RETRY_MS = 2000;
/** The time of the last contact is written to disk at most this often, ms; far below `TOMBSTONE_MS`. */
export const CONTACT_EVERY_MS = 60 * 60 * 1000;
/** Cluster tasks, templates and their tombstones; further ones are refused. */
export const CLUSTER_TASKS_MAX = 10_000;
/** Text of one of them, characters; a larger one is refused. */
export const CLUSTER_TASK_LENGTH_MAX = 4 * 1024 * 1024;
/** An edit of a cluster task is answered when all live members follow it, or after this, ms. */
export const TASK_SPREAD_MS = 2000;
/** A member that was gone gets its tasks back when it has been alive for this many times `delay-per-member`. */
export const RETURN_DELAYS = 3;
/** Wait for what a member says of its tasks, ms; at a start, for all of them. */
export const RUNNERS_TIMEOUT_MS = 1_000;
/** Wait for what a member shows of a running task, ms. */
export const TASK_READ_TIMEOUT_MS = 2_000;
/** A removed member keeps running its tasks until others have started them, or for this long, ms. */
export const TASK_HANDOVER_MS = 3_000;
/** A removal that did not happen is forgotten after this, ms. */
export const REMOVAL_FORGOTTEN_MS = 20_000;
/** Topic states that were taken over this recently are fresh enough for a task that starts, ms. */
export const FRESH_STATES_MS = 2_000;
