/** Bounds and waits of member-to-member calls, with units and reasons. */

import { BEAT_MS } from "../limits.ts";

/** Calls in flight per direction and connection; more wait at the caller, and a peer that sends more is refused. */
export const IN_FLIGHT_MAX = 256;
/** Calls and notices waiting at the caller for a connection or a free slot, per member; more are refused. */
export const WAITING_MAX = 4096;
/** Bytes waiting for the kernel per connection; a frame that would exceed it is refused. Two largest frames. */
export const WRITE_QUEUE_MAX = 64 * 1024 * 1024;
/** So many answers that nobody waits for leave by themselves; fewer with another frame, or at the next tick. */
export const PATIENT_MAX = 4;
/** Small frames are joined into writes of up to this size. */
export const WRITE_JOIN_MAX = 256 * 1024;
/** Connections accepted at once; further ones are closed. */
export const ACCEPTED_MAX = 2048;
/** Deadlines on the wire are capped here, so that a forgotten call cannot hold its slot for ever. */
export const DEADLINE_MAX_MS = 10 * 60 * 1000;

/** How long a peer may take to open with HELLO. */
export const HELLO_TIMEOUT_MS = 5000;
/** Bound of one connect. */
export const CONNECT_TIMEOUT_MS = 2000;
/** Nothing heard for this long: ask. */
export const PING_AFTER_MS = 1000;
/**
 * Nothing heard for this long: the connection is lost. Short, because redialling after a cut heals sooner than
 * TCP's own retransmission, which doubles its wait each time.
 */
export const SILENCE_MAX_MS = 4000;
/** Period of the tick that looks for silence. A tick late by more than the same again means that *we* slept. */
export const TICK_MS = BEAT_MS;
/** A connection that lost its place (the other one of a pair survived) is closed after its calls ended, at most this. */
export const DRAIN_MAX_MS = 10_000;
/** … and at least after this, so that what the peer sent meanwhile is still read. */
export const DRAIN_MIN_MS = 1000;

/** As many new members are dialled at once when none came shortly before. */
export const MEET_AT_ONCE = 4;
/** More are dialled when no further one came for this long … */
export const MEET_QUIET_MS = 300;
/** … and this for each that waits already: where many join, and share cores, they come with longer pauses … */
export const MEET_QUIET_EACH_MS = 25;
/** … and at most this long after the first; sooner when a call needs the connection … */
export const MEET_MAX_MS = 5000;
/** … and one after the other, this far apart: each has much to say to a new one. */
export const MEET_PACE_MS = 25;
/** After a loss: first redial, and the second one which makes two refusals proof that the process is gone. */
export const REDIAL_FIRST_MS = 10;
export const REDIAL_SECOND_MS = 100;
/** Then doubling from here … */
export const REDIAL_START_MS = 250;
/** … to here, with ± 30 % jitter. */
export const REDIAL_MAX_MS = 5000;
