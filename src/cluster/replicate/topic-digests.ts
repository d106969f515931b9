/**
 * Digests of topic states: 64 bits per bucket of event IDs, and one for the whole topic.
 *
 * A digest is the XOR of its states' hashes, so it does not depend on order, and equal tables have equal digests. They
 * are computed when asked for: that is once per full sync, and costs less than keeping them while events flow. Stamps
 * are left out: every producer of an event has its own, and members of an earlier release have none.
 */

import type { EventState } from "#alert/event.ts";
import { BUCKETS } from "../calls/sync-topic.ts";

/** One digest per bucket; empty text for a bucket without states. */
export function bucketDigests(states: Iterable<EventState>): readonly string[] {
  const sums = new Map<number, bigint>();
  for (const state of states) {
    const bucket = bucketOf(state.id);
    sums.set(bucket, (sums.get(bucket) ?? 0n) ^ hashOf(state));
  }
  return Array.from({ length: BUCKETS }, (_, bucket) => sums.get(bucket)?.toString(16) ?? "");
}

/** The whole topic's. */
export function topicDigest(states: Iterable<EventState>): string {
  let sum = 0n;
  for (const state of states) sum ^= hashOf(state);
  return sum.toString(16);
}

export function bucketOf(id: string): number {
  return Number(Bun.hash.xxHash64(id) % BigInt(BUCKETS));
}

function hashOf({ id, level, time, message, details, duration }: EventState): bigint {
  const texts = [id, level, time.ms, time.ns, message, details, String(duration)];
  return Bun.hash.xxHash64(JSON.stringify(texts));
}
