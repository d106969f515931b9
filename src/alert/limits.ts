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

/** Events kept until ownership is attached at start; beyond it the oldest is dropped and counted. */
export const EARLY_EVENTS_MAX = 10_000;

/** Event IDs whose evaluations are remembered for "why was I not paged"; the longest unseen goes first. */
export const TRACED_IDS_MAX = 10_000;

/** Evaluations remembered per event ID. */
export const TRACE_EVALUATIONS_MAX = 16;

/** Steps remembered per evaluation; later ones are left out. */
export const TRACE_STEPS_MAX = 64;

/** Active and expired silences together; creating more is refused. */
export const SILENCES_MAX = 10_000;
