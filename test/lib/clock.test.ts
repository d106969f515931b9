/** The virtual clock and the periodic timer built on any clock. */

import { describe, expect, test } from "bun:test";
import { every, VirtualClock } from "#lib/clock.ts";
import { SeededRandom } from "#lib/random.ts";

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

test("timers fire in order of time and creation whatever the order of setting and cancelling", () => {
  const clock = new VirtualClock();
  const random = new SeededRandom(7);
  const wanted: { at: number; order: number }[] = [];
  const fired: { at: number; order: number }[] = [];
  for (let order = 0; order < 2_000; order++) {
    const timer = { at: random.below(50), order };
    const cancel = clock.after(timer.at, () => fired.push(timer));
    if (random.below(3) === 0) cancel();
    else wanted.push(timer);
  }
  clock.advance(50);
  expect(fired).toEqual(wanted.sort((a, b) => a.at - b.at || a.order - b.order));
});

test("cancelling a timer that fired does not lose another one", () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  const cancel = clock.after(1, () => fired.push("first"));
  clock.advance(1);
  clock.after(1, () => fired.push("second"));
  cancel();
  cancel();
  clock.advance(1);
  expect(fired).toEqual(["first", "second"]);
});
