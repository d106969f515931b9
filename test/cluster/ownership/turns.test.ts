/** Whose turn it is, owner by owner: the same lane seen by each of them. */

import { describe, expect, test } from "bun:test";
import { type Lane, Lanes, newHeld, type Work } from "#cluster/ownership/held.ts";
import { HOLDS_PER_DELAY } from "#cluster/ownership/limits.ts";
import { Progress } from "#cluster/ownership/progress.ts";
import { Rankings } from "#cluster/ownership/ranking.ts";
import { Turns } from "#cluster/ownership/turns.ts";
import type { MemberId } from "#cluster/ports.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";
import { sampleAlert } from "./sample-alert.ts";

const DELAY_MS = 5_000;
/** Long before any event of these tests. */
const LONG_AGO = Number.NEGATIVE_INFINITY;
const MEMBERS = [memberId(1), memberId(2), memberId(3)];

const table = new Rankings();
table.update(
  {
    ...{ clusterId: "c", localId: memberId(1), initialized: true },
    members: MEMBERS.map((id, joined) => ({
      ...{ id, gossipAddress: "", rpcAddress: "", apiAddress: "", roles: [], joined },
      ...{ status: "alive", redundancy: MEMBERS.length, crashEvidence: false },
    })),
  },
  new Set(),
);
const OWNERS = table.of("t").acting;

/** When each owner, by rank, may send an event that it got at `received`. */
function dues(change: (lane: Lane) => void, received: number): number[] {
  return OWNERS.map((self) => {
    const shared = { solo: false, local: false, inline: false, producer: true };
    const held = newHeld({ key: "k", event: sampleAlert, receivedAt: received, ...shared });
    const work: Work = new Lanes().add(held, "h");
    change(work.lane);
    const turns = new Turns({
      ...{ self, delayMs: DELAY_MS, rankings: table, progress: new Progress() },
      ...{ ranksChangedAt: () => LONG_AGO, planted: () => false },
    });
    return turns.due(work).at;
  });
}

const heldBy = (rank: number, at: number) => (lane: Lane) => {
  lane.holder = OWNERS[rank] as MemberId;
  lane.renewedAt = at;
  lane.heldSince = at;
};

/** Of those that wait for the holder. */
const others = (times: readonly number[], holder: number): number[] =>
  times.filter((_, rank) => rank !== holder);

describe("three owners", () => {
  test("wait by their ranks when nobody works on the ID", () => {
    expect(dues(() => {}, 100)).toEqual([100, 100 + DELAY_MS, 100 + 2 * DELAY_MS]);
  });

  test.each([0, 1, 2])("keep their order behind rank %i, whose HOLD came just now", (holder) => {
    const silent = 100 + DELAY_MS / HOLDS_PER_DELAY;
    const times = dues(heldBy(holder, 100), 100);
    expect(others(times, holder)).toEqual([silent + DELAY_MS, silent + 2 * DELAY_MS]);
  });

  test.each([0, 1, 2])(
    "do not wait for rank %i, silent for long when the event comes",
    (holder) => {
      const received = 100 + 10 * DELAY_MS;
      const wanted = [received, received + DELAY_MS, received + 2 * DELAY_MS];
      const times = dues(heldBy(holder, 100), received);
      expect(others(times, holder)).toEqual(others(wanted, holder));
    },
  );
});
