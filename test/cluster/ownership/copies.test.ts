import { describe, expect, test } from "bun:test";
import { Copies, type CopyState } from "#cluster/ownership/copies.ts";
import { TimerHeap } from "#cluster/ownership/timer-heap.ts";
import type { MemberId } from "#cluster/ports.ts";
import { memberIdFromBytes } from "#cluster/transport/hello.ts";
import { SeededRandom } from "#lib/random.ts";

const idOf = (n: number): MemberId => memberIdFromBytes(new Uint8Array(16).fill(n));
const a = idOf(1);
const b = idOf(2);
const STATES: readonly CopyState[] = ["queued", "acked", "came"];

describe("copies of an event", () => {
  test("nobody has one of a new event", () => {
    const copies = new Copies();
    expect(copies.members()).toEqual([]);
    expect(copies.has(a)).toBe(false);
    expect(copies.isElsewhere()).toBe(false);
    expect(copies.isWith([a])).toBe(false);
    copies.delete(a);
    expect(copies.members()).toEqual([]);
  });

  test("one on its way is nowhere yet, one acknowledged or come from there is", () => {
    for (const state of STATES) {
      const copies = new Copies();
      copies.set(a, state);
      expect([state, copies.isElsewhere()]).toEqual([state, state !== "queued"]);
      expect([state, copies.isWith([b, a])]).toEqual([state, state !== "queued"]);
      expect([state, copies.receivers()]).toEqual([state, state === "came" ? [] : [a]]);
    }
  });

  test("few or many, it is the same as a map, also in its order", () => {
    const random = new SeededRandom(7);
    for (const members of [1, 2, 8, 9, 30]) {
      const copies = new Copies();
      const map = new Map<MemberId, CopyState>();
      for (let step = 0; step < 2000; step++) {
        const member = idOf(1 + random.below(members));
        const state = STATES[random.below(3)] ?? "queued";
        if (random.below(3) === 0) {
          copies.delete(member);
          map.delete(member);
        } else {
          copies.set(member, state);
          map.set(member, state);
        }
        expect(copies.get(member)).toBe(map.get(member));
        expect(copies.members()).toEqual([...map.keys()]);
        const receivers = [...map].filter(([, its]) => its !== "came").map(([one]) => one);
        expect(copies.receivers()).toEqual(receivers);
      }
    }
  });
});

test("a timer for a subject runs with it, in order with the others, and not when it was called off", () => {
  const timers = new TimerHeap();
  const ran: string[] = [];
  const note = (what: string): void => {
    ran.push(what);
  };
  timers.setFor("late", 30, note);
  const off = timers.setFor("off", 10, note);
  timers.set(20, () => note("plain"));
  timers.setFor("early", 10, note);
  off.live = false;
  timers.runDue(29);
  expect(ran).toEqual(["early", "plain"]);
  timers.runDue(30);
  expect(ran).toEqual(["early", "plain", "late"]);
});
