/**
 * How long a suspect has to refute before it is declared dead.
 *
 * The wait starts at `max` and shrinks towards `min` with every independent accuser, fast at first
 * (logarithmic): one confused member cannot kill another, a real crash seen by many is settled
 * quickly. Refused connects are proof enough and make it short at once.
 * Source: Lifeguard (2017) local health aware suspicion; constants of gossip.md §7.
 */

import type { Reason } from "../messages/message.ts";
import type { MemberId, MonoMs } from "../ports.ts";
import type { SwimOptions } from "./options.ts";
import type { Timer } from "./timers.ts";

/** A refused process gets this long at least, milliseconds. */
const REFUSED_MS_MIN = 1_000;

/** Longest wait as a multiple of the shortest. */
const MAX_FACTOR = 6;

export interface SuspicionTimes {
  readonly minMs: number;
  readonly maxMs: number;
  /** Independent confirmations after which the wait is `minMs`. */
  readonly wanted: number;
}

/** Bounds for a cluster of `members` (self included). */
export function suspicionTimes(options: SwimOptions, members: number): SuspicionTimes {
  const scale = Math.max(1, Math.log10(members));
  const minMs = options.suspicionMult * scale * options.probeIntervalMs;
  const wanted = Math.max(0, options.suspicionMult - 2);
  return { minMs, maxMs: MAX_FACTOR * minMs, wanted: members - 2 < wanted ? 0 : wanted };
}

/** Total wait in milliseconds, within [minMs, maxMs], after `confirmations` further accusers. */
export function suspicionTimeoutMs(times: SuspicionTimes, confirmations: number): number {
  if (times.wanted === 0) return times.minMs;
  const share = Math.log(confirmations + 1) / Math.log(times.wanted + 1);
  return Math.max(times.minMs, times.maxMs - (times.maxMs - times.minMs) * share);
}

/** Total wait after the process was found gone. */
export function refusedTimeoutMs(options: SwimOptions): number {
  return Math.max(2 * options.probeIntervalMs, REFUSED_MS_MIN);
}

/** One running suspicion. The first accuser is not a confirmation. */
export interface Suspicion {
  /** Moved on by stalls. */
  startedAt: MonoMs;
  readonly times: SuspicionTimes;
  /** Different ones, the first first; no more than are wanted and few more. A list: a Set of three takes 250 bytes. */
  readonly accusers: MemberId[];
  reason: Reason;
  deadline: MonoMs;
  timer: Timer | undefined;
}
