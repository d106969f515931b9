/**
 * When another owner last told a handler anything: a queue that moves is not hung, however long it is.
 *
 * The cap on HOLDs starts again with each completion by the holder, as long as the endpoint has not heard of the held event
 * itself. One that hangs while others of its handler go on is bounded as before. Source: cluster-behaviour.md U13.
 */

import type { MemberId } from "../ports.ts";
import type { Lane } from "./held.ts";
import { PROGRESS_MAX } from "./limits.ts";
import type { CompletionEntry } from "./notices.ts";

export class Progress {
  /** Topic, handler and member → core time. */
  readonly #at = new Map<string, number>();

  made({ topic, handler, by }: CompletionEntry, now: number): void {
    // Forgetting all costs nothing but an earlier end of the waits that are on now.
    if (this.#at.size >= PROGRESS_MAX) this.#at.clear();
    this.#at.set(keyOf(topic, handler, by), now);
  }

  /** Since when the holder of a lane is without progress; core time. */
  since({ topic, handler, holderQueued }: Lane, holder: MemberId, heldSince: number): number {
    if (!holderQueued) return heldSince;
    return Math.max(heldSince, this.#at.get(keyOf(topic, handler, holder)) ?? heldSince);
  }
}

function keyOf(topic: string, handler: string, member: MemberId): string {
  return JSON.stringify([member, topic, handler]);
}
