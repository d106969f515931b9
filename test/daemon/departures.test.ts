/** Removed members are told from those that died and from a change of cluster. */

import { expect, test } from "bun:test";
import type { ClusterView, MemberId, MemberStatus } from "#cluster/ports.ts";
import { onDeparture } from "#daemon/departures.ts";

type Members = Readonly<Record<string, MemberStatus>>;

function view(clusterId: string, members: Members): ClusterView {
  return {
    clusterId,
    localId: "a" as MemberId,
    initialized: true,
    members: Object.entries(members).map(([id, status], joined) => ({
      id: id as MemberId,
      gossipAddress: "",
      rpcAddress: "",
      apiAddress: "",
      roles: [],
      status,
      joined,
      redundancy: 2,
      crashEvidence: false,
    })),
  };
}

const ALL: Members = { a: "alive", b: "alive", c: "alive" };

test.each<[string, [string, Members][], string[]]>([
  ["one is removed", [["x", { a: "alive", c: "alive" }]], ["b"]],
  ["told once", Array(2).fill(["x", { a: "alive", c: "alive" }]), ["b"]],
  ["dead and left ones stay", [["x", { a: "alive", b: "dead", c: "left" }]], []],
  [
    "a dead one is removed",
    [
      ["x", { ...ALL, b: "dead" }],
      ["x", { a: "alive", c: "alive" }],
    ],
    ["b"],
  ],
  ["we were removed", [["y", { a: "alive" }]], []],
  ["we went to another cluster", [["y", { a: "alive", d: "alive" }]], []],
  [
    "removed, back, removed",
    [
      ["x", { a: "alive" }],
      ["x", ALL],
      ["x", { a: "alive" }],
    ],
    ["b", "c", "b", "c"],
  ],
])("%s", (_, views, expected) => {
  let current = view("x", ALL);
  let tell: (view: ClusterView) => void = () => {};
  const departed: string[] = [];
  onDeparture(
    {
      view: () => current,
      onChange: (listener) => {
        tell = listener;
      },
    },
    (id) => departed.push(id),
  );
  for (const [cluster, members] of views) {
    current = view(cluster, members);
    tell(current);
  }
  expect(departed).toEqual(expected);
});
