/**
 * Sizes and times of storage, each with its reason. Beyond a size a commit is refused with `StorageError`.
 */

/** Longest key, in UTF-8 bytes. Keys join a few identifiers; anything longer is a mistake. */
export const KEY_BYTES_MAX = 16 * 1024;

/** Longest encoded value, in UTF-16 units. A node snapshot of a very large task stays well below. */
export const VALUE_LENGTH_MAX = 256 * 1024 * 1024;

/** Commits that wait for one flush. At this number the flush happens at once: callers never pile up further. */
export const GROUP_COMMITS_MAX = 1024;

/** Encoded length that waits for one flush, in UTF-16 units; bounds the write-ahead log of one transaction. */
export const GROUP_LENGTH_MAX = 16 * 1024 * 1024;

/**
 * Longest pause between the first waiting commit and its flush, ms. An idle store flushes on the next turn
 * of the event loop; a busy one pauses as long as its last flush took, so that a slow disk is kept at most half busy.
 */
export const FLUSH_PAUSE_MAX_MS = 5;

/** A flush that took less than this is followed by no pause: a timer cannot wait shorter, ms. */
export const FLUSH_PAUSE_MIN_MS = 1;

/**
 * Pages in the write-ahead log after which a commit folds it into the database. A page that many commits changed is
 * folded in once, so more is cheaper; a start after a crash reads the log again, 16 MiB at most at this number.
 */
export const CHECKPOINT_PAGES = 4_096;

/** The write-ahead log file is cut back to this size after a checkpoint, bytes. */
export const WAL_BYTES_KEPT = 64 * 1024 * 1024;

/** How long opening waits for another process to let go of the file, ms. */
export const LOCK_WAIT_MS = 1000;
