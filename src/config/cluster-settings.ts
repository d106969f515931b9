/**
 * The cluster's settings with zeros replaced, milliseconds instead of durations, and addresses completed.
 *
 * Where zero stands for a value of the membership protocol itself, the key is left out here, so that the
 * protocol's own defaults stay the only place that knows it.
 */

import type { DurationNs } from "#lib/int64.ts";
import type { DaemonConfig } from "./daemon-config.ts";
import { splitAddress } from "./sections/shared.ts";

/** What zero means for the settings that are not the membership protocol's, ms. */
const DELAY_PER_MEMBER_MS = 10_000;
const FULL_SYNC_INTERVAL_MS = 5 * 60 * 1000;

export interface ListenAddress {
  /** As configured, or `hostname` where the setting has no host. */
  readonly host: string;
  readonly port: number;
}

export interface RpcTlsFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly privateKey: string;
}

export interface ClusterSettings {
  readonly gossipBind: ListenAddress;
  readonly rpcBind: ListenAddress;
  /** `host:port` texts that others are told. */
  readonly gossipAdvertise: string;
  readonly rpcAdvertise: string;
  readonly apiAdvertise: string;
  readonly roles: readonly string[];
  /** Only what is set; the rest is the protocol's own default. */
  readonly protocol: {
    readonly gossipMembers?: number;
    readonly gossipIntervalMs?: number;
    readonly syncIntervalMs?: number;
    readonly probeIntervalMs?: number;
    readonly probeTimeoutMs?: number;
    readonly indirectChecks?: number;
    readonly suspicionMult?: number;
    readonly deadTimeMs?: number;
    readonly packetMax?: number;
  };
  /** 32 bytes each; the first seals. */
  readonly encryptionKeys: readonly Uint8Array[];
  readonly acceptPlain: boolean;
  /** Files for TLS between members; absent: plain TCP. */
  readonly rpcTls?: RpcTlsFiles;
  readonly redundancy: number;
  readonly delayPerMemberMs: number;
  readonly fullSyncIntervalMs: number;
  readonly deduplicateInline: boolean;
}

export function clusterSettings(config: DaemonConfig): ClusterSettings {
  const { cluster, rpc, alert, hostname } = config;
  const gossipBind = listenAddress(cluster["bind-address"], hostname);
  const rpcBind = listenAddress(rpc["bind-address"], hostname);
  const api = splitAddress(config.http["bind-address"]);
  return {
    gossipBind,
    rpcBind,
    gossipAdvertise: cluster["advertise-address"] || joinAddress(hostname, gossipBind.port),
    rpcAdvertise: rpc["advertise-address"] || joinAddress(hostname, rpcBind.port),
    apiAdvertise: joinAddress(hostname, api.port),
    roles: cluster.roles.length === 0 ? ["worker"] : cluster.roles,
    protocol: protocolOf(cluster),
    encryptionKeys: cluster["encryption-keys"].map(
      (key) => new Uint8Array(Buffer.from(key, "base64")),
    ),
    acceptPlain: cluster["accept-plain"],
    ...(rpc["tls-ca"] === "" ? {} : { rpcTls: tlsFilesOf(rpc) }),
    redundancy: alert.redundancy,
    delayPerMemberMs: milliseconds(alert["delay-per-member"]) || DELAY_PER_MEMBER_MS,
    fullSyncIntervalMs: milliseconds(alert["full-sync-interval"]) || FULL_SYNC_INTERVAL_MS,
    deduplicateInline: alert["deduplicate-inline"],
  };
}

function tlsFilesOf(rpc: DaemonConfig["rpc"]): RpcTlsFiles {
  return {
    ca: rpc["tls-ca"],
    certificate: rpc["tls-certificate"],
    privateKey: rpc["tls-private-key"],
  };
}

function protocolOf(cluster: DaemonConfig["cluster"]): ClusterSettings["protocol"] {
  const given = {
    gossipMembers: cluster["gossip-members"],
    gossipIntervalMs: milliseconds(cluster["gossip-interval"]),
    syncIntervalMs: milliseconds(cluster["gossip-sync-interval"]),
    probeIntervalMs: milliseconds(cluster["probe-interval"]),
    probeTimeoutMs: milliseconds(cluster["probe-timeout"]),
    indirectChecks: cluster["indirect-checks"],
    suspicionMult: cluster["suspicion-mult"],
    deadTimeMs: milliseconds(cluster["dead-time"]),
    packetMax: cluster["udp-packet-max"],
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== 0));
}

/** Milliseconds with fractions. */
export function milliseconds(duration: DurationNs): number {
  return Number(duration) / 1e6;
}

function listenAddress(address: string, hostname: string): ListenAddress {
  const { host, port } = splitAddress(address);
  return { host: host === "" ? hostname : host, port };
}

/** `host:port`, with brackets around an IPv6 host. */
export function joinAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
