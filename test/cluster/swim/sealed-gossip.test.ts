/** Keys in gossip over virtual time: every state in the middle of a rotation or a switch-over lasts, nobody suffers. */

import { describe, expect, test } from "bun:test";
import { DEAD, SUSPECT } from "#cluster/messages/message.ts";
import type { Action } from "#cluster/swim/io.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { encodeFrame } from "#cluster/transport/frame.ts";
import type { HelloPurpose } from "#cluster/transport/hello.ts";
import { encodeHello } from "#cluster/transport/hello.ts";
import type { SimMember } from "#test/sim/sim-member.ts";
import { Village } from "#test/sim/village.ts";

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const [k1, k2] = [key(1), key(2)];

function setKeys(member: SimMember, keys: readonly Uint8Array[], acceptPlain = false): void {
  member.input({ kind: "keys", keys, acceptPlain });
}

function report(member: SimMember) {
  const report = member.swim?.keyReport(member.localMs);
  if (report === undefined) throw new Error("not running");
  return report;
}

/** One member after the other, each state in between for 15 s. */
function inTurn(village: Village, change: (member: SimMember) => void): void {
  for (const member of village.members) {
    change(member);
    village.run(15_000);
  }
}

/** Collects what anybody ever thinks ill of anybody. */
function suspicions(village: Village): string[] {
  const marks: string[] = [];
  village.onStep = (member, _input, actions) => {
    for (const action of actions) {
      if (action.kind !== "change" || (action.to !== SUSPECT && action.to !== DEAD)) continue;
      marks.push(`${member.id} of ${action.id}: ${action.to}`);
    }
  };
  return marks;
}

function formed(count: number, keys: readonly Uint8Array[]): Village {
  const village = new Village(count, { keys, disks: false });
  village.form();
  village.run(2_000);
  return village;
}

test("a rotation that stops half-way at every step keeps all alive and drops nothing", () => {
  const village = formed(4, [k1]);
  const marks = suspicions(village);
  for (const keys of [[k1, k2], [k2, k1], [k2]]) inTurn(village, (one) => setKeys(one, keys));
  expect(marks).toEqual([]);
  for (const reason of ["unknown-key", "bad-seal", "plain-with-keys", "sealed-without-keys"]) {
    expect([reason, village.sum(`dropped-${reason}`)]).toEqual([reason, 0]);
  }
  expect(village.allSeeAll()).toBe(true);
});

test("the report names the keys that others used within a minute", () => {
  const village = formed(3, [k1]);
  inTurn(village, (one) => setKeys(one, [k1, k2]));
  const seen = (): boolean[] => report(village.at(0)).keys.map((use) => use.seenLastMinute);
  expect(seen()).toEqual([true, false]);
  setKeys(village.at(1), [k2, k1]);
  village.run(15_000);
  expect(seen()).toEqual([true, true]);
  for (const member of village.members) setKeys(member, [k2, k1]);
  village.run(58_000);
  expect(seen()).toEqual([true, true]);
  village.run(5_000);
  expect(seen()).toEqual([true, false]);
});

test("a plain cluster that is switched over member by member keeps all alive", () => {
  const village = formed(4, []);
  const marks = suspicions(village);
  inTurn(village, (one) => setKeys(one, [k1], true));
  expect(report(village.at(0)).plainSeenLastMinute).toBe(true);
  village.run(61_000);
  // Everybody seals by now, though everybody would still take plain.
  for (const member of village.members) {
    expect(report(member)).toMatchObject({ acceptPlain: true, plainSeenLastMinute: false });
  }
  inTurn(village, (one) => setKeys(one, [k1]));
  expect(village.sum("dropped-plain-with-keys")).toBe(0);
  expect(village.allSeeAll()).toBe(true);
  expect(marks).toEqual([]);
});

test("a member that was forgotten in the last step is heard by nobody, and warned of once a minute", () => {
  const village = formed(3, [k1, k2]);
  const warnings: string[] = [];
  village.onStep = (_member, _input, actions) => {
    for (const action of actions) {
      if (action.kind === "log" && action.message === "gossip dropped for its key") {
        warnings.push(String(action.fields["reason"]));
      }
    }
  };
  for (const member of village.members.slice(1)) setKeys(member, [k2]);
  village.run(50_000);
  expect(village.at(1).swim?.counters["dropped-unknown-key"]).toBeGreaterThan(20);
  expect(new Set(warnings)).toEqual(new Set(["unknown-key"]));
  expect(warnings.length).toBeLessThanOrEqual(2);
  setKeys(village.at(0), [k2]);
  village.until(() => village.allSeeAll(), 60_000);
});

describe("a stranger's connection at a member with keys", () => {
  const hint = systemCrypto.sha256(k1)[0] ?? 0;
  const open = (purpose: HelloPurpose, ...frames: readonly Uint8Array[]) => {
    const village = formed(2, [k1]);
    const target = village.at(0);
    const { swim } = target;
    if (swim === undefined) throw new Error("not running");
    const clear = {
      ...{ versionMin: 1, versionMax: 1, purpose, removed: false, boot: 1n << 62n },
      memberId: village.at(1).id,
      nonce: new Uint8Array(16),
      clusterTag: clusterTag(swim.clusterId),
    };
    const hello = encodeHello({ ...clear, keys: { hint, plainToo: false } });
    const before = { hash: swim.viewHash, counters: { ...swim.counters } };
    const actions: Action[] = [];
    const at = target.localMs;
    const from = { host: "10.1.1.1", port: 1 };
    actions.push(...swim.step({ kind: "accepted", connection: -900, from }, at));
    for (const bytes of [encodeFrame(hello), ...frames]) {
      actions.push(...swim.step({ kind: "data", connection: -900, bytes }, at));
    }
    const risen = (counter: string): number =>
      (swim.counters[counter] ?? 0) - (before.counters[counter] ?? 0);
    return { swim, before, actions, risen };
  };

  test.each<[string, Uint8Array[]]>([
    ["a wrong proof", [encodeFrame(new Uint8Array([0xc9, 1, ...new Uint8Array(32)]))]],
    ["a packet in place of the proof", [encodeFrame(new Uint8Array(60).fill(0xc7))]],
  ])("ends with %s: counted, and nothing was acted on", (_title, frames) => {
    const { swim, before, actions, risen } = open("sync", ...frames);
    expect(risen("dropped-hello-bad-seal")).toBe(1);
    expect(actions.filter(({ kind }) => kind === "write").length).toBe(1);
    expect(actions.some(({ kind }) => kind === "close")).toBe(true);
    expect(swim.viewHash).toEqual(before.hash);
  });

  test("may send no more than 4 KiB before its proof", () => {
    const { risen } = open("sync", new Uint8Array([0, 0, 0x10, 1]));
    expect(risen("dropped-frame-malformed")).toBe(1);
  });
});
