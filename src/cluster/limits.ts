/**
 * Bounds of the membership part, in one place, each with its unit and what happens beyond it.
 */

/** Members in a table, tombstones included; further ones are not learned and counted (gossip.md §9). */
export const MEMBERS_MAX = 10_000;
/** Senders not in the table for which replay state is kept; further ones are dropped and counted. */
export const STRANGERS_MAX = 256;
/** Largest datagram accepted, bytes; longer ones are dropped and counted. */
export const DATAGRAM_MAX = 9_000;
/** Smallest packet the size search goes down to, bytes: what every IPv4 host must take. */
export const PACKET_MIN = 508;
/** Accepted gossip connections at once, in all and per remote address; further ones are closed. */
export const CONNECTIONS_MAX = 128;
export const CONNECTIONS_PER_ADDRESS_MAX = 8;
/** Outgoing gossip connections at once; further dials fail at once and are counted. */
export const DIALS_MAX = 64;
/** Full syncs we run at once; further requests wait. */
export const SYNCS_AT_ONCE_MAX = 4;
/** Sync requests waiting, one per member at most; further ones are dropped and counted, the periodic sync covers them. */
export const SYNCS_WAITING_MAX = MEMBERS_MAX;
/** Pings made for others at once; further PING-REQs are answered NACK `unknown` and counted. */
export const RELAYS_MAX = 256;
/** Milliseconds from dialling or accepting to a finished HELLO. */
export const HELLO_MS = 5_000;
/** Milliseconds of silence allowed before each following frame. */
export const FRAME_MS = 10_000;
/** The same for the connection of a tcp-only pair, whose pings may be far apart. */
export const IDLE_LINK_MS = 90_000;
/** Notes queued per packet cycle beyond membership facts: the queue holds 4 n + this many entries. */
export const QUEUE_EXTRA = 1_024;
/** Inputs read before timers run after a stall: 50 ms (gossip.md §13). */
export const STALL_READ_MS = 50;
/** A member that died less than this ago still gets gossip, so that it can refute. */
export const GOSSIP_TO_DEAD_MS = 30_000;
/** At most one state write per this many milliseconds, unless urgent. */
export const PERSIST_EVERY_MS = 1_000;
/** Incarnations reserved on disk ahead, so that refuting needs no write before it may be sent. */
export const INCARNATION_RESERVE = 8;
/** At most one answer per this many milliseconds to a removed or superseded sender. */
export const ANSWER_EVERY_MS = 1_000;
/** How long `member add` waits for the new member to be alive, milliseconds (U6). */
export const ADD_WAIT_MS = 30_000;
/** How long a leaving or removed member may hand over its work, milliseconds (U29). */
export const HANDOVER_MS = 10_000;

/** What a member does all the time it does in step with this, ms: a wake-up is most of what that costs. */
export const BEAT_MS = 250;
/** So much later than asked for membership is woken up for a beat's sake, ms, when it has nothing to say. */
export const BEAT_SLACK_MS = 60;
