/** Bounds of what comes in besides HTTP, with unit and reason. */

/** Bytes of one datagram of line protocol; UDP itself carries no more. */
export const DATAGRAM_BYTES_MAX = 65_536;

/** Datagrams that may wait for the engine when the configuration names no number. */
export const DATAGRAMS_WAITING = 1_000;

/** Databases × retention policies handled per InfluxDB; more fail the pass (each would cost a subscription). */
export const SUBSCRIPTIONS_MAX = 10_000;

/** First wait before an unreachable InfluxDB is tried again, its growth, its spread and its cap. */
export const RETRY_FIRST_MS = 500;
export const RETRY_FACTOR = 1.5;
export const RETRY_SPREAD = 0.5;
export const RETRY_MAX_MS = 60_000;

/** Random bytes in a subscription token, behind the name of its owner. */
export const TOKEN_RANDOM_BYTES = 64;

/** Cluster IDs remembered as given up, to drop what is left under their names. */
export const ABANDONED_MAX = 8;

/** Removed members whose subscriptions wait to be dropped at one InfluxDB; the oldest is forgotten. */
export const DEPARTED_MAX = 1_000;

/** How long one pass over an InfluxDB may take, ms; a silent server must not stop the ones to come. */
export const PASS_MS_MAX = 60_000;
