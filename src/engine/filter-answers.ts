/**
 * What a shared condition has answered about the points of a run: one byte per seat. The first three are
 * those of `Lambda.testRun`.
 */

/** Nobody has asked yet. */
export const ASK = 0;
export const HOLDS = 1;
export const HOLDS_NOT = 2;
/** The point cannot be judged. */
export const FAILS = 3;
