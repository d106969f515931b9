/**
 * Bounds of alert delivery. Every wait is finite and every queue has a size; what happens at the bound is said
 * here and counted where it happens.
 */

/** Sizes and times of one handler's queue. */
export interface DeliveryLimits {
  /** Events waiting or in flight per handler; beyond it a new one is dropped (`dropped`). */
  readonly waitingMax: number;
  /** Events of different IDs one handler sends at the same time. */
  readonly inFlightMax: number;
  /** Time limit of one attempt, ms. Shorter than the wait after which another owner takes over (60 s). */
  readonly attemptTimeoutMs: number;
  /** Attempts per event before it is given up (`expired`). */
  readonly attemptsMax: number;
  /** Age at which an event that still fails is given up (`expired`), ms. */
  readonly ageMaxMs: number;
  /** First pause after a failed attempt, ms; doubles up to `backoffMaxMs`, each drawn between half and full. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** The longest pause a receiver may ask for (Retry-After), ms. */
  readonly retryAfterMaxMs: number;
  /** How long a replaced or removed handler may go on with what it holds, ms. */
  readonly drainMs: number;
}

export const DELIVERY_LIMITS: DeliveryLimits = {
  waitingMax: 5_000,
  inFlightMax: 16,
  attemptTimeoutMs: 30_000,
  attemptsMax: 60,
  ageMaxMs: 3_600_000,
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
  retryAfterMaxMs: 300_000,
  drainMs: 10_000,
};

/**
 * Attempts of one handler that failed in a row, of whatever IDs, after which its receiver counts as being in trouble
 * until an attempt is answered.
 */
export const TROUBLE_FAILURES = 3;

/** Series of statistics that handler kinds count beside their queues; further ones are not counted. */
export const KIND_COUNTS_MAX = 1_000;

/**
 * While another member may tell the handler instead, a turn is short: so many attempts, so long in all (ms), after pauses
 * that double from the first (ms). Where attempts for other IDs fail too, one is enough. A receiver that asks for a pause
 * (Retry-After) is alive and is waited for.
 */
export const TURN_ATTEMPTS = 3;
export const TURN_MS = 2_000;
export const TURN_PAUSE_MS = 250;

/** Deleted topics whose older events are told by their stamps; beyond it the one deleted longest ago is forgotten. */
export const DELETED_TOPICS_MAX = 10_000;

/** Events kept until ownership is attached at start; beyond it the oldest is dropped and counted. */
export const EARLY_EVENTS_MAX = 10_000;

/** Event IDs whose evaluations are remembered for "why was I not paged"; the one first seen longest ago goes first. */
export const TRACED_IDS_MAX = 10_000;

/** Evaluations remembered per event ID. */
export const TRACE_EVALUATIONS_MAX = 16;

/** Steps remembered per evaluation; later ones are left out. */
export const TRACE_STEPS_MAX = 64;

/** Steps remembered in all, about 100 bytes each; beyond it whole IDs are forgotten, as above. */
export const TRACE_ALL_STEPS_MAX = 500_000;

/** Silences that are not expired; making more is refused. */
export const SILENCES_MAX = 10_000;

/** Expired silences still remembered; beyond it those that were to end first are forgotten. */
export const SILENCES_KEPT_MAX = 10_000;

/** How long after its planned end a silence is remembered, ms. Longer than clocks of members differ. */
export const SILENCE_KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/** How often silences to be forgotten are looked for, ms. */
export const SILENCES_SWEEP_MS = 10 * 60 * 1000;

/** Matchers of one silence; more are refused. */
export const SILENCE_MATCHERS_MAX = 64;

/** Characters of a matcher, of an author and of a comment; longer ones are refused. */
export const SILENCE_TEXT_MAX = 1_000;
