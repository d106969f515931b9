/** What an operator is told about findings; live networks are in `test/e2e/fault`. */

import { describe, expect, test } from "bun:test";
import { diagnose, type Gathered } from "#cluster/doctor/diagnose.ts";
import type {
  MemberFacts,
  MemberReport,
  PathCheck,
  PathCheckName,
} from "#cluster/doctor/report.ts";
import type { ClusterView, MemberId, MemberStatus, MemberView } from "#cluster/ports.ts";

const [A, B, C] = ["a", "b", "c"].map((letter) => letter.repeat(8) as MemberId) as [
  MemberId,
  MemberId,
  MemberId,
];
const NAMES = ["names", "gossip-udp", "gossip-tcp", "rpc", "api"] as const;

const viewed = (id: MemberId, status: MemberStatus = "alive"): MemberView => ({
  id,
  gossipAddress: `${id}:9090`,
  rpcAddress: `${id}:9091`,
  apiAddress: id,
  roles: ["worker"],
  status,
  joined: 1,
  redundancy: 0,
  crashEvidence: false,
});

const view = (...members: MemberView[]): ClusterView => ({
  clusterId: "c1",
  localId: A,
  initialized: true,
  members,
});

const facts = (id: string, more: Partial<MemberFacts> = {}): MemberFacts => ({
  id,
  clusterId: "c1",
  version: "1.0.0",
  protocolMin: 1,
  protocolMax: 1,
  wallMs: 0,
  keys: ["0011aabb"],
  redundancy: 2,
  apiTls: false,
  pingAgeMs: 10,
  ...more,
});

/** All checks of some others: well, but for what is given as `to check` → fault. */
function checks(
  others: readonly MemberId[],
  faults: Readonly<Record<string, PathCheck["fault"]>> = {},
) {
  return others.flatMap((to) =>
    NAMES.map((check: PathCheckName): PathCheck => {
      const fault = faults[`${to} ${check}`] ?? faults[`${to} *`];
      return {
        to,
        check,
        address: `${to}:1`,
        ms: 1,
        detail: "",
        ...(fault === undefined || check === "names" ? {} : { fault }),
      };
    }),
  );
}

const report = (id: MemberId, more: Partial<MemberReport> = {}): Gathered => ({
  id,
  report: {
    facts: facts(id),
    members: [A, B, C].map((member) => ({ id: member, status: "alive" as const })),
    checks: checks([A, B, C].filter((other) => other !== id)),
    clocks: [],
    heard: [],
    ...more,
  },
});

const ALL = view(viewed(A), viewed(B), viewed(C));

/** `from > to check: problem`. */
const lines = (cluster: ClusterView, gathered: readonly Gathered[]): readonly string[] =>
  diagnose(cluster, gathered).map(
    ({ from, to, check, problem }) => `${from} > ${to} ${check}: ${problem}`,
  );

test("nothing is wrong", () => {
  expect(diagnose(ALL, [report(A), report(B), report(C)])).toEqual([]);
});

describe("members that are gone", () => {
  test.each([
    ["refused", `all > ${C} member: it does not run (failed): its host refuses connections`],
    ["silent", `all > ${C} member: nobody reaches it (failed): its host does not answer`],
    ["unresolved", `all > ${C} member: nobody reaches it (failed): its name is not found`],
  ] as const)("%s: one line, not one per check", (fault, wanted) => {
    const faults = { [`${C} *`]: fault };
    const gathered = [
      report(A, { checks: checks([B, C], faults) }),
      report(B, { checks: checks([A, C], faults) }),
      { id: C, error: "timeout" },
    ];
    expect(lines(view(viewed(A), viewed(B), viewed(C, "dead")), gathered)).toEqual([wanted]);
  });

  test("one that others reach but that does not report is told as such", () => {
    const gathered = [report(A), report(B), { id: C, error: "no answer in time" }];
    expect(lines(ALL, gathered)).toEqual([
      `all > ${C} member: it does not tell what it sees: no answer in time`,
    ]);
  });

  test("one whose ports are open but that turns all away: keys", () => {
    const faults = {
      [`${C} gossip-udp`]: "silent",
      [`${C} gossip-tcp`]: "closed",
      [`${C} rpc`]: "closed",
    } as const;
    const gathered = [
      report(A, { checks: checks([B, C], faults) }),
      report(B, { checks: checks([A, C], faults) }),
      { id: C, error: "the peer closed before its hello" },
    ];
    expect(lines(view(viewed(A), viewed(B), viewed(C, "dead")), gathered)).toEqual([
      `all > ${C} keys: it turns the others away: it may hold no key in common with them`,
    ]);
  });

  test("one that answers although it is called dead", () => {
    const gathered = [report(A), report(B), report(C)];
    expect(lines(view(viewed(A), viewed(B), viewed(C, "dead")), gathered)).toEqual([
      `all > ${C} member: it answers, but its status here is failed`,
    ]);
  });
});

describe("ways between members", () => {
  test("the same fault seen by all others is one line, by one it names that one", () => {
    const gathered = [
      report(A, { checks: checks([B, C], { [`${C} api`]: "refused", [`${B} rpc`]: "silent" }) }),
      report(B, { checks: checks([A, C], { [`${C} api`]: "refused" }) }),
      report(C),
    ];
    expect(lines(ALL, gathered)).toEqual([
      `${A} > ${B} rpc: ${B}:1: no answer in time`,
      `all > ${C} api: ${C}:1: connection refused`,
    ]);
  });

  test("every problem comes with advice", () => {
    const faults = Object.fromEntries(
      (["refused", "silent", "no-way-there", "no-way-back", "lossy"] as const).flatMap((fault) => [
        [fault, fault],
      ]),
    );
    for (const fault of Object.values(faults)) {
      const gathered = [
        report(A, { checks: checks([B, C], { [`${C} gossip-udp`]: fault }) }),
        report(B),
        report(C),
      ];
      for (const { advice } of diagnose(ALL, gathered)) expect(advice.length).toBeGreaterThan(10);
    }
  });
});

describe("members that disagree", () => {
  test.each([
    ["version", { version: "1.1.0" }, `1.0.0 on ${A}, ${B}; 1.1.0 on ${C}`],
    ["keys", { keys: [] }, `0011aabb on ${A}, ${B}; none on ${C}`],
    ["keys", { keys: ["22", "0011aabb"] }, `0011aabb on ${A}, ${B}; 22,0011aabb on ${C}`],
    ["redundancy", { redundancy: 0 }, `2 on ${A}, ${B}; 0 on ${C}`],
  ])("%s", (check, more, wanted) => {
    const gathered = [report(A), report(B), report(C, { facts: facts(C, more) })];
    expect(lines(ALL, gathered)).toEqual([`all > all ${check}: differs: ${wanted}`]);
  });

  test("another cluster's ID is told once, and not what follows from it", () => {
    const strange = facts(C, { clusterId: "c2", version: "9" });
    const faults = { [`${C} gossip-udp`]: "silent", [`${C} gossip-tcp`]: "other-member" } as const;
    const gathered = [
      report(A, { heard: [strange], checks: checks([B, C], faults) }),
      report(B),
      { id: C, error: "the peer belongs to another cluster" },
    ];
    expect(lines(ALL, gathered)).toEqual([
      `all > ${C} cluster: it belongs to cluster c2, not to c1`,
    ]);
  });

  test("lists of members", () => {
    const known = [A, B].map((id) => ({ id, status: "alive" as const }));
    const D = "dddddddd";
    const gathered = [
      report(A),
      report(B, { members: [...known, { id: C, status: "alive" }, { id: D, status: "alive" }] }),
      report(C, { members: known }),
    ];
    expect(lines(ALL, gathered)).toEqual([
      `all > ${B} cluster: it also knows ${D}`,
      `all > ${C} cluster: it does not know ${C}`,
    ]);
  });
});

describe("clocks", () => {
  const clocks = (offsetMs: number, errorMs: number) =>
    lines(ALL, [report(A, { clocks: [{ to: C, offsetMs, errorMs }] }), report(B), report(C)]);

  test.each([
    [1_000, 0],
    [-1_000, 0],
    [1_400, 400],
  ])("%d ms with an error of %d ms may be no difference", (offset, error) => {
    expect(clocks(offset, error)).toEqual([]);
  });

  test("more is told with its side", () => {
    expect(clocks(1_001, 0)).toEqual([
      `${A} > ${C} clock: its clock is 1.0s (± 0.000s) ahead of that of ${A}`,
    ]);
    expect(clocks(-7_200_000, 2)).toEqual([
      `${A} > ${C} clock: its clock is 7200.0s (± 0.002s) behind that of ${A}`,
    ]);
  });
});
