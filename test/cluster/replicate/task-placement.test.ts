import { describe, expect, test } from "bun:test";
import type { ClusterView, MemberId, MemberStatus } from "#cluster/ports.ts";
import { TaskPlacement } from "#cluster/replicate/task-placement.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";
import { taskFor } from "./ranked-task.ts";

const GONE = 10;
const RETURN = 30;

/** Members 1 … n with statuses, as member 1 sees them. */
function view(
  count: number,
  statuses: Readonly<Record<number, MemberStatus>> = {},
  redundancy = 2,
): ClusterView {
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  return {
    clusterId: "c",
    localId: memberId(1),
    initialized: true,
    members: numbers.map((n) => ({
      id: memberId(n),
      gossipAddress: "",
      rpcAddress: "",
      apiAddress: "",
      roles: [],
      status: statuses[n] ?? "alive",
      joined: n,
      redundancy,
      crashEvidence: false,
    })),
  };
}

const nobody = (): boolean => false;

const task = taskFor([3, 2, 1]);
const ids = (...numbers: readonly number[]): readonly MemberId[] => numbers.map(memberId);

function placement(): TaskPlacement {
  return new TaskPlacement({ goneMs: GONE, returnMs: RETURN });
}

describe("who is to run a task", () => {
  test.each([
    [2, ids(3, 2)],
    [1, ids(3)],
    [0, ids(3, 2, 1)],
    [9, ids(3, 2, 1)],
  ])("with redundancy %d the first of the ranking", (redundancy, wanted) => {
    const places = placement();
    places.update(view(3, {}, redundancy), 0);
    expect(places.wanted(task, nobody)).toEqual(wanted);
  });

  test("a member that cannot is passed over", () => {
    const places = placement();
    places.update(view(3), 0);
    expect(places.wanted(task, (id) => id === memberId(3))).toEqual(ids(2, 1));
    expect(places.wanted(task, () => true)).toEqual([]);
  });

  test("over many tasks members share the work", () => {
    const places = placement();
    places.update(view(4, {}, 1), 0);
    const counts = new Map<MemberId, number>();
    for (let i = 0; i < 4000; i++) {
      const [first] = places.wanted(`task-${i}`, nobody);
      if (first !== undefined) counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe("a member that goes", () => {
  test.each(["dead", "left"] as const)(
    "%s is passed over after the delay, not before",
    (status) => {
      const places = placement();
      places.update(view(3), 0);
      expect(places.update(view(3, { 3: status }), 100)).toBe(false);
      expect(places.nextAt()).toBe(100 + GONE);
      expect(places.update(view(3, { 3: status }), 100 + GONE - 1)).toBe(false);
      expect(places.wanted(task, nobody)).toEqual(ids(3, 2));
      expect(places.update(view(3, { 3: status }), 100 + GONE)).toBe(true);
      expect(places.wanted(task, nobody)).toEqual(ids(2, 1));
      expect(places.nextAt()).toBeUndefined();
    },
  );

  test.each(["suspect", "leaving"] as const)("%s is not gone", (status) => {
    const places = placement();
    places.update(view(3), 0);
    places.update(view(3, { 3: status }), 1);
    expect(places.update(view(3, { 3: status }), 1000)).toBe(false);
    expect(places.wanted(task, nobody)).toEqual(ids(3, 2));
  });

  test("and is back within the delay keeps its tasks", () => {
    const places = placement();
    places.update(view(3), 0);
    places.update(view(3, { 3: "dead" }), 1);
    places.update(view(3), GONE);
    expect(places.nextAt()).toBeUndefined();
    expect(places.update(view(3), 1000)).toBe(false);
    expect(places.wanted(task, nobody)).toEqual(ids(3, 2));
  });

  test("and comes back gets them when it has been there for long enough", () => {
    const places = placement();
    places.update(view(3), 0);
    places.update(view(3, { 3: "dead" }), 0);
    places.update(view(3, { 3: "dead" }), GONE);
    places.update(view(3), 100);
    expect(places.nextAt()).toBe(100 + RETURN);
    expect(places.update(view(3), 100 + RETURN - 1)).toBe(false);
    expect(places.wanted(task, nobody)).toEqual(ids(2, 1));
    expect(places.update(view(3), 100 + RETURN)).toBe(true);
    expect(places.wanted(task, nobody)).toEqual(ids(3, 2));
  });

  test("and flaps gets none", () => {
    const places = placement();
    places.update(view(3, { 3: "dead" }), 0);
    places.update(view(3, { 3: "dead" }), GONE);
    let now = GONE;
    for (let i = 0; i < 20; i++) {
      now += RETURN - 1;
      places.update(view(3, i % 2 === 0 ? {} : { 3: "dead" }), now);
      expect(places.wanted(task, nobody)).toEqual(ids(2, 1));
    }
  });

  test("stands in at once when too few are left", () => {
    const places = placement();
    places.update(view(3, { 3: "dead" }), 0);
    places.update(view(3, { 3: "dead" }), GONE);
    places.update(view(3, { 2: "dead" }), 100);
    places.update(view(3, { 2: "dead" }), 100 + GONE);
    expect(places.out()).toEqual(ids(2, 3));
    expect(places.wanted(task, nobody)).toEqual(ids(1, 3));
  });

  test("and is removed is forgotten at once", () => {
    const places = placement();
    places.update(view(3), 0);
    expect(places.update(view(2), 1)).toBe(true);
    expect(places.wanted(task, nobody)).toEqual(ids(2, 1));
    expect(places.update(view(3), 2)).toBe(true);
    expect(places.wanted(task, nobody)).toEqual(ids(3, 2));
  });
});

describe("a member that starts", () => {
  test("believes others that it is out, until it has been there for long enough", () => {
    const places = placement();
    const mine = taskFor([1, 2, 3]);
    places.update(view(3), 50);
    places.putOut(memberId(1), 50);
    expect(places.wanted(mine, nobody)).toEqual(ids(2, 3));
    expect(places.nextAt()).toBe(50 + RETURN);
    places.update(view(3), 50 + RETURN);
    expect(places.wanted(mine, nobody)).toEqual(ids(1, 2));
  });

  test("a dead member that others call out is out without a wait", () => {
    const places = placement();
    places.update(view(3, { 3: "dead" }), 0);
    places.putOut(memberId(3), 0);
    expect(places.wanted(task, nobody)).toEqual(ids(2, 1));
    expect(places.nextAt()).toBeUndefined();
  });

  test("what is said of unknown members changes nothing", () => {
    const places = placement();
    places.update(view(2), 0);
    places.putOut(memberId(9), 0);
    expect(places.out()).toEqual([]);
  });
});
