/** Every bound of recordings and replays, with unit and reason. */

/** Recordings that run at once; each costs memory and a file. The next one is refused. */
export const RECORDINGS_RUNNING_MAX = 64;

/** Replays that run at once; each is an engine of its own. The next one is refused. */
export const REPLAYS_RUNNING_MAX = 64;

/** Characters collected before they are packed: small writes would cost more than they carry. */
export const RECORDING_CHUNK_CHARS = 64 * 1024;

/** Characters waiting for the disk. Beyond, the recording fails: it must not take the daemon's memory. */
export const RECORDING_BACKLOG_CHARS_MAX = 64 * 1024 * 1024;

/** Bytes of recorded lines that a replay reads at once. */
export const REPLAY_BODY_BYTES = 64 * 1024;

/** Longest a replay works before it returns to the event loop, ms. */
export const REPLAY_SLICE_MS = 5;
