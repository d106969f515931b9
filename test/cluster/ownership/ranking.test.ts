import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { digestOf, effectiveRedundancy, Rankings, score } from "#cluster/ownership/ranking.ts";
import type { ClusterView, MemberId } from "#cluster/ports.ts";
import { memberIdFromBytes } from "#cluster/transport/hello.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";

/** The definition, word by word, in slow arithmetic. */
function slowScore(topic: string, member: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of [...member, 0, ...new TextEncoder().encode(topic)]) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  for (const factor of [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n]) {
    hash = BigInt.asUintN(64, (hash ^ (hash >> 33n)) * factor);
  }
  return hash ^ (hash >> 33n);
}

test("the score is what the reference defines", () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ minLength: 16, maxLength: 16 }), (topic, bytes) => {
      expect(score(topic, memberIdFromBytes(bytes))).toBe(slowScore(topic, bytes));
    }),
  );
});

// Owners are agreed upon between releases: these numbers never change.
test.each([
  ["", 1, 0xbd24dc92eee7166cn],
  ["cpu", 1, 0xc4b1c9c1b6e4b5d2n],
  ["cpu", 2, 0x728763dbe2e49bf7n],
  ["über/alarme", 3, 0x940074d834e8de1dn],
] as const)("the score of topic %p and member %i does not change", (topic, member, expected) => {
  expect(score(topic, memberId(member)).toString(16)).toBe(expected.toString(16));
});

function view(
  redundancies: readonly number[],
  ids = redundancies.map((_, i) => i + 1),
): ClusterView {
  return {
    clusterId: "c",
    localId: memberId(1),
    initialized: true,
    members: redundancies.map((redundancy, i) => ({
      id: memberId(ids[i] ?? i + 1),
      gossipAddress: "",
      rpcAddress: "",
      apiAddress: "",
      roles: [],
      status: "alive",
      joined: i,
      redundancy,
      crashEvidence: false,
    })),
  };
}

function ranked(of: ClusterView, gone: readonly MemberId[] = []): Rankings {
  const rankings = new Rankings();
  rankings.update(of, new Set(gone));
  return rankings;
}

describe("owners", () => {
  test.each([
    [[0, 0, 0], 3],
    [[2, 2, 2], 2],
    [[1, 1, 1], 1],
    [[5, 5, 5], 3],
    [[1, 2, 1], 2],
    [[1, 0, 1], 3],
    [[], 0],
  ] as const)("members configured with %p have %i owners per topic", (configured, expected) => {
    expect(effectiveRedundancy(configured)).toBe(expected);
  });

  test("a stand-in acts for a member that is gone, and its home stays", () => {
    const well = ranked(view([2, 2, 2, 2])).of("t");
    const [first = memberId(1)] = well.home;
    const without = ranked(view([2, 2, 2, 2]), [first]).of("t");
    expect(without.home).toEqual(well.home);
    expect(without.acting).toEqual(well.ranking.slice(1, 3));
  });

  test("adding a member moves only topics that gain it, about R/(N+1) of them", () => {
    const before = ranked(view([2, 2, 2, 2]));
    const after = ranked(view([2, 2, 2, 2, 2]));
    let moved = 0;
    for (let i = 0; i < 1000; i++) {
      const old = before.of(`topic ${i}`).home;
      const now = after.of(`topic ${i}`).home;
      if (now.includes(memberId(5))) moved++;
      else expect(now).toEqual(old);
    }
    expect(moved).toBeGreaterThan(330);
    expect(moved).toBeLessThan(470);
  });

  test("every member sees the same ranking, whatever order its table has", () => {
    const one = ranked(view([0, 0, 0], [1, 2, 3])).of("t").ranking;
    const other = ranked(view([0, 0, 0], [3, 1, 2])).of("t").ranking;
    expect(other).toEqual(one);
  });

  test("first owners are spread evenly", () => {
    const rankings = ranked(view([0, 0, 0]));
    const counts = new Map<MemberId, number>();
    for (let i = 0; i < 3000; i++) {
      const [first = memberId(9)] = rankings.of(`topic${i}`).ranking;
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });
});

test("digests tell where one text ends and the next begins", () => {
  expect(digestOf("ab", "c")).not.toBe(digestOf("a", "bc"));
});
