/**
 * What a shared condition has answered about the points of a run: one byte per seat.
 */

/** Nobody has asked yet. */
export const ASK = 0;
export const HOLDS = 1;
export const HOLDS_NOT = 2;
/** The point cannot be judged. */
export const FAILS = 3;
