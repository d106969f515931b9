/** Full syncs and redialling, in virtual time. */

import { describe, expect, test } from "bun:test";
import { ByteReader } from "#cluster/messages/bytes.ts";
import { DEAD } from "#cluster/messages/message.ts";
import { readRecord } from "#cluster/messages/registry.ts";
import type { MemberId } from "#cluster/ports.ts";
import { HEADER_BYTES } from "#cluster/swim/packet.ts";
import { pair } from "./network.ts";
import { Village } from "./village.ts";

function cut(village: Village, a: number, b: number): void {
  const { network } = village.world;
  network.cut.add(pair(village.at(a), village.at(b)));
  network.cut.add(pair(village.at(b), village.at(a)));
}

describe("sync", () => {
  test("two members with equal tables exchange their hashes and no entries", () => {
    const village = new Village(20, { disks: false });
    village.form();
    village.run(20_000);
    const before = village.sum("frame-bytes-sent");
    const equal = village.sum("syncs-equal");
    village.at(3).input({ kind: "sync", with: village.at(7).id });
    village.run(100);
    expect(village.sum("syncs-equal")).toBe(equal + 1);
    expect(village.sum("frame-bytes-sent") - before).toBeLessThan(200);
  });

  test("two members that know different things know the same after one sync", () => {
    const village = new Village(4, {
      disks: false,
      options: { syncIntervalMs: 1e9, gossipIntervalMs: 1e6, eagerPerSecond: 0 },
    });
    village.form();
    village.run(5_000);
    // 0 learns of one member and 1 of another; neither gossips.
    const [third, fourth] = [village.newMember(), village.newMember()];
    third.start();
    fourth.start();
    const { network } = village.world;
    for (let i = 0; i < 4; i++) {
      for (const other of [4, 5]) {
        if (other === 4 + i) continue;
        cut(village, i, other);
      }
    }
    village.join(village.at(0), third);
    village.join(village.at(1), fourth);
    village.run(50);
    expect(village.at(0).swim?.entry(fourth.id)).toBeUndefined();
    expect(village.at(1).swim?.entry(third.id)).toBeUndefined();
    network.cut.clear();
    village.at(0).input({ kind: "sync", with: village.at(1).id });
    village.run(20);
    expect(village.rank(5, 0)).toBe(0);
    expect(village.rank(4, 1)).toBe(0);
  });

  test("a member that missed a fact is synced after three differing pings from anybody", () => {
    const village = new Village(30, { disks: false, options: { syncIntervalMs: 1e9 } });
    village.form();
    village.run(10_000);
    const late = village.at(9);
    const { cutUdp } = village.world.network;
    for (const other of village.members) cutUdp.add(pair(other, late));
    village.at(4).input({ kind: "profile", change: { redundancy: 2 } });
    // Long enough for the others to tell each other as often as they will.
    village.until(() => village.members.every((m) => (m.swim?.sizes.queue ?? 1) === 0), 2_000);
    cutUdp.clear();
    const knows = (): boolean => late.swim?.entry(village.at(4).id)?.profile?.redundancy === 2;
    expect(knows()).toBe(false);
    village.until(knows, 5_000);
    expect(village.sum("syncs-hash")).toBeGreaterThan(0);
  });
});

describe("probes", () => {
  test("the member through which all joined is probed from the beginning, like everybody else", () => {
    const village = new Village(40, { disks: false });
    const pings = new Map<MemberId, number>();
    village.world.network.onDatagram = (_from, bytes) => {
      const records = new ByteReader(bytes, HEADER_BYTES, bytes.length - 4);
      const record = readRecord(records, village.world.ids);
      if (record?.kind === "ping") pings.set(record.target, (pings.get(record.target) ?? 0) + 1);
    };
    village.form();
    // Less than the 20 s in which a probe list comes to its end.
    village.run(15_000);
    for (const { id } of village.members) expect(pings.get(id) ?? 0).toBeGreaterThan(15);
  });
});

describe("dead-time", () => {
  test("a member that is gone for longer is dialled every ten minutes instead of every 30 s", () => {
    const deadTimeMs = 300_000;
    const village = new Village(2, { disks: false, options: { deadTimeMs } });
    village.form();
    village.run(3_000);
    const dials = (): number => village.at(0).swim?.counters["dials-sync"] ?? 0;
    village.at(1).crash(true);
    village.until(() => village.rank(1, 0) === DEAD, 10_000);
    village.run(60_000);
    let before = dials();
    village.run(180_000);
    expect(dials() - before).toBeGreaterThanOrEqual(4);
    village.run(deadTimeMs);
    before = dials();
    village.run(3_600_000);
    expect(dials() - before).toBeGreaterThanOrEqual(4);
    expect(dials() - before).toBeLessThanOrEqual(9);
    // It stays a member, and comes back by itself.
    expect(village.rank(1, 0)).toBe(DEAD);
  });
});
