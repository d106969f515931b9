/**
 * Who may join what: the decisions of `member add` (U6) without any of its waiting.
 *
 * The adder offers its cluster and table, the target decides. The target must be alone and uninitialized, or
 * already in that cluster. Two clusters with members are never merged. Two that add each other at
 * once agree on the smaller cluster ID.
 */

import { formatHostPort, isLoopback, isWildcard } from "../messages/ip.ts";
import { REMOVED } from "../messages/message.ts";
import type { SyncEntry } from "../messages/sync.ts";
import type { Address, MemberId } from "../ports.ts";
import { PROTOCOL_MAX, PROTOCOL_MIN, parseMemberId } from "../transport/hello.ts";
import { type EntryJson, entryFromJson, entryToJson } from "./image.ts";
import type { Adoption } from "./io.ts";

/** What the adder sends, JSON-able. */
export interface JoinOffer {
  readonly clusterId: string;
  readonly adder: MemberId;
  readonly protocol: readonly [number, number];
  readonly members: readonly EntryJson[];
}

/** What the target answers. `yields`: it is adding the adder itself, under the smaller cluster ID. */
export type JoinAnswer =
  | { readonly ok: true; readonly member: EntryJson }
  | { readonly ok: true; readonly yields: true; readonly id: string }
  | { readonly ok: false; readonly error: string };

/** What of the target the decision needs. */
export interface JoinTarget {
  readonly id: MemberId;
  readonly clusterId: string;
  readonly initialized: boolean;
  /** While uninitialized: the last epoch it was removed in, 0 if never. */
  readonly epoch: number;
  /** It runs a `member add` of its own. */
  readonly adding: boolean;
  /** What it advertises for gossip. */
  readonly gossip: Address;
}

export type JoinDecision =
  | { readonly kind: "adopt"; readonly adoption: Adoption }
  | { readonly kind: "already" }
  | { readonly kind: "yields" }
  | { readonly kind: "refuse"; readonly error: string };

export function makeOffer(
  clusterId: string,
  adder: MemberId,
  table: readonly SyncEntry[],
): JoinOffer {
  return {
    clusterId,
    adder,
    protocol: [PROTOCOL_MIN, PROTOCOL_MAX],
    members: table.map(entryToJson),
  };
}

/** Throws `Error` when the payload is no offer. */
export function parseOffer(payload: unknown): { offer: JoinOffer; entries: SyncEntry[] } {
  const offer = payload as Partial<JoinOffer> | null;
  if (
    typeof offer !== "object" ||
    offer === null ||
    typeof offer.clusterId !== "string" ||
    offer.clusterId === "" ||
    offer.clusterId.length > 64 ||
    typeof offer.adder !== "string" ||
    !Array.isArray(offer.protocol) ||
    !Array.isArray(offer.members)
  ) {
    throw new Error("not a join offer");
  }
  const { clusterId, members } = offer;
  const adder = parseMemberId(offer.adder);
  if (adder === undefined) throw new Error("not a join offer");
  const protocol = [Number(offer.protocol[0]), Number(offer.protocol[1])] as const;
  return { offer: { clusterId, adder, protocol, members }, entries: members.map(entryFromJson) };
}

export function decideJoin(
  target: JoinTarget,
  offer: JoinOffer,
  entries: readonly SyncEntry[],
): JoinDecision {
  if (offer.adder === target.id) return refuse(`member ${target.id} cannot be added to itself`);
  if (offer.protocol[1] < PROTOCOL_MIN || offer.protocol[0] > PROTOCOL_MAX) {
    return refuse(
      `member ${target.id} speaks protocol versions ${PROTOCOL_MIN} to ${PROTOCOL_MAX}, the cluster ${offer.protocol[0]} to ${offer.protocol[1]}`,
    );
  }
  const own = entries.find((entry) => idOf(entry) === target.id);
  if (target.initialized && target.clusterId !== offer.clusterId) {
    return refuse(`member ${target.id} already belongs to cluster ${target.clusterId}`);
  }
  // Removed there but not told yet: the operator wants it back, in a new epoch.
  const unaware = own?.rank === REMOVED && own.epoch >= target.epoch;
  if (target.initialized && !unaware) return { kind: "already" };
  const address = addressProblem(target, entries);
  if (address !== undefined) return refuse(address);
  if (target.adding && target.clusterId < offer.clusterId) return { kind: "yields" };
  return { kind: "adopt", adoption: adoptionOf(target, offer, own, entries) };
}

export function idOf(entry: SyncEntry): MemberId {
  return entry.rank === REMOVED ? entry.id : entry.profile.id;
}

/** An address that only its own machine understands would make a member that everybody declares dead. */
export function addressProblem(
  own: { readonly id: MemberId; readonly gossip: Address },
  others: readonly SyncEntry[],
): string | undefined {
  const remedy = "set hostname or [cluster] advertise-address";
  if (isWildcard(own.gossip.host)) {
    return `member ${own.id} advertises the wildcard address ${formatHostPort(own.gossip)}: ${remedy}`;
  }
  for (const entry of others) {
    if (entry.rank === REMOVED || entry.profile.id === own.id) continue;
    const { id, gossip } = entry.profile;
    if (isLoopback(own.gossip.host) === isLoopback(gossip.host)) continue;
    const bad = isLoopback(own.gossip.host) ? own : { id, gossip };
    return `member ${bad.id} advertises the loopback address ${formatHostPort(bad.gossip)}, which other machines cannot reach: ${remedy}`;
  }
  return undefined;
}

function adoptionOf(
  target: JoinTarget,
  offer: JoinOffer,
  own: SyncEntry | undefined,
  entries: readonly SyncEntry[],
): Adoption {
  let last = 0;
  for (const entry of entries) {
    if (entry.rank !== REMOVED) last = Math.max(last, entry.profile.joined);
  }
  const known = own !== undefined && own.rank !== REMOVED ? own : undefined;
  const epoch = own?.rank === REMOVED ? own.epoch + 1 : (known?.version.epoch ?? 1);
  return {
    clusterId: offer.clusterId,
    adder: offer.adder,
    epoch: Math.max(epoch, target.epoch + 1),
    joined: known?.profile.joined ?? last + 1,
    entries,
  };
}

function refuse(error: string): JoinDecision {
  return { kind: "refuse", error };
}
