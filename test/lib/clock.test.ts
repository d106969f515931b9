/** The virtual clock and the periodic timer built on any clock. */

import { describe, expect, test } from "bun:test";
import { every, VirtualClock } from "#lib/clock.ts";

describe("VirtualClock", () => {
  test("fires timers in order of time, then of creation, also those set by timers", () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    clock.after(20, () => fired.push("late"));
    clock.after(10, () => {
      fired.push("first");
      clock.after(5, () => fired.push("nested"));
    });
    clock.after(10, () => fired.push("second"));
    clock.advance(19);
    expect(fired).toEqual(["first", "second", "nested"]);
    clock.advance(1);
    expect(fired).toEqual(["first", "second", "nested", "late"]);
  });

  test("a cancelled timer never fires", () => {
    const clock = new VirtualClock();
    let fired = false;
    clock.after(1, () => {
      fired = true;
    })();
    clock.advance(10);
    expect(fired).toBe(false);
  });

  test("every() ticks without drift and stops when cancelled", () => {
    const clock = new VirtualClock({ ms: 1000, ns: 0 });
    const ticks: number[] = [];
    const cancel = every(clock, 10, () => ticks.push(clock.now().ms));
    clock.advance(35);
    cancel();
    clock.advance(100);
    expect(ticks).toEqual([1010, 1020, 1030]);
  });
});
