/**
 * Numbers the membership core runs with. Defaults are the LAN values of gossip.md §2; the `[cluster]`
 * section (`cluster/section.ts`) turns zero and empty into them.
 */

export interface SwimOptions {
  /** Targets per gossip round and eager send, ≥ 1. */
  readonly gossipMembers: number;
  readonly gossipIntervalMs: number;
  /** Full sync with one random member; stretched above 32 members, ± 20 %. */
  readonly syncIntervalMs: number;
  readonly probeIntervalMs: number;
  /** Direct ping until helpers and TCP are tried; below half of the probe interval. */
  readonly probeTimeoutMs: number;
  readonly indirectChecks: number;
  readonly suspicionMult: number;
  /** Eager packets; beyond, facts wait for the gossip tick. 0: everything waits. */
  readonly eagerPerSecond: number;
  /** How long members that died or left are dialled at the usual pace; afterwards they are dialled seldom. */
  readonly deadTimeMs: number;
  /** UDP payload produced, 508 … 9,000 bytes. */
  readonly packetMax: number;
}

export const LAN: SwimOptions = {
  gossipMembers: 3,
  gossipIntervalMs: 200,
  syncIntervalMs: 30_000,
  probeIntervalMs: 500,
  probeTimeoutMs: 250,
  indirectChecks: 3,
  suspicionMult: 4,
  eagerPerSecond: 20,
  deadTimeMs: 24 * 3_600_000,
  packetMax: 1_400,
};

/** Makes the relations between options hold; `raised` tells that the probe interval had to grow. */
export function soundOptions(options: SwimOptions): { options: SwimOptions; raised: boolean } {
  if (options.probeTimeoutMs * 2 <= options.probeIntervalMs) return { options, raised: false };
  return { options: { ...options, probeIntervalMs: options.probeTimeoutMs * 2 }, raised: true };
}
