/** Bounds and waits of handler replication, with units and reasons. */

/** Tombstones are kept this long; a member away for longer takes the others' table instead of merging, ms. */
export const TOMBSTONE_MS = 7 * 24 * 60 * 60 * 1000;
/** Definitions on one page of a sync; with ordinary handlers far below 1 MiB. */
export const SYNC_PAGE_MAX = 500;
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
/** A failed sync is tried again after this, ms. */
export const SYNC_RETRY_MS = 2000;
/** The time of the last contact is written to disk at most this often, ms; far below `TOMBSTONE_MS`. */
export const CONTACT_EVERY_MS = 60 * 60 * 1000;
