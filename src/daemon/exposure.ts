/**
 * Is the cluster open to the network, and can others reach what we tell them? Judged from settings alone.
 *
 * Plain ports on a network are allowed, as in the original, but said aloud. An address that nobody else can use is
 * refused, because every other member would take this one for dead. Source: cluster-behaviour U28, gossip §2.
 */

import { isLoopback, isWildcard, splitHostPort } from "#cluster/messages/ip.ts";
import type { ClusterView } from "#cluster/ports.ts";
import type { ClusterSettings } from "#config/cluster-settings.ts";

/** What the log should warn of at start; empty when all is sealed or only this machine can connect. */
export function exposureWarnings(settings: ClusterSettings): readonly string[] {
  const { gossipBind, rpcBind, encryptionKeys, acceptPlain, rpcTls } = settings;
  const warnings: string[] = [];
  const sealed = encryptionKeys.length > 0;
  if (!sealed && !isLoopback(gossipBind.host)) {
    warnings.push(
      "gossip is neither sealed nor authenticated and not bound to loopback: set [cluster] encryption-keys",
    );
  }
  if (!sealed && rpcTls === undefined && !isLoopback(rpcBind.host)) {
    warnings.push(
      "calls between members are neither sealed nor authenticated and not bound to loopback: " +
        "set [cluster] encryption-keys or [rpc] tls-ca, tls-certificate and tls-private-key",
    );
  }
  if (sealed && acceptPlain) {
    warnings.push(
      "[cluster] accept-plain is on: members without keys are trusted; remove it when all have keys",
    );
  }
  return warnings;
}

/** Why members that we know cannot call us at what we advertise for RPC, or undefined. Names are not judged. */
export function rpcAddressProblem(
  settings: Pick<ClusterSettings, "rpcAdvertise">,
  view: ClusterView,
): string | undefined {
  const address = settings.rpcAdvertise;
  const host = splitHostPort(address)?.host ?? "";
  const remedy = "set hostname or [rpc] advertise-address";
  if (isWildcard(host)) return `RPC advertise address ${address} is a wildcard: ${remedy}`;
  if (!isLoopback(host)) return undefined;
  const far = view.members.find(({ id, rpcAddress }) => {
    return id !== view.localId && !isLoopback(splitHostPort(rpcAddress)?.host ?? "localhost");
  });
  if (far === undefined) return undefined;
  return `RPC advertise address ${address} is loopback, but member ${far.id} is at ${far.rpcAddress}: ${remedy}`;
}
