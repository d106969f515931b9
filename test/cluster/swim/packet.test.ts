/** Packets: every reason to refuse one, sealing, keys in rotation, connections' own keys, and replays. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "#cluster/messages/bytes.ts";
import { IdTable } from "#cluster/messages/member-id.ts";
import type { MemberId } from "#cluster/ports.ts";
import { crc32c } from "#cluster/swim/crc32c.ts";
import { HEADER_BYTES, type Opened, PacketCodec } from "#cluster/swim/packet.ts";
import { ReplayWindow } from "#cluster/swim/replay-window.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { Channel } from "#cluster/transport/greeting.ts";
import { memberA, memberB } from "./sample-records.ts";

const CLUSTER = "7d0c6b54-5b62-4a1e-9c59-1b86b0f0b001";
const key1 = new Uint8Array(32).fill(1);
const key2 = new Uint8Array(32).fill(2);

function codec(id: MemberId, keys: Uint8Array[] = [], acceptPlain = false, boot = 5n): PacketCodec {
  const made = new PacketCodec(systemCrypto, new IdTable(), {
    clusterId: CLUSTER,
    clusterTag: clusterTag(CLUSTER),
    id,
    boot,
  });
  made.setKeys(keys, acceptPlain);
  return made;
}

function packet(from: PacketCodec, counter = 1, channel?: Channel): Uint8Array {
  const writer = new ByteWriter(64);
  from.begin(writer, counter);
  writer.raw(new Uint8Array([1, 2, 3]));
  return from.finish(writer, channel);
}

function opened(result: ReturnType<PacketCodec["open"]>): Opened {
  if (typeof result === "string") throw new Error(`dropped: ${result}`);
  return result;
}

test("CRC-32C has the standard's check value", () => {
  const bytes = new TextEncoder().encode("123456789");
  expect(crc32c(bytes, 0, bytes.length)).toBe(0xe3069283);
});

test.each([
  ["plain", []],
  ["sealed", [key1]],
])("a %s packet opens to its sender, boot, counter and records", (_name, keys) => {
  const bytes = packet(codec(memberA, keys), 0x1_0000_0002);
  const result = opened(codec(memberB, keys).open(bytes, 9000));
  expect([result.sender, result.boot, result.counter]).toEqual([memberA, 5n, 0x1_0000_0002]);
  expect([...result.records.raw(result.records.left)]).toEqual([1, 2, 3]);
});

describe("drops", () => {
  const plain = packet(codec(memberA));
  const sealed = packet(codec(memberA, [key1]));
  const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  test.each([
    ["short", plain.slice(0, 47), []],
    ["long", new Uint8Array(9001), []],
    ["magic", changed(plain, 0, 0xc8), []],
    ["version", changed(plain, 1, 2), []],
    ["flags", changed(plain, 2, 2), []],
    ["foreign-cluster", changed(plain, 4, 0), []],
    ["bad-crc", changed(plain, 46, 9), []],
    ["bad-crc", changed(plain, 30, 9), []],
    ["bad-crc", changed(plain, 2, 0x10), []],
    ["sealed-without-keys", sealed, []],
    ["plain-with-keys", plain, [key1]],
    ["unknown-key", sealed, [key2]],
    ["bad-seal", changed(sealed, 50, 9), [key1]],
    ["bad-seal", changed(sealed, 43, 9), [key1]],
    ["bad-seal", sealed.slice(0, 60), [key1]],
  ] as const)("%s", (reason, bytes, keys) => {
    expect(codec(memberB, [...keys]).open(bytes, 9000)).toBe(reason);
  });

  test("no single damaged bit passes, plain or sealed", () => {
    for (const [bytes, keys] of [
      [plain, []],
      [sealed, [key1]],
    ] as const) {
      const receiver = codec(memberB, [...keys]);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const copy = bytes.slice();
        copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(typeof receiver.open(copy, 9000)).toBe("string");
      }
    }
  });
});

describe("keys", () => {
  test("each step of a rotation lets every old and new member talk", () => {
    const steps = [[key1], [key1, key2], [key2, key1], [key2]];
    for (let i = 0; i + 1 < steps.length; i++) {
      const [a, b] = [codec(memberA, steps[i]), codec(memberB, steps[i + 1])];
      opened(b.open(packet(a), 9000));
      opened(a.open(packet(b), 9000));
    }
  });

  test("accept-plain takes plain packets while switching over", () => {
    opened(codec(memberB, [key1], true).open(packet(codec(memberA)), 9000));
  });

  test("another boot of the same member has another key", () => {
    const receiver = codec(memberB, [key1]);
    opened(receiver.open(packet(codec(memberA, [key1], false, 5n)), 9000));
    opened(receiver.open(packet(codec(memberA, [key1], false, 6n)), 9000));
  });

  test("a frame of one connection does not open on another", () => {
    const channel = (info: number): Channel =>
      new Channel(systemCrypto, new TextEncoder().encode(CLUSTER), new Uint8Array([info]));
    const bytes = packet(codec(memberA, [key1]), 1, channel(1));
    const receiver = codec(memberB, [key1]);
    opened(receiver.openFrame(bytes, 9000, channel(1)));
    expect(receiver.openFrame(bytes, 9000, channel(2))).toBe("bad-seal");
    expect(receiver.open(bytes, 9000)).toBe("bad-seal");
  });

  test("the nonce is the counter, so header and body differ for every packet", () => {
    const sender = codec(memberA, [key1]);
    const bodies = [1, 2, 3].map((n) => packet(sender, n).slice(HEADER_BYTES).join());
    expect(new Set(bodies).size).toBe(3);
  });
});

describe("replay window", () => {
  test("agrees with a plain set over any counters", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 400 }), (counters) => {
        const window = new ReplayWindow(1n);
        const seen = new Set<number>();
        let highest = 0;
        for (const counter of counters) {
          const fresh = !seen.has(counter) && counter + 1_024 > highest;
          expect(window.accept(counter)).toBe(fresh);
          if (fresh) seen.add(counter);
          highest = Math.max(highest, counter);
        }
      }),
    );
  });

  test("both sides of its edge, zero, and a new boot", () => {
    const window = new ReplayWindow(1n);
    expect(window.accept(0)).toBe(false);
    expect(window.accept(2_000)).toBe(true);
    expect(window.accept(2_000 - 1_023)).toBe(true);
    expect(window.accept(2_000 - 1_024)).toBe(false);
    window.restart(2n);
    expect(window.accept(1)).toBe(true);
  });
});
