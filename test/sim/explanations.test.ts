/** What explains a second send and what does not, at both sides of each limit. */

import { expect, test } from "bun:test";
import type { AlertFrame, Published } from "./alert-checker.ts";
import type { Send } from "./endpoints.ts";
import { Explanations } from "./explanations.ts";
import type { Fault, FaultKind } from "./plan.ts";

const DELAY_MS = 2_000;

function frameOf(redundancy: number, owners: readonly number[]): AlertFrame {
  const some = { alerts: { delayMs: DELAY_MS, redundancy }, members: [0, 1, 2] };
  return { ...some, ownersOf: () => owners } as unknown as AlertFrame;
}

function faultOf(kind: FaultKind, target: number, lengthMs: number): Fault {
  return { at: 0, kind, target, other: target, lengthMs, salt: 1 };
}

function sendBy(member: number, startedAt: number, boot = 1): Send {
  const what = { cluster: "", topic: "t", id: "i", time: 0, level: 1, handler: "h" };
  return { member, boot, ...what, startedAt, acceptedAt: startedAt, answeredAt: startedAt + 10 };
}

function raisedBy(producers: readonly number[], at: number): Published {
  const what = { topic: "t", id: "i", time: 0, level: 1, firstAt: at, lastAt: at };
  return { ...what, holders: new Map(), producers: new Set(producers) };
}

/** Raised by member 1 at 11.095 s, told by the first owner at 13.093 s and by the next one 12 ms later. */
test.each([
  ["away for almost the wait, connected again at its end", "host-down", 2, 10_027, 1_587, true],
  ["away and connected again long before the wait is over", "host-down", 2, 8_000, 1_000, false],
  ["away after both sends", "host-down", 2, 15_000, 5_000, false],
  ["it sent neither", "host-down", 1, 10_027, 1_587, false],
  ["it left in order", "leave", 2, 10_027, 1_587, false],
] as const)(
  "a first owner that comes back as the wait ends: %s",
  (_what, kind, who, at, ms, is) => {
    const explanations = new Explanations(frameOf(3, [2, 0, 1]));
    explanations.add(faultOf(kind, who, ms), at);
    const sends = [sendBy(2, 13_093), sendBy(0, 13_105)] as const;
    const event = raisedBy([1], 11_095);
    expect(explanations.explains([sends[0]], sends[1], event)).toBe(is);
  },
);

test.each([
  ["two producers act for themselves", "crash", [1, 2], 1, 10_500, true],
  ["one that raised nothing sends", "crash", [1], 1, 10_500, false],
  ["the same process sends twice", "crash", [1, 2], 2, 10_500, false],
  ["raised long after its process was surely gone", "crash", [1, 2], 1, 18_500, false],
  ["a silent host is not gone yet by then", "host-down", [1, 2], 1, 18_500, true],
  ["raised when that one was gone too", "host-down", [1, 2], 1, 20_500, false],
] as const)("a sole owner dies at 10 s: %s", (_what, kind, producers, first, at, is) => {
  const explanations = new Explanations(frameOf(1, [0]));
  explanations.add(faultOf(kind, 0, 500), 10_000);
  const event = raisedBy(producers, at);
  const sends = [sendBy(first, at + 2_000), sendBy(2, at + 2_010)] as const;
  expect(explanations.explains([sends[0]], sends[1], event)).toBe(is);
});
