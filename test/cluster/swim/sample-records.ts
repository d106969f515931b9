/** One or more records of every kind, for golden bytes, round trips and fuzzing. */

import type { Profile } from "#cluster/messages/message.ts";
import type { GossipRecord } from "#cluster/messages/registry.ts";
import type { MemberId } from "#cluster/ports.ts";

export const memberA = "0b1c5e0e-7a1e-4b53-9a2e-2b8b7a3c1d11" as MemberId;
export const memberB = "5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01" as MemberId;
export const memberC = "c3a7e9b2-0d64-4c0f-b8f7-6f1e2d3c4b02" as MemberId;

export const profileA: Profile = {
  id: memberA,
  boot: 0x0190_0000_1234_abcdn,
  gossip: { host: "10.0.0.1", port: 9090 },
  gossipText: "nodeA01:9090",
  rpc: "nodeA01:9091",
  api: "nodeA01:9092",
  roles: ["worker"],
  protocolMin: 1,
  protocolMax: 1,
  redundancy: 2,
  joined: 1,
  tcpOnly: false,
  leaving: false,
  reclaimed: false,
};

export const profileB: Profile = {
  ...profileA,
  id: memberB,
  boot: 0xffff_ffff_ffff_ffffn,
  gossip: { host: "fd00::1:2", port: 65535 },
  gossipText: "[fd00::1:2]:65535",
  roles: [],
  joined: 4294967295,
  tcpOnly: true,
  leaving: true,
  reclaimed: true,
};

const version = { epoch: 1, incarnation: 258 };

export const samples: readonly (readonly [name: string, record: GossipRecord])[] = [
  ["ping", { kind: "ping", seq: 7, target: memberB, hashHigh: 0xdeadbeef, hashLow: 1 }],
  ["ack", { kind: "ack", seq: 4294967295, hashHigh: 0, hashLow: 0xffffffff }],
  [
    "ping-req",
    { kind: "ping-req", seq: 8, target: memberC, address: { host: "10.0.0.3", port: 9090 } },
  ],
  ["nack", { kind: "nack", seq: 8, reason: "refused" }],
  ["alive", { kind: "alive", version, profile: profileA }],
  ["alive-v6-flags", { kind: "alive", version, profile: profileB }],
  ["suspect", { kind: "suspect", version, id: memberB, accuser: memberA, reason: "silent" }],
  ["dead", { kind: "dead", version, id: memberB, accuser: memberC, reason: "refused" }],
  ["left", { kind: "left", version, id: memberC }],
  ["removed", { kind: "removed", epoch: 3, id: memberC, remover: memberA }],
  [
    "note",
    { kind: "note", noteKind: 1, origin: memberA, counter: 9, bytes: new Uint8Array([1, 2, 3]) },
  ],
  ["big", { kind: "big", records: 2 }],
  [
    "sync",
    {
      kind: "sync",
      join: false,
      last: true,
      hashHigh: 1,
      hashLow: 2,
      entries: [
        { rank: 0, version, reason: "silent", profile: profileA },
        { rank: 2, version, reason: "refused", profile: profileB },
        { rank: 4, epoch: 2, id: memberC, remover: memberA },
      ],
    },
  ],
  ["pad", { kind: "pad", size: 4 }],
];
