/** What is said of open ports, and which advertised addresses are refused. */

import { describe, expect, test } from "bun:test";
import type { ClusterView, MemberId } from "#cluster/ports.ts";
import { clusterSettings } from "#config/cluster-settings.ts";
import { loadConfig } from "#config/load.ts";
import { exposureWarnings, rpcAddressProblem } from "#daemon/exposure.ts";

function settings(toml: string) {
  const text = `data_dir = "/d"\n${toml}`;
  return clusterSettings(loadConfig({ file: { path: "k.conf", text } }).config);
}

const KEYS = `encryption-keys = ["${Buffer.alloc(32).toString("base64")}"]`;
const TLS = 'tls-ca = "/a"\ntls-certificate = "/b"\ntls-private-key = "/c"';
const FAR = 'hostname = "10.0.0.1"';

describe("warnings", () => {
  test.each<[string, string, readonly string[]]>([
    ["loopback", 'hostname = "localhost"', []],
    ["a loopback literal", 'hostname = "127.0.0.1"', []],
    ["a network address", FAR, ["gossip is neither", "calls between members are neither"]],
    [
      "every address",
      'hostname = "localhost"\n[cluster]\nbind-address = "0.0.0.0:9090"\n[rpc]\nbind-address = "[::]:9091"',
      ["gossip is neither", "calls between members are neither"],
    ],
    ["keys", `${FAR}\n[cluster]\n${KEYS}`, []],
    ["TLS alone", `${FAR}\n[rpc]\n${TLS}`, ["gossip is neither"]],
    [
      "keys while switching",
      `${FAR}\n[cluster]\n${KEYS}\naccept-plain = true`,
      ["[cluster] accept-plain is on"],
    ],
    [
      "gossip on loopback and RPC on the network",
      'hostname = "localhost"\n[rpc]\nbind-address = "10.0.0.1:9091"',
      ["calls between members are neither"],
    ],
  ])("%s", (_title, toml, expected) => {
    const warnings = exposureWarnings(settings(toml));
    expect(warnings.length).toBe(expected.length);
    for (const [place, start] of expected.entries()) expect(warnings[place]).toStartWith(start);
  });
});

describe("the RPC address that others are told", () => {
  const view = (...addresses: readonly string[]): ClusterView => ({
    clusterId: "c",
    localId: "0" as MemberId,
    initialized: true,
    members: addresses.map((rpcAddress, place) => ({
      ...{ id: String(place) as MemberId, gossipAddress: "", rpcAddress, apiAddress: "" },
      ...{ roles: [], status: "alive", joined: place, redundancy: 0, crashEvidence: false },
    })),
  });

  test.each<[string, string, ClusterView, string | undefined]>([
    ["a wildcard", "0.0.0.0:9091", view(), "is a wildcard"],
    ["an IPv6 wildcard", "[::]:9091", view(), "is a wildcard"],
    ["loopback, alone", "127.0.0.1:9091", view("127.0.0.1:9091"), undefined],
    ["loopback, others too", "127.0.0.1:9091", view("127.0.0.1:1", "127.0.0.2:1"), undefined],
    [
      "loopback, another one far",
      "127.0.0.1:9091",
      view("127.0.0.1:1", "10.0.0.2:1"),
      "is loopback, but member 1 is at 10.0.0.2:1",
    ],
    [
      "localhost, another one named",
      "localhost:9091",
      view("localhost:1", "node2:1"),
      "is loopback",
    ],
    ["a network address", "10.0.0.1:9091", view("10.0.0.1:1", "10.0.0.2:1"), undefined],
  ])("%s", (_title, rpcAdvertise, members, expected) => {
    const problem = rpcAddressProblem({ rpcAdvertise }, members);
    if (expected === undefined) expect(problem).toBeUndefined();
    else expect(problem).toContain(expected);
  });
});
