/**
 * The cluster tag: 8 bytes that tell clusters apart in every packet and HELLO.
 *
 * A hash, not the ID itself, because the ID is also mixed into keys. Source: reference gossip.md §3, §4.1.
 */

import { createHash } from "node:crypto";

/** First 8 bytes of SHA-256("cluster" ‖ cluster ID text). */
export function clusterTag(clusterId: string): Uint8Array {
  const digest = createHash("sha256").update("cluster").update(clusterId).digest();
  return new Uint8Array(digest.subarray(0, 8));
}
