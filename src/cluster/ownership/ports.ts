/**
 * What alert ownership is given: the questions it asks the alert core, its settings, and what it finds on disk at a start.
 *
 * The questions are answered within the call, because the state machine waits for nothing. What takes time goes the
 * other way, as an `Output`, and its end comes back as an input.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { PlantedAlertBug } from "./planted.ts";

/** Synchronous questions to the alert core. */
export interface CorePorts {
  /**
   * First copy of an event on this owner; returns the handlers to be told outside the process (those inside run on every
   * owner, within this call). Must not call the core.
   */
  accept(event: AlertEvent): readonly string[];
  /** The same for an event of a shared inline topic: its state is each member's own and stays as it is. */
  acceptCopy(event: AlertEvent): readonly string[];
  /** An event of a shared inline topic was raised here: updates the topic's state. Must not call the core. */
  record(event: AlertEvent): void;
  /** An event raised here was taken care of by its owners; this member only passed it on. Must not call the core. */
  settledByOwners?(event: AlertEvent): void;
  /** Does a started send wait behind others, so that the endpoint has not heard of it? Default: no. Must not call the core. */
  isQueued?(ticket: number): boolean;
  /** Forgets a send that `isQueued`; false when it is not. Must not call the core. */
  withdraw?(ticket: number): boolean;
}

export interface CoreOptions {
  /** Tells this start of the process from others. */
  readonly boot: string;
  /** `[alert] delay-per-member`, ms. */
  readonly delayMs: number;
  /** `[alert] full-sync-interval`, ms. */
  readonly fullSyncMs: number;
  /** Topics of single tasks, shared by the members that run them; none when absent. */
  readonly isInline?: (topic: string) => boolean;
  readonly planted?: ReadonlySet<PlantedAlertBug>;
}

/** An event that was not settled when the process ended, as found on disk. */
export interface PendingRow {
  /** Key of its row. */
  readonly row: string;
  readonly event: AlertEvent;
  readonly local: boolean;
  /** Handlers not finished with; absent = all. */
  readonly left?: readonly string[];
}
