import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeNotice, readAlert, readNotice, readStamp } from "#cluster/calls/alert-payloads.ts";
import { announceInline } from "#cluster/calls/announce-inline.ts";
import { deliverAlerts, encodeBatch } from "#cluster/calls/deliver-alerts.ts";
import { encodeHandler, handlerKey, readHandler } from "#cluster/calls/handler-payloads.ts";
import { encodePullAnswer, pullCompletions } from "#cluster/calls/pull-completions.ts";
import { CALLS } from "#cluster/calls/registry.ts";
import { encodeTask, readTask } from "#cluster/calls/task-payloads.ts";
import { alertCompletions, pendingAlerts } from "#cluster/ownership/kinds.ts";
import type { Notice } from "#cluster/ownership/notices.ts";
import { WireError } from "#cluster/ports.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";
import { sampleAlert } from "./sample-alert.ts";

const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const stamp = { ms: 5, ns: 6, level: 3 } as const;
const lane = { topic: "t", id: "i", handler: "h" };

test("numbers and names of calls are unique, and never change", () => {
  expect(CALLS.map(({ number, name }) => `${number} ${name}`)).toEqual([
    "1 deliver-alerts",
    "2 pull-completions",
    "3 push-handlers",
    "4 sync-handlers",
    "5 probe-owner",
    "6 digest-topics",
    "7 sync-topic",
    "8 read-topics",
    "9 announce-inline",
    "10 join-offer",
    "11 remove-member",
    "12 hand-over",
    "13 push-silences",
    "14 push-tasks",
    "15 sync-tasks",
    "16 ask-tasks",
    "17 sync-silences",
    "18 check-members",
    "19 member-facts",
  ]);
});

const EVENT =
  '{"topic":"t","id":"cpu:host=a","message":"m","details":"<b>d</b>",' +
  '"time":"1500000000123456789","duration":5000000000,"level":3,"name":"cpu","taskName":"task",' +
  '"category":"system","group":"host=a","tags":{"host":"a"},' +
  '"fields":{"value":1.5,"count":{"$i":"9223372036854775807"},"ok":true,"text":"x"},' +
  '"recoverable":true,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","value"],' +
  '"values":[["2017-07-14T02:40:00.123456789Z",1.5]]}],"hops":2}';

const NOTICES: readonly (readonly [Notice, string])[] = [
  [
    { kind: "done", ...lane, stamp, by: memberId(7) },
    '["done","t","i","h",[5,6,3],"00000000-0000-0000-0000-000000000007"]',
  ],
  [{ kind: "hold", ...lane }, '["hold","t","i","h"]'],
  [{ kind: "hold", ...lane, queued: true }, '["hold","t","i","h",true]'],
  [
    { kind: "pass", event: sampleAlert, handlers: ["h"], failed: [memberId(1)] },
    `["pass",${EVENT},["h"],["00000000-0000-0000-0000-000000000001"]]`,
  ],
  [{ kind: "pass", event: sampleAlert, handlers: null, failed: [] }, `["pass",${EVENT},null,[]]`],
  [
    {
      ...{ kind: "pass", event: sampleAlert, handlers: ["h"], failed: [memberId(1)] },
      ...{ round: 2, never: [] },
    },
    `["pass",${EVENT},["h"],["00000000-0000-0000-0000-000000000001"],2,[]]`,
  ],
  [
    { kind: "settled", topic: "t", id: "i", stamp, done: ["h", "k"] },
    '["settled","t","i",[5,6,3],["h","k"]]',
  ],
  [
    { kind: "settled", topic: "t", id: "i", stamp, done: [], dropped: true },
    '["settled","t","i",[5,6,3],[],true]',
  ],
];

test("the bytes of notices do not change", () => {
  for (const [notice, expected] of NOTICES) {
    expect(JSON.stringify(encodeNotice(notice))).toBe(expected);
    expect(readNotice(JSON.parse(expected))).toEqual(notice);
  }
});

test("a batch and a page of completions survive the wire", () => {
  const batch = { notices: NOTICES.map(([notice]) => notice), events: [sampleAlert] };
  expect(deliverAlerts.parseRequest(wire(encodeBatch(batch)))).toEqual(batch);
  const said = { notices: [], events: [sampleAlert, sampleAlert, sampleAlert] };
  for (const before of [
    [stamp, "first", undefined],
    [undefined, undefined, stamp],
  ] as const) {
    const sent = encodeBatch({ ...said, before });
    expect(deliverAlerts.parseRequest(wire(sent))).toEqual({ ...said, before });
  }
  const list = {
    ...{ boot: "1f", after: -1, upTo: 7 },
    topics: [
      ["main:t:alert2", "ff"],
      ["main:u:alert2", ""],
    ] as const,
  };
  expect(announceInline.parseRequest(wire(list))).toEqual(list);
  expect(announceInline.parseAnswer({ taken: true, digest: "0" })).toEqual({
    ...{ taken: true, digest: "0" },
  });
  const answer = {
    boot: "1f",
    upTo: 9,
    next: 4,
    holds: [lane],
    entries: [{ ...lane, stamp, by: memberId(2) }],
  };
  expect(pullCompletions.parseAnswer(wire(encodePullAnswer(answer)))).toEqual(answer);
  const request = { boot: "1f", since: 1, before: 2, digest: "ff" };
  expect(pullCompletions.parseRequest(wire(request))).toEqual(request);
});

test("rows on disk survive", () => {
  const pending = { event: sampleAlert, local: true };
  expect(pendingAlerts.decode(pendingAlerts.encode(pending))).toEqual(pending);
  const row = { topic: "t", id: "i", handlers: { h: { stamp, by: memberId(1) } } };
  expect(alertCompletions.decode(alertCompletions.encode(row))).toEqual(row);
});

test("the bytes of a handler do not change", () => {
  const definition = {
    key: handlerKey("t", "h"),
    value: { id: "h", topic: "t", kind: "post", match: "", options: { url: "u", new: [1] } },
    version: { counter: 3, member: memberId(1) },
    at: 5,
  };
  const expected =
    '["t","h",{"id":"h","topic":"t","kind":"post","match":"","options":{"url":"u","new":[1]}},' +
    '3,"00000000-0000-0000-0000-000000000001",5]';
  expect(JSON.stringify(encodeHandler(definition))).toBe(expected);
  expect(readHandler(JSON.parse(expected))).toEqual(definition);
});

test("the bytes of a cluster task do not change", () => {
  const version = { counter: 3, member: memberId(1) };
  const definition = { key: "task/t", value: { id: "t", run: "r", new: [1] }, version, at: 5 };
  const expected =
    '["task/t",{"id":"t","run":"r","new":[1]},3,"00000000-0000-0000-0000-000000000001",5]';
  expect(JSON.stringify(encodeTask(definition))).toBe(expected);
  expect(readTask(JSON.parse(expected))).toEqual(definition);
});

const event = (more: Record<string, unknown>): unknown => ({ ...JSON.parse(EVENT), ...more });

test.each([
  ["no object", 5],
  ["no topic", event({ topic: undefined })],
  ["a level that is none", event({ level: 4 })],
  ["a time that is none", event({ time: "now" })],
  ["tags that are no texts", event({ tags: { a: 1 } })],
  ["fields that are a list", event({ fields: [] })],
  ["no hops", event({ hops: null })],
  ["a bad big integer", event({ fields: { a: { $i: "x" } } })],
  ["a stamp that is none", event({ raisedAt: -1, raisedBy: memberId(1) })],
  ["a stamp of nobody", event({ raisedAt: 5, raisedBy: "m1" })],
])("an event with %s is refused", (_title, input) => {
  expect(() => readAlert(input)).toThrow(WireError);
});

test.each([
  [["done", "t", "i", "h", [5, 6, 3], "not a uuid"]],
  [["done", "t", "i", "h", [5, 1e6, 3], memberId(1)]],
  [["done", "t", "i"]],
  [["hold", "t", 5, "h"]],
  [["pass", {}, null, []]],
  [["settled", "t", "i", [1, 2, 3], "h"]],
  [["unknown"]],
  [[]],
  [{}],
])("notice %p is refused", (input) => {
  expect(() => readNotice(input)).toThrow(WireError);
});

test("any JSON is read or refused with a WireError, by every call", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (input) => {
      for (const call of CALLS) {
        for (const parse of [call.parseRequest, call.parseAnswer]) {
          try {
            parse(input);
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        }
      }
    }),
  );
  expect(() => readStamp([1, 2, 3, 4])).toThrow(WireError);
});

test.each([
  [{ boot: "1", after: -2, upTo: 0, topics: [] }],
  [{ boot: "1", after: 0, upTo: -1, topics: [] }],
  [{ boot: 1, after: 0, upTo: 0, topics: [] }],
  [{ boot: "1", after: 0, upTo: 0, topics: [["main:t:alert2"]] }],
  [{ boot: "1", after: 0, upTo: 0, topics: [["main:t:alert2", "ff", "x"]] }],
  [{ boot: "1", after: 0, upTo: 0, topics: {} }],
])("announcement %p is refused", (input) => {
  expect(() => announceInline.parseRequest(input)).toThrow(WireError);
});
