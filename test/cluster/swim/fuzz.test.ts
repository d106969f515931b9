/** Any bytes at a member: no exception, no growth, no change of view, and every drop counted by reason. */

import { expect, test } from "bun:test";
import { ByteWriter } from "#cluster/messages/bytes.ts";
import { IdTable, randomUuid } from "#cluster/messages/member-id.ts";
import { type GossipRecord, writeRecord } from "#cluster/messages/registry.ts";
import type { MemberId } from "#cluster/ports.ts";
import { PacketCodec } from "#cluster/swim/packet.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { encodeFrame } from "#cluster/transport/frame.ts";
import { encodeHello } from "#cluster/transport/hello.ts";
import { SeededRandom } from "#lib/random.ts";
import { Village } from "#test/sim/village.ts";
import { memberA, profileA } from "./sample-records.ts";

const ROUNDS = 20_000;
const from = { host: "10.0.0.77", port: 9090 };

test.each([
  ["plain", []],
  ["sealed", [new Uint8Array(32).fill(3)]],
] as const)("random and mutated datagrams, %s", (_name, keys) => {
  const village = new Village(3, { keys, disks: false });
  const captured: Uint8Array[] = [];
  village.world.network.onDatagram = (_host, bytes) => {
    if (captured.length < 500) captured.push(bytes);
  };
  village.form();
  village.run(10_000);
  const swim = village.at(1).swim;
  if (swim === undefined) throw new Error("not running");
  const random = new SeededRandom(9);
  const before = { hash: swim.viewHash, sizes: swim.sizes, incarnation: swim.incarnation };
  const counted = (): number =>
    Object.entries(swim.counters)
      .filter(([name]) => name.startsWith("dropped-"))
      .reduce((sum, [, value]) => sum + value, 0);
  const drops = counted();
  for (let i = 0; i < ROUNDS; i++) {
    const base = captured[random.below(captured.length)] ?? new Uint8Array(60);
    const bytes = random.below(3) === 0 ? random.bytes(random.below(1_500)) : mutate(random, base);
    swim.step({ kind: "datagram", from, bytes }, village.at(1).localMs);
  }
  // Untouched captured packets were old: replays. So everything was dropped, each with a reason.
  expect(counted() - drops).toBe(ROUNDS);
  expect({ hash: swim.viewHash, incarnation: swim.incarnation }).toEqual({
    hash: before.hash,
    incarnation: before.incarnation,
  });
  expect(swim.sizes.members).toBe(before.sizes.members);
  expect(swim.sizes.windows).toBe(before.sizes.windows);
  expect(swim.sizes.timers).toBeLessThanOrEqual(before.sizes.timers);
});

test("random and mutated connections end by themselves and leave nothing behind", () => {
  const village = new Village(2, { disks: false });
  village.form();
  village.run(5_000);
  const swim = village.at(0).swim;
  if (swim === undefined) throw new Error("not running");
  const random = new SeededRandom(10);
  const before = { hash: swim.viewHash, sizes: swim.sizes };
  const hello = encodeFrame(
    encodeHello({
      versionMin: 1,
      versionMax: 1,
      purpose: "sync",
      removed: false,
      memberId: village.at(1).id,
      boot: 5n,
      nonce: new Uint8Array(16),
      clusterTag: clusterTag(swim.clusterId),
    }),
  );
  for (let i = 0; i < 3_000; i++) {
    const connection = -1_000_000 - i;
    const at = village.at(0).localMs;
    swim.step({ kind: "accepted", connection, from: { host: `10.1.1.${i % 250}`, port: 1 } }, at);
    const greet = random.below(2) === 0 ? hello : mutate(random, hello);
    swim.step({ kind: "data", connection, bytes: greet }, at);
    for (let part = random.below(4); part >= 0; part--) {
      const bytes = random.below(2) === 0 ? encodeFrame(random.bytes(60)) : random.bytes(40);
      swim.step({ kind: "data", connection, bytes }, at);
    }
    if (random.below(2) === 0) swim.step({ kind: "ended", connection, why: "closed" }, at);
  }
  expect(swim.sizes.links).toBeLessThanOrEqual(130);
  village.run(15_000);
  expect(swim.sizes.links).toBeLessThanOrEqual(before.sizes.links + 1);
  expect(swim.viewHash).toEqual(before.hash);
  expect(swim.sizes.members).toBe(2);
});

test("a member that lies within the types cannot make the core throw or outgrow its bounds", () => {
  const village = new Village(3, { disks: false });
  village.form();
  village.run(2_000);
  const random = new SeededRandom(11);
  const liar = village.at(2);
  const swim = village.at(0).swim;
  if (swim === undefined) throw new Error("not running");
  const codec = new PacketCodec(systemCrypto, new IdTable(), {
    clusterId: swim.clusterId,
    clusterTag: clusterTag(swim.clusterId),
    id: liar.id,
    boot: 0xffff_ffff_0000_0000n,
  });
  const ids = village.members.map(({ id }) => id);
  let highest = swim.incarnation;
  for (let counter = 1; counter <= 5_000 && swim.initialized; counter++) {
    const writer = new ByteWriter(2_000);
    codec.begin(writer, counter);
    for (let i = random.below(4); i >= 0; i--) writeRecord(writer, lie(random, ids), new IdTable());
    const bytes = codec.finish(writer);
    swim.step({ kind: "datagram", from, bytes }, village.at(0).localMs);
    if (counter % 50 === 0) village.run(20);
    expect(swim.incarnation).toBeGreaterThanOrEqual(highest);
    highest = swim.incarnation;
  }
  const { members, queue, timers } = swim.sizes;
  expect(members).toBeLessThanOrEqual(10_000);
  expect(queue).toBeLessThanOrEqual(4 * members + 1_024);
  expect(timers).toBeLessThanOrEqual(40 + 12 * members);
});

/** A well-formed record about anybody, ourselves too, with any numbers. */
function lie(random: SeededRandom, ids: readonly MemberId[]): GossipRecord {
  const known = ids[random.below(ids.length)] ?? memberA;
  const id = random.below(4) === 0 ? randomUuid(random.bytes(16)) : known;
  const number = (): number => (random.below(2) === 0 ? random.below(4) : random.u32());
  const version = { epoch: number(), incarnation: number() };
  const reason = random.below(2) === 0 ? "silent" : "refused";
  switch (random.below(6)) {
    case 0:
      return { kind: "suspect", version, id, accuser: known, reason };
    case 1:
      return { kind: "dead", version, id, accuser: known, reason };
    case 2:
      return { kind: "left", version, id };
    case 3:
      // Being removed is what the operator may do to us; about others it is just a fact.
      return { kind: "removed", epoch: number(), id: randomUuid(random.bytes(16)), remover: known };
    case 4:
      return { kind: "note", noteKind: 1, origin: id, counter: number(), bytes: random.bytes(9) };
    default:
      return { kind: "alive", version, profile: { ...profileA, id, boot: BigInt(random.u32()) } };
  }
}

/** Never the original: it may be one that this member has not seen yet. */
function mutate(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice(0, random.below(8) === 0 ? random.below(bytes.length) : undefined);
  if (copy.length === 0) return copy;
  for (let i = random.below(4); i > 0; i--) copy[random.below(copy.length)] = random.u32() & 255;
  const at = random.below(copy.length);
  copy[at] = (bytes[at] ?? 0) ^ (1 + random.below(255));
  return copy;
}
