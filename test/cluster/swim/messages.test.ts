/** Gossip records: bytes that must never change, round trips, sizes, and refusal of everything else. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "#cluster/messages/bytes.ts";
import { formatIp, parseIp, splitHostPort } from "#cluster/messages/ip.ts";
import { IdTable } from "#cluster/messages/member-id.ts";
import { messages, readRecord, writeRecord } from "#cluster/messages/registry.ts";
import { type MemberId, WireError } from "#cluster/ports.ts";
import { memberA, profileA, samples } from "./sample-records.ts";

const golden: Record<string, string> = JSON.parse(
  readFileSync(join(import.meta.dir, "../../golden/cluster/gossip-records.json"), "utf8"),
);

function encode(record: (typeof samples)[number][1]): Uint8Array {
  const writer = new ByteWriter(16);
  writeRecord(writer, record, new IdTable());
  return writer.copy();
}

test("wire numbers are 1, 2, 3 … in the order of the registry", () => {
  expect(messages.map(({ number }) => number)).toEqual(messages.map((_, i) => i + 1));
});

test("every kind has golden bytes", () => {
  const kinds = new Set(samples.map(([, record]) => record.kind));
  expect([...kinds].sort()).toEqual(messages.map(({ kind }) => kind).sort());
  expect(Object.keys(golden).sort()).toEqual(samples.map(([name]) => name).sort());
});

test.each(samples)("%s has its golden bytes and reads back equal", (name, record) => {
  const bytes = encode(record);
  expect(Buffer.from(bytes).toString("hex")).toBe(golden[name] ?? "");
  for (const ids of [new IdTable(), knowing(memberA)]) {
    const reader = new ByteReader(bytes);
    expect(readRecord(reader, ids)).toEqual(record);
    expect(reader.left).toBe(0);
  }
});

test.each(samples)("%s cut anywhere is a WireError", (_name, record) => {
  const bytes = encode(record);
  for (let end = 0; end < bytes.length; end++) {
    expect(() => readRecord(new ByteReader(bytes, 0, end), new IdTable())).toThrow(WireError);
  }
});

test("an unknown type is skipped", () => {
  const reader = new ByteReader(new Uint8Array([200, 0, 2, 1, 2, 2]));
  expect(readRecord(reader, new IdTable())).toBeUndefined();
  expect(reader.left).toBe(1);
});

test("random bytes never give anything but a record or a WireError", () => {
  const ids = knowing(memberA);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      bytes[0] = 1 + ((bytes[0] ?? 0) % 14);
      bytes[1] = 0;
      try {
        readRecord(new ByteReader(bytes), ids);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    }),
    { numRuns: 3_000 },
  );
});

test("quiet sizes are those of the specification", () => {
  const sizes = Object.fromEntries(samples.map(([name, r]) => [name, encode(r).length]));
  // Header and seal add 60: a ping is 91 bytes, an ack 75.
  expect([sizes["ping"], sizes["ack"]]).toEqual([31, 15]);
  expect(sizes["suspect"]).toBeLessThanOrEqual(45);
  expect(sizes["alive"]).toBeLessThanOrEqual(120);
});

test("link-local addresses are refused", () => {
  for (const host of ["169.254.1.1", "fe80::1"]) {
    const profile = { ...profileA, gossip: { host, port: 1 }, gossipText: "" };
    const bytes = encode({ kind: "alive", version: { epoch: 1, incarnation: 1 }, profile });
    expect(() => readRecord(new ByteReader(bytes), new IdTable())).toThrow("link-local");
  }
});

describe("addresses", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["FE80:0:0::1", "fe80::1"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["64:ff9b::10.1.2.3", "64:ff9b::a01:203"],
  ])("%s is %s", (text, canonical) => {
    const bytes = parseIp(text);
    expect(bytes && formatIp(bytes)).toBe(canonical);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1::2::3",
    "1:2:3",
    "g::1",
    "host",
    "1:2:3:4:5:6:7:8:9",
  ])("%j is no literal address", (text) => expect(parseIp(text)).toBeUndefined());

  test("formatting and parsing agree for any 16 bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const mapped = bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 255;
        if (mapped) return;
        expect(parseIp(formatIp(bytes))).toEqual(bytes);
      }),
    );
  });

  test.each([
    ["host:1", "host", 1],
    ["[::1]:65535", "::1", 65535],
    [":9090", "", 9090],
  ])("%s splits", (text, host, port) => expect(splitHostPort(text)).toEqual({ host, port }));

  test.each(["host", "host:", "host:65536", "::1:90", "a b:1", "[::1]"])("%j does not", (text) =>
    expect(splitHostPort(text)).toBeUndefined(),
  );
});

function knowing(id: MemberId): IdTable {
  const ids = new IdTable();
  ids.learn(id);
  return ids;
}
