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

/** How long values that are known elsewhere wait for a flush that others need, ms (`Write.mayWait`; gossip.md §14.7). */
export const SHARED_FLUSH_WAIT_MS = 20;

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

/** Rows, and their length in UTF-16 units, that are stored as one (`Kind.packed`); more become several. */
export const PACK_ROWS_MAX = 256;
export const PACK_LENGTH_MAX = 1024 * 1024;

/**
 * Length of removed rows that may lie in packs of a kind, in UTF-16 units, or as much as is not removed; beyond both, packs are
 * written anew without them, so much per flush.
 */
export const DEAD_LENGTH_MAX = 8 * 1024 * 1024;
export const REPACK_LENGTH_MAX = 1024 * 1024;

/** Topic states of one turn of the event loop that are written in one commit; more take several. */
export const TOPIC_STATES_PER_COMMIT = 1_000;
