/**
 * What happens when every owner has failed to tell a handler: a rest, then the first one tries again.
 *
 * Rests belong to the ID, so newer events do not hurry a receiver in trouble; they grow until one send succeeds. How often
 * and how long, and how many IDs may rest per handler, is bounded. Source: cluster-behaviour.md U13, scenario 6.
 */

import type { Lane, Work } from "./held.ts";
import {
  ROUND_AGE_MAX_MS,
  ROUND_LANES_MAX,
  ROUND_REST_MAX_MS,
  ROUND_REST_MS,
  ROUNDS_MAX,
} from "./limits.ts";
import type { Reason } from "./reasons.ts";

export class Rounds {
  /** Topic and handler → IDs that rest. */
  readonly #resting = new Map<string, number>();

  /** Puts a work into its next round and lets its lane rest; or the reason why it is given up. */
  begin(work: Work, round: number, now: number): Reason | undefined {
    const { lane, held } = work;
    if (round > ROUNDS_MAX || now - held.receivedAt >= ROUND_AGE_MAX_MS) return "rounds_over";
    if (lane.rests === 0 && !this.#take(lane)) return "rounds_full";
    lane.rests++;
    lane.restUntil = now + Math.min(ROUND_REST_MAX_MS, ROUND_REST_MS * 2 ** (lane.rests - 1));
    work.round = round;
    work.failed = work.never;
    return undefined;
  }

  /** A send succeeded, or nothing is left to be sent. */
  calm(lane: Lane): void {
    if (lane.rests === 0) return;
    lane.rests = 0;
    lane.restUntil = Number.NEGATIVE_INFINITY;
    const key = keyOf(lane);
    const left = (this.#resting.get(key) ?? 1) - 1;
    if (left === 0) this.#resting.delete(key);
    else this.#resting.set(key, left);
  }

  #take(lane: Lane): boolean {
    const key = keyOf(lane);
    const resting = this.#resting.get(key) ?? 0;
    if (resting >= ROUND_LANES_MAX) return false;
    this.#resting.set(key, resting + 1);
    return true;
  }
}

function keyOf({ topic, handler }: Lane): string {
  return JSON.stringify([topic, handler]);
}
