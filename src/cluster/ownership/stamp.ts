/**
 * The order of one event ID's events: data time, then level. Two events of an ID with equal stamps are the same event.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { Level } from "#alert/level.ts";

export interface Stamp {
  /** Data time: whole milliseconds and 0 … 999,999 ns, as in `lib/time.ts`. */
  readonly ms: number;
  readonly ns: number;
  readonly level: Level;
}

export function stampOf(event: AlertEvent): Stamp {
  return { ms: event.time.ms, ns: event.time.ns, level: event.level };
}

/** Negative when `a` is older. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.ms - b.ms || a.ns - b.ns || a.level - b.level;
}

/** The key of an event, from its parts; equal to `eventKey`. */
export function keyOf(topic: string, id: string, stamp: Stamp): string {
  return JSON.stringify([topic, id, stamp.ms, stamp.ns, stamp.level]);
}
