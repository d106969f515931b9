/** Lists of inline topics between two members: pages, changes, restarts, repairs, bounds. */

import { describe, expect, test } from "bun:test";
import { type Announcement, Announcements } from "#cluster/ownership/announcements.ts";
import {
  ANNOUNCE_PAGE_MAX,
  ANNOUNCE_RETRY_MS,
  INLINE_TOPICS_MAX,
  WITHDRAWN_KEPT_MAX,
} from "#cluster/ownership/limits.ts";
import { ReasonCounts } from "#cluster/ownership/reasons.ts";
import { Runners } from "#cluster/ownership/runners.ts";
import { TimerHeap } from "#cluster/ownership/timer-heap.ts";
import type { MemberId } from "#cluster/ports.ts";

import { SeededRandom } from "#lib/random.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";

const A = memberId(1);
const B = memberId(2);

/** One side; what it tells waits until it is carried over. */
class Side {
  readonly runners: Runners;
  readonly list: Announcements;
  readonly counts = new ReasonCounts();
  readonly timers = new TimerHeap();
  readonly told: Announcement[] = [];
  readonly changed: string[] = [];
  linked = true;
  now = 0;

  constructor(self: MemberId, other: MemberId, boot = "1") {
    this.runners = new Runners(self);
    this.list = new Announcements({
      ...{ boot, fullSyncMs: 60_000, random: new SeededRandom(1), timers: this.timers },
      ...{ counts: this.counts, runners: this.runners },
      now: () => this.now,
      others: () => [other],
      isLinked: () => this.linked,
      tell: (_member, announcement) => this.told.push(announcement),
      changed: (topics) => this.changed.push(...topics),
    });
  }

  advance(ms: number): void {
    this.now += ms;
    this.timers.runDue(this.now);
  }
}

/** Carries everything from one side to the other; returns the number of pages. */
function carry(from: Side, to: Side): number {
  let pages = 0;
  for (let said = from.told.shift(); said !== undefined; said = from.told.shift()) {
    pages++;
    from.list.answered(B, to.list.received(A, said));
  }
  return pages;
}

const known = (side: Side): Record<string, string> => Object.fromEntries(side.runners.ofMember(A));

describe("a list of inline topics", () => {
  test("is told when it is complete, then change by change", () => {
    const [a, b] = [new Side(A, B), new Side(B, A)];
    a.list.put("main:t:x", "1");
    expect(a.told).toEqual([]);
    a.list.ready();
    expect(carry(a, b)).toBe(1);
    a.list.put("main:u:x", "2");
    a.list.put("main:t:x", "");
    expect(carry(a, b)).toBe(2);
    expect(known(b)).toEqual({ "main:u:x": "2" });
    a.list.put("main:u:x", "2");
    expect(a.told).toEqual([]);
  });

  test("travels in pages", () => {
    const [a, b] = [new Side(A, B), new Side(B, A)];
    for (let i = 0; i < 2 * ANNOUNCE_PAGE_MAX + 1; i++) a.list.put(`main:t${i}:x`, "1");
    a.list.ready();
    expect(carry(a, b)).toBe(3);
    expect(Object.keys(known(b)).length).toBe(2 * ANNOUNCE_PAGE_MAX + 1);
    expect(a.counts.get("inline_list_repaired")).toBe(0);
  });

  test("is told anew to a member that starts anew, and by one that did", () => {
    const a = new Side(A, B);
    a.list.put("main:t:x", "1");
    a.list.ready();
    carry(a, new Side(B, A));
    const b = new Side(B, A);
    a.list.linked(B);
    expect(carry(a, b)).toBe(2);
    expect(known(b)).toEqual({ "main:t:x": "1" });
    const again = new Side(A, B, "2");
    again.list.put("main:u:x", "1");
    again.list.ready();
    carry(again, b);
    expect(known(b)).toEqual({ "main:u:x": "1" });
  });

  test("that came to differ is repaired at the next sync", () => {
    const [a, b] = [new Side(A, B), new Side(B, A)];
    a.list.put("main:t:x", "1");
    a.list.ready();
    carry(a, b);
    b.list.received(A, { boot: "1", after: 1, upTo: 1, topics: [["main:t:x", ""]] });
    expect(known(b)).toEqual({});
    a.advance(70_000);
    expect(carry(a, b)).toBeGreaterThan(0);
    expect(known(b)).toEqual({ "main:t:x": "1" });
    expect(a.counts.get("inline_list_repaired")).toBe(1);
  });

  test("is repeated when it was not answered, and not when the call is unknown", () => {
    const [a, b] = [new Side(A, B), new Side(B, A)];
    a.list.put("main:t:x", "1");
    a.list.ready();
    a.told.shift();
    a.list.answered(B, undefined);
    expect(a.told).toEqual([]);
    a.advance(ANNOUNCE_RETRY_MS);
    expect(carry(a, b)).toBe(1);
    a.list.put("main:u:x", "1");
    a.told.shift();
    a.list.answered(B, "refused");
    a.advance(10 * ANNOUNCE_RETRY_MS);
    expect(a.told).toEqual([]);
  });

  test("reaches a member that missed more withdrawals than are remembered", () => {
    const [a, b] = [new Side(A, B), new Side(B, A)];
    for (let i = 0; i < WITHDRAWN_KEPT_MAX + 10; i++) a.list.put(`main:t${i}:x`, "1");
    a.list.put("main:stays:x", "1");
    a.list.ready();
    carry(a, b);
    a.linked = false;
    for (let i = 0; i < WITHDRAWN_KEPT_MAX + 10; i++) a.list.put(`main:t${i}:x`, "");
    a.linked = true;
    a.list.linked(B);
    carry(a, b);
    expect(known(b)).toEqual({ "main:stays:x": "1" });
  });

  test("of a member that is taken out is forgotten", () => {
    const [a, b] = [new Side(A, B), new Side(B, A)];
    a.list.put("main:t:x", "1");
    a.list.ready();
    carry(a, b);
    b.list.retain([B]);
    expect(known(b)).toEqual({});
    expect(b.changed).toEqual(["main:t:x", "main:t:x"]);
  });
});

describe("inline topics of one member", () => {
  test("are shared with those that have the same handlers, while they are open", () => {
    const runners = new Runners(A);
    expect(runners.open("t", "1", 0)).toBe("started");
    expect(runners.isShared("t")).toBe(false);
    runners.learn(B, "t", "2");
    expect([runners.isShared("t"), runners.groupOf("t")]).toEqual([false, [A]]);
    runners.learn(B, "t", "1");
    expect([runners.isShared("t"), runners.groupOf("t")]).toEqual([true, [A, B]]);
    runners.close("t");
    expect([runners.isShared("t"), runners.groupOf("t")]).toEqual([false, [A, B]]);
    expect(runners.open("t", "1", 0)).toBe("again");
    expect(runners.isShared("t")).toBe(true);
    expect(runners.open("t", "3", 0)).toBe("later");
    expect(runners.groupOf("t")).toEqual([A, B]);
    expect(runners.withdraw("t", 0)).toBe("3");
    expect([runners.isOpen("t"), runners.groupOf("t")]).toEqual([true, [A]]);
  });

  test("beyond the bound are not shared", () => {
    const runners = new Runners(A);
    for (let i = 0; i < INLINE_TOPICS_MAX; i++) runners.open(`t${i}`, "1", 0);
    expect(runners.open("one more", "1", 0)).toBe("full");
    expect(runners.isOwn("one more")).toBe(false);
  });
});
