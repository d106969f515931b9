import { expect, test } from "bun:test";
import { SeededRandom } from "#lib/random.ts";
import { TimeUuids, uuid4 } from "#lib/uuid.ts";

test("version 4 UUIDs carry version and variant, and differ", () => {
  const random = new SeededRandom(1);
  const made = Array.from({ length: 200 }, () => uuid4(random));
  for (const uuid of made) {
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  expect(new Set(made).size).toBe(200);
});

test("the time in a version 1 UUID is the RFC's 100 ns count since 1582", () => {
  const uuid = new TimeUuids(new SeededRandom(2)).next({ ms: 0, ns: 0 });
  expect(uuid.slice(0, 18)).toBe("13814000-1dd2-11b2");
});

test("version 1 UUIDs of one maker strictly increase, also when the clock stands still", () => {
  const uuids = new TimeUuids(new SeededRandom(3));
  const order = (uuid: string): string => uuid.slice(15, 18) + uuid.slice(9, 13) + uuid.slice(0, 8);
  let last = "";
  for (let i = 0; i < 25_000; i++) {
    const uuid = uuids.next({ ms: 1_600_000_000_000, ns: 999_900 });
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(order(uuid) > last).toBe(true);
    last = order(uuid);
  }
});

test("the count carries from its low 32 bits into those above", () => {
  const uuids = new TimeUuids(new SeededRandom(4));
  const epoch = 0x01b2_1dd2_1381_4000n;
  const carry = ((epoch >> 32n) + 4_000_000n) << 32n;
  const at = (count: bigint): string => {
    const ticks = count - epoch;
    return uuids.next({ ms: Number(ticks / 10_000n), ns: Number(ticks % 10_000n) * 100 });
  };
  const high = (carry >> 32n).toString(16).padStart(7, "0");
  const before = (BigInt(`0x${high}`) - 1n).toString(16).padStart(7, "0");
  const text = (low: string, upper: string): string =>
    `${low}-${upper.slice(3)}-1${upper.slice(0, 3)}`;
  expect(at(carry - 1n).slice(0, 18)).toBe(text("ffffffff", before));
  expect(at(carry).slice(0, 18)).toBe(text("00000000", high));
  expect(at(carry + 1n).slice(0, 18)).toBe(text("00000001", high));
});
