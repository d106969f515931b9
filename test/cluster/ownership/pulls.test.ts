import { describe, expect, test } from "bun:test";
import { SETTLE_WAIT_MAX_MS } from "#cluster/ownership/limits.ts";
import { type PullHost, Pulls } from "#cluster/ownership/pulls.ts";
import { ReasonCounts } from "#cluster/ownership/reasons.ts";
import { TimerHeap } from "#cluster/ownership/timer-heap.ts";
import type { MemberId } from "#cluster/ports.ts";
import { SeededRandom } from "#lib/random.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";

const OTHER = memberId(2);

/** Pulls of a member whose table says that the only other one has left. */
function started() {
  const world = { now: 0, away: true, linked: false, lost: false };
  const asked: MemberId[] = [];
  const timers = new TimerHeap();
  const host: PullHost = {
    ...{ delayMs: 10_000, fullSyncMs: 60_000, random: new SeededRandom(1) },
    ...{ timers, counts: new ReasonCounts() },
    now: () => world.now,
    others: () => [OTHER],
    isAway: () => world.away,
    isLinked: () => world.linked,
    isLost: () => world.lost,
    digest: () => "",
    sameOwners: () => true,
    ask: (member) => asked.push(member),
    learn: () => {},
    opened: () => {},
  };
  const pulls = new Pulls(host);
  pulls.started();
  const runTo = (at: number): void => {
    world.now = at;
    timers.runDue(at);
  };
  return { world, asked, pulls, runTo };
}

describe("after a start with a table that says that everybody has left", () => {
  test("sends are held back, because they may have come back meanwhile", () => {
    const { pulls, runTo } = started();
    expect(pulls.isShut).toBe(true);
    pulls.openIfAllowed();
    expect(pulls.isShut).toBe(true);
    runTo(SETTLE_WAIT_MAX_MS - 1);
    expect(pulls.isShut).toBe(true);
    runTo(SETTLE_WAIT_MAX_MS);
    expect(pulls.isShut).toBe(false);
  });

  test("one that is there is asked, and its answer lets them go", () => {
    const { world, asked, pulls } = started();
    world.linked = true;
    pulls.linked(OTHER, false);
    expect(asked).toEqual([OTHER]);
    pulls.answered(OTHER, { boot: "b", upTo: 0, entries: [], next: 0, holds: [] });
    expect(pulls.isShut).toBe(false);
  });

  test("one whose process is surely gone is not waited for", () => {
    const { world, pulls, runTo } = started();
    world.lost = true;
    runTo(1_000);
    expect(pulls.isShut).toBe(false);
  });
});
