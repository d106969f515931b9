/** The payloads of check-ups: what goes in comes out, and anything else is refused whole. */

import { expect, test } from "bun:test";
import { checkMembers } from "#cluster/calls/check-members.ts";
import { memberFacts } from "#cluster/calls/member-facts.ts";
import { WireError } from "#cluster/ports.ts";

const ID = "5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01";

const facts = {
  id: ID,
  clusterId: "0b1c5e0e-7a1e-4b53-9a2e-2b8b7a3c1d11",
  version: "1.0.0",
  protocolMin: 1,
  protocolMax: 2,
  wallMs: 1_700_000_000_000.25,
  keys: ["0011aabb"],
  redundancy: 2,
  apiTls: false,
  pingAgeMs: -1,
};

const check = { to: ID, check: "rpc", address: "a:9091", ms: 1.5, fault: "refused", detail: "no" };

const report = {
  facts,
  members: [{ id: ID, status: "alive" }],
  checks: [check, { to: ID, check: "names", address: "a", ms: 0, detail: "" }],
  clocks: [{ to: ID, offsetMs: -3_600_000, errorMs: 0.5 }],
  heard: [facts],
};

/** As it comes from the wire. */
const sent = (payload: unknown): unknown => JSON.parse(JSON.stringify(payload));

test("facts and reports come out as they went in", () => {
  expect(memberFacts.parseAnswer(sent(facts))).toEqual(facts);
  expect<unknown>(checkMembers.parseAnswer(sent(report))).toEqual(report);
});

test("a strange member of a later version may say more", () => {
  expect(memberFacts.parseAnswer({ ...facts, colour: "blue" })).toEqual(facts);
});

test.each([
  [null],
  [[]],
  ["facts"],
  [{}],
  [{ ...facts, wallMs: "now" }],
  [{ ...facts, wallMs: Number.NaN }],
  [{ ...facts, keys: [1] }],
  [{ ...facts, keys: Array.from({ length: 1_001 }, () => "k") }],
  [{ ...facts, apiTls: 1 }],
  [{ ...facts, protocolMax: -1 }],
])("facts %j are refused", (payload) => {
  expect(() => memberFacts.parseAnswer(payload)).toThrow(WireError);
});

test.each([
  [{}],
  [{ ...report, facts: {} }],
  [{ ...report, members: [{ id: ID, status: "well" }] }],
  [{ ...report, checks: [{ ...check, to: "a" }] }],
  [{ ...report, checks: [{ ...check, check: "smell" }] }],
  [{ ...report, checks: [{ ...check, fault: "bad" }] }],
  [{ ...report, clocks: [{ to: ID, offsetMs: null, errorMs: 0 }] }],
  [{ ...report, heard: {} }],
])("report %j is refused", (payload) => {
  expect(() => checkMembers.parseAnswer(payload)).toThrow(WireError);
});
