/**
 * How members find and talk to each other. Zero and empty mean the value for local networks.
 *
 * The first group of keys is the original's, the rest is ours; all are optional.
 */

import { duration, flag, integer, text, texts, type ValuesOf } from "../field.ts";
import { defineSection } from "../section.ts";
import { addressProblem } from "./shared.ts";

/** A sealing key's size, bytes. */
export const ENCRYPTION_KEY_BYTES = 32;

const clusterFields = {
  "bind-address": text(":9090", { doc: "host:port, UDP and TCP; empty host = hostname." }),
  "advertise-address": text("", { doc: "What others are told; empty = hostname and bind port." }),
  roles: texts(["worker"]),
  "gossip-members": integer(0, { min: 0, max: 100, doc: "Members per gossip round; 0 = 3." }),
  "gossip-interval": duration(0, { doc: "Between gossip rounds; 0 = 200 ms." }),
  "gossip-sync-interval": duration(0, { doc: "Between full exchanges; 0 = 30 s." }),
  "probe-interval": duration(0, { doc: "Between probes; 0 = 500 ms." }),
  "probe-timeout": duration(0, { doc: "For a direct answer; 0 = 250 ms." }),
  "indirect-checks": integer(0, { min: 0, max: 100, doc: "Helpers of a failed probe; 0 = 3." }),
  "suspicion-mult": integer(0, { min: 0, max: 1000, doc: "Patience with suspects; 0 = 4." }),
  "dead-time": duration(0, {
    doc: "How long dead members are redialled every 30 s; then every 10 min; 0 = 24 h.",
  }),
  "encryption-keys": texts([], {
    redacted: true,
    doc: "32-byte keys in base64; the first seals, all open. Empty = plain.",
  }),
  "udp-packet-max": integer(0, {
    min: 0,
    max: 9000,
    doc: "Bytes of a datagram we send; 0 = 1400, with IPv6 1200.",
  }),
  "accept-plain": flag(false, { doc: "With keys, still accept plain packets while switching." }),
};

export type ClusterSection = ValuesOf<typeof clusterFields>;

export const cluster = defineSection({
  name: "cluster",
  doc: "Membership and gossip.",
  fields: clusterFields,
  validate([element]) {
    if (element === undefined) return undefined;
    const address = addressesProblem(element);
    if (address !== undefined) return `cluster: ${address}`;
    const role = element.roles.find((name) => name !== "worker");
    if (role !== undefined)
      return `cluster: unknown role ${JSON.stringify(role)}, the only role is "worker"`;
    const bad = element["encryption-keys"].findIndex((key) => !isEncryptionKey(key));
    if (bad >= 0) return `cluster: encryption-keys: key ${bad + 1} is not 32 bytes in base64`;
    const packet = element["udp-packet-max"];
    if (packet !== 0 && packet < 508) return "cluster: udp-packet-max must be 0 or 508 to 9000";
    return undefined;
  },
});

function addressesProblem(element: {
  readonly "bind-address": string;
  readonly "advertise-address": string;
}): string | undefined {
  const bind = addressProblem(element["bind-address"]);
  if (bind !== undefined) return `invalid bind-address: ${bind}`;
  if (element["advertise-address"] === "") return undefined;
  const advertised = addressProblem(element["advertise-address"]);
  return advertised === undefined ? undefined : `invalid advertise-address: ${advertised}`;
}

function isEncryptionKey(text: string): boolean {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  return Buffer.from(text, "base64").length === ENCRYPTION_KEY_BYTES;
}

export const rpc = defineSection({
  name: "rpc",
  doc: "Calls between members.",
  fields: {
    "bind-address": text(":9091", { doc: "host:port, TCP; empty host = hostname." }),
    "advertise-address": text("", { doc: "What others are told; empty = hostname and bind port." }),
    "enable-grpc-logging": flag(false, { doc: "Accepted; calls are logged at debug level." }),
    "tls-ca": text("", { doc: "PEM file of the authority of all members; with it calls use TLS." }),
    "tls-certificate": text("", {
      doc: "PEM file of this member's certificate, for its hostname.",
    }),
    "tls-private-key": text("", { doc: "PEM file of the certificate's private key." }),
  },
  validate([element]) {
    if (element === undefined) return undefined;
    const problem = addressesProblem(element) ?? tlsProblem(element);
    return problem === undefined ? undefined : `rpc: ${problem}`;
  },
});

const TLS_KEYS = ["tls-ca", "tls-certificate", "tls-private-key"] as const;

/** TLS works both ways or not at all. */
function tlsProblem(
  element: Readonly<Record<(typeof TLS_KEYS)[number], string>>,
): string | undefined {
  const missing = TLS_KEYS.filter((key) => element[key] === "");
  if (missing.length === 0 || missing.length === TLS_KEYS.length) return undefined;
  return `set ${TLS_KEYS.join(", ")} together; missing: ${missing.join(", ")}`;
}
