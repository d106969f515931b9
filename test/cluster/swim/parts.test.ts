/** The core's parts by themselves: timers, queue, suspicion, table, join rules, disk image. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "#cluster/messages/bytes.ts";
import { IdTable, randomUuid } from "#cluster/messages/member-id.ts";
import type { SyncEntry } from "#cluster/messages/sync.ts";
import { BroadcastQueue, sendLimit } from "#cluster/swim/broadcast-queue.ts";
import { decodeImage, encodeImage, type Image, nextStart } from "#cluster/swim/image.ts";
import { decideJoin, makeOffer, parseOffer } from "#cluster/swim/join-rules.ts";
import { LAN, soundOptions } from "#cluster/swim/options.ts";
import { refusedTimeoutMs, suspicionTimeoutMs, suspicionTimes } from "#cluster/swim/suspicion.ts";
import { MemberTable } from "#cluster/swim/table.ts";
import { Timers } from "#cluster/swim/timers.ts";
import { SeededRandom } from "#lib/random.ts";
import { memberA, memberB, memberC, profileA, profileB } from "./sample-records.ts";

/** A member of a table that was never suspected. */
const ALIVE_STATE = {
  epoch: 1,
  incarnation: 1,
  rank: 0,
  profile: profileA,
  reason: "silent",
} as const;

describe("timers", () => {
  test("fire in order of time, then of creation; cancelled ones never", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.integer({ min: 0, max: 50 }), cancel: fc.boolean() })),
        (plan) => {
          const timers = new Timers();
          const fired: number[] = [];
          const made = plan.map(({ at }, i) => timers.add(at, () => fired.push(i)));
          plan.forEach(({ cancel }, i) => {
            if (cancel) timers.cancel(made[i]);
          });
          for (let t = timers.takeDue(100); t !== undefined; t = timers.takeDue(100)) t.run();
          const wanted = plan
            .map(({ at, cancel }, i) => ({ at, cancel, i }))
            .filter(({ cancel }) => !cancel)
            .sort((a, b) => a.at - b.at || a.i - b.i)
            .map(({ i }) => i);
          expect(fired).toEqual(wanted);
          expect(timers.size).toBe(0);
        },
      ),
    );
  });

  test("a shift moves all of them", () => {
    const timers = new Timers();
    timers.add(10, () => {});
    timers.shift(5);
    expect(timers.takeDue(14)).toBeUndefined();
    expect(timers.takeDue(15)).toBeDefined();
  });
});

describe("broadcast queue", () => {
  const record = (n: number, size = 30): Uint8Array => new Uint8Array(size).fill(n);
  const fill = (queue: BroadcastQueue, room: number, limit = 6): number[] => {
    const writer = new ByteWriter(room);
    queue.fill(writer, room, limit);
    const seen: number[] = [];
    for (let at = 0; at < writer.at; at += 30) seen.push(writer.bytes[at] ?? -1);
    return seen;
  };

  test.each([
    [1, 6],
    [4, 6],
    [5, 9],
    [10, 10],
    [30, 11],
    [60, 12],
    [300, 13],
    [1000, 14],
  ])("%p members: a fact is sent %p times", (members, limit) => {
    expect(sendLimit(members)).toBe(limit);
  });

  test("takes the fewest-sent first, the newest among equals", () => {
    const queue = new BroadcastQueue();
    queue.put("a", record(1), "fact", 5);
    queue.put("b", record(2), "fact", 5);
    expect(fill(queue, 30)).toEqual([2]);
    expect(fill(queue, 30)).toEqual([1]);
    queue.put("c", record(3), "fact", 5);
    expect(fill(queue, 60)[0]).toBe(3);
  });

  test("a newer fact replaces the older one of its subject and starts over", () => {
    const queue = new BroadcastQueue();
    queue.put("a", record(1), "fact", 5);
    fill(queue, 30);
    queue.put("a", record(9), "fact", 5);
    expect(queue.size).toBe(1);
    expect(fill(queue, 90)).toEqual([9]);
  });

  test("facts that change often without being sent do not pile up, and keep their order", () => {
    const queue = new BroadcastQueue();
    for (let i = 0; i < 10_000; i++) {
      queue.put(`s${i % 5}`, record(i % 5), "fact", 5);
      expect(queue.kept).toBeLessThanOrEqual(2 * queue.size + 65);
    }
    expect(fill(queue, 150)).toEqual([4, 3, 2, 1, 0]);
  });

  test("every fact is sent exactly the limit, whatever the room", () => {
    const queue = new BroadcastQueue();
    const sends = new Map<number, number>();
    for (let i = 0; i < 50; i++) queue.put(`s${i}`, record(i), "fact", 50);
    for (let round = 0; queue.size > 0 && round < 1_000; round++) {
      for (const n of fill(queue, 30 * (1 + (round % 4)))) sends.set(n, (sends.get(n) ?? 0) + 1);
    }
    expect([...sends.values()]).toEqual(new Array(50).fill(6));
  });

  test("beyond its bound it drops notes, never members' facts", () => {
    const queue = new BroadcastQueue();
    let dropped = 0;
    for (let i = 0; i < 2_000; i++) dropped += queue.put(`n${i}`, record(1), "note", 3);
    expect(queue.size).toBe(1_024 + 12);
    expect(dropped).toBe(2_000 - 1_036);
    for (let i = 0; i < 1_500; i++) queue.put(`f${i}`, record(2), "fact", 3);
    expect(queue.size).toBe(1_500);
  });

  test("records too large for a datagram come out only by the other door", () => {
    const queue = new BroadcastQueue();
    queue.put("big", record(1, 2_000), "fact", 3);
    expect(fill(queue, 1_300)).toEqual([]);
    expect(queue.takeLarge(1_300, 6)).toHaveLength(1);
  });
});

describe("suspicion", () => {
  test.each([
    [2, 2_000, 2_000, 0],
    [3, 2_000, 2_000, 0],
    [4, 2_000, 12_000, 2],
    [10, 2_000, 12_000, 2],
    [100, 4_000, 24_000, 2],
    [1000, 6_000, 36_000, 2],
  ])("%p members: first wait %p … ms", (members, minMs, maxMs, wanted) => {
    const times = suspicionTimes(LAN, members);
    expect([times.minMs, times.wanted]).toEqual([minMs, wanted]);
    expect(suspicionTimeoutMs(times, 0)).toBe(wanted === 0 ? minMs : maxMs);
    expect(suspicionTimeoutMs(times, wanted)).toBeCloseTo(minMs, 6);
  });

  test("each confirmation shortens it and none below the minimum", () => {
    const times = suspicionTimes(LAN, 10);
    const waits = [0, 1, 2, 3, 9].map((c) => suspicionTimeoutMs(times, c));
    expect(waits).toEqual([...waits].sort((a, b) => b - a));
    expect(waits.at(-1)).toBe(times.minMs);
  });

  test("a refused process gets two intervals, a second at least", () => {
    expect(refusedTimeoutMs(LAN)).toBe(1_000);
    expect(refusedTimeoutMs({ ...LAN, probeIntervalMs: 2_000 })).toBe(4_000);
  });

  test("a probe timeout above half the interval raises the interval", () => {
    expect(soundOptions({ ...LAN, probeTimeoutMs: 400 })).toEqual({
      options: { ...LAN, probeTimeoutMs: 400, probeIntervalMs: 800 },
      raised: true,
    });
    expect(soundOptions(LAN).raised).toBe(false);
  });
});

describe("table", () => {
  test("equal contents have equal hashes in any order; a suspect counts as alive", () => {
    const random = new SeededRandom(1);
    const state = (incarnation: number, rank: 0 | 1 | 2) =>
      ({ epoch: 1, incarnation, rank, profile: profileA, reason: "silent" }) as const;
    const [one, two] = [
      new MemberTable(new IdTable(), memberA),
      new MemberTable(new IdTable(), memberA),
    ];
    const ids = Array.from({ length: 20 }, () => randomUuid(random.bytes(16)));
    for (const id of ids) one.add(id, state(3, 0), 0);
    for (const id of ids.toReversed()) {
      const entry = two.add(id, state(1, 2), 0);
      two.set(entry, state(3, 1), 0);
    }
    expect([two.hashHigh, two.hashLow]).toEqual([one.hashHigh, one.hashLow]);
    const last = two.get(ids[0] ?? memberB);
    if (last !== undefined) two.set(last, state(3, 2), 0);
    expect([two.hashHigh, two.hashLow]).not.toEqual([one.hashHigh, one.hashLow]);
    expect(two.live).toHaveLength(19);
  });

  test("picks different live others, all of them when asked for more", () => {
    const table = new MemberTable(new IdTable(), memberA);
    table.add(memberA, ALIVE_STATE, 0);
    const random = new SeededRandom(2);
    for (let i = 0; i < 9; i++) table.add(randomUuid(random.bytes(16)), ALIVE_STATE, 0);
    const picked = table.pick(random, 20);
    expect(new Set(picked).size).toBe(9);
    expect(picked.some(({ id }) => id === memberA)).toBe(false);
    expect(new Set(table.pick(random, 3)).size).toBe(3);
  });

  test("exactly three of many are first for a target, the same three for everybody", () => {
    const random = new SeededRandom(3);
    const ids = Array.from({ length: 12 }, () => randomUuid(random.bytes(16)));
    const dead = randomUuid(random.bytes(16));
    let first = 0;
    for (const self of ids) {
      const table = new MemberTable(new IdTable(), self);
      for (const id of ids) table.add(id, ALIVE_STATE, 0);
      const target = table.add(dead, { ...ALIVE_STATE, rank: 2 }, 0);
      if (table.amongFirst(target, 3)) first++;
    }
    expect(first).toBe(3);
  });

  test("everybody is among the first for some turn", () => {
    const random = new SeededRandom(4);
    const ids = Array.from({ length: 12 }, () => randomUuid(random.bytes(16)));
    const self = randomUuid(random.bytes(16));
    const table = new MemberTable(new IdTable(), self);
    for (const id of [self, ...ids]) table.add(id, ALIVE_STATE, 0);
    const targets = Array.from({ length: 20 }, () =>
      table.add(randomUuid(random.bytes(16)), { ...ALIVE_STATE, rank: 2 }, 0),
    );
    for (const target of targets) {
      const turns = Array.from({ length: 30 }, (_, turn) => table.amongFirst(target, 3, turn));
      expect(turns.includes(true)).toBe(true);
    }
  });
});

describe("join rules", () => {
  const target = {
    id: memberB,
    clusterId: "bbbbbbbb-0000-4000-8000-000000000000",
    initialized: false,
    epoch: 0,
    adding: false,
    gossip: { host: "10.0.0.2", port: 9090 },
  };
  const own: SyncEntry = {
    rank: 0,
    version: { epoch: 0, incarnation: 4 },
    reason: "silent",
    profile: profileA,
  };
  const decide = (
    change: Partial<typeof target> = {},
    table: readonly SyncEntry[] = [own],
    clusterId = "aaaaaaaa-0000-4000-8000-000000000000",
  ): ReturnType<typeof decideJoin> => {
    const json: unknown = JSON.parse(JSON.stringify(makeOffer(clusterId, memberA, table)));
    const { offer, entries } = parseOffer(json);
    return decideJoin({ ...target, ...change }, offer, entries);
  };
  const gone: SyncEntry = { rank: 4, epoch: 3, id: memberB, remover: memberA };

  test("an uninitialized member adopts, in epoch 1 and next in join order", () => {
    expect(decide()).toMatchObject({ kind: "adopt", adoption: { epoch: 1, joined: 2 } });
  });

  test.each([
    ["table remembers its removal", [own, gone], {}, 4],
    ["it remembers a removal that the adder has not heard of", [own], { epoch: 5 }, 6],
  ] as const)("%s: a later epoch", (_name, table, change, epoch) => {
    expect(decide(change, table)).toMatchObject({ kind: "adopt", adoption: { epoch } });
  });

  test("already a member: success without change; unaware of its removal: a new epoch", () => {
    const inside = {
      initialized: true,
      clusterId: "aaaaaaaa-0000-4000-8000-000000000000",
      epoch: 3,
    };
    expect(decide(inside)).toEqual({ kind: "already" });
    expect(decide(inside, [own, gone])).toMatchObject({ kind: "adopt", adoption: { epoch: 4 } });
  });

  test.each([
    ["another cluster", { initialized: true }, `member ${memberB} already belongs to cluster bbbb`],
    ["itself", { id: memberA }, "cannot be added to itself"],
    ["a loopback address", { gossip: { host: "127.0.0.1", port: 1 } }, "loopback"],
    ["a wildcard address", { gossip: { host: "0.0.0.0", port: 1 } }, "wildcard"],
  ] as const)("%s is refused", (_name, change, text) => {
    const decision = decide(change);
    expect(decision.kind === "refuse" ? decision.error : decision.kind).toContain(text);
  });

  test("two that add each other: the larger cluster ID yields", () => {
    const small = "99999999-0000-4000-8000-000000000000";
    expect(decide({ adding: true, clusterId: small })).toEqual({ kind: "yields" });
    expect(decide({ adding: true })).toMatchObject({ kind: "adopt" });
  });

  test.each([null, 3, {}, { clusterId: "x", adder: memberA, protocol: [1, 1], members: [{}] }])(
    "%j is no offer",
    (payload) => expect(() => parseOffer(payload)).toThrow(),
  );
});

describe("disk image", () => {
  const image: Image = {
    clusterId: "aaaaaaaa-0000-4000-8000-000000000000",
    initialized: true,
    epoch: 2,
    joined: 3,
    incarnation: 17,
    boot: 0xffff_0000_1111_2222n,
    entries: [
      { rank: 3, version: { epoch: 1, incarnation: 9 }, reason: "silent", profile: profileA },
      {
        rank: 2,
        version: { epoch: 1, incarnation: 2 },
        reason: "refused",
        profile: { ...profileB, tcpOnly: false, leaving: false },
      },
      { rank: 4, epoch: 7, id: memberC, remover: memberA },
    ],
  };

  test("reads back equal", () => {
    expect(decodeImage(encodeImage(image))).toEqual(image);
  });

  test("any damage is an error, never half a table", () => {
    const text = new TextDecoder().decode(encodeImage(image));
    for (const broken of [
      text.slice(0, -20),
      text.replace('"format":1', '"format":2'),
      text.replace('"rank":3', '"rank":9'),
      text.replace(memberC, "nobody"),
      text.replace('"boot":"', '"boot":"x'),
      text.replace("10.0.0.1:9090", "nodeA:9090"),
      "[]",
      "null",
    ]) {
      expect(() => decodeImage(new TextEncoder().encode(broken))).toThrow();
    }
  });

  test("a start's boot number is above the last even when the wall clock stepped back", () => {
    const random = new SeededRandom(4);
    const first = nextStart(undefined, 1_700_000_000_000, random);
    expect(first.incarnation).toBe(1);
    const second = nextStart({ boot: first.boot, incarnation: first.reserved }, 5, random);
    expect(second.boot).toBeGreaterThan(first.boot);
    const again = nextStart({ boot: first.boot, incarnation: first.reserved }, 5, random);
    // Two starts of the same copy of a disk.
    expect(again.boot).not.toBe(second.boot);
    expect(second.incarnation).toBe(first.reserved + 1);
    expect(second.reserved).toBeGreaterThan(second.incarnation);
  });
});
