/** Rows of topic states, with and without stamps. */

import { expect, test } from "bun:test";
import type { EventState } from "#alert/event.ts";
import { topicEvents } from "#storage/kinds/topic-events.ts";

const ROW =
  '{"topic":"t","id":"i","message":"m","details":"d","time":"1500000000123456789","duration":"5",' +
  '"level":2';
const STATE: EventState = {
  id: "i",
  message: "m",
  details: "d",
  time: { ms: 1_500_000_000_123, ns: 456_789 },
  duration: 5,
  level: 2,
};

test("a row without a stamp is as it always was", () => {
  expect(topicEvents.encode({ topic: "t", state: STATE })).toBe(`${ROW}}`);
  expect(topicEvents.decode(`${ROW}}`)).toEqual({ topic: "t", state: STATE });
});

test("a row with a stamp keeps it", () => {
  const state = { ...STATE, raisedAt: 1_843_200_000_000_001, raisedBy: "m1" };
  const text = `${ROW},"raisedAt":1843200000000001,"raisedBy":"m1"}`;
  expect(topicEvents.encode({ topic: "t", state })).toBe(text);
  expect(topicEvents.decode(text)).toEqual({ topic: "t", state });
});

test.each([
  ['"raisedAt":"5","raisedBy":"m1"'],
  ['"raisedAt":5'],
  ['"raisedBy":"m1"'],
  ['"raisedAt":null,"raisedBy":"m1"'],
])("a row with %s is refused", (stamp) => {
  expect(() => topicEvents.decode(`${ROW},${stamp}}`)).toThrow("stamp of an unknown form");
});
