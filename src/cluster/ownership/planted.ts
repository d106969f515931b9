/**
 * Deliberate faults of alert ownership, only ever passed by the simulator's tests, which must find each of them.
 * Production passes none.
 */

export type PlantedAlertBug =
  /** Sends are not held back after a stall, a start or a reconnect. */
  | "no-pull-gate"
  /** What is older than what was sent already is sent as well. */
  | "no-order"
  /** Completions told by other owners are not believed. */
  | "ignores-done"
  /** A long send is not announced to the waiting owners. */
  | "no-hold"
  /** A batch that was not delivered is not sent again. */
  | "forgets-batches"
  /** What the first owner is expected to raise as well is not sent when it does not. */
  | "trusts-first-word"
  /** Waiting owners wait for ever. */
  | "no-takeover"
  /** An older completion replaces a newer one. */
  | "older-completion-wins"
  /** Producers that are no owners keep their copies. */
  | "keeps-copies"
  /** Silence counts as gone at once. */
  | "silence-is-gone"
  /** Every owner takes itself for the first. */
  | "everybody-first"
  /** A pause of the process is not noticed. */
  | "no-stall";
