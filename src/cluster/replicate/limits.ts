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
/** A failed sync is tried again after this, ms. */
export const SYNC_RETRY_MS = 2000;
/** The time of the last contact is written to disk at most this often, ms; far below `TOMBSTONE_MS`. */
export const CONTACT_EVERY_MS = 60 * 60 * 1000;
