import { expect, test } from "bun:test";
import fc from "fast-check";
import { WireError } from "#cluster/ports.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import {
  bytesToUuid,
  commonVersion,
  decodeHello,
  encodeHello,
  HELLO_PURPOSES,
  type Hello,
  memberIdFromBytes,
  parseMemberId,
  uuidToBytes,
} from "#cluster/transport/hello.ts";

const golden: Hello = {
  versionMin: 1,
  versionMax: 2,
  purpose: "rpc",
  removed: true,
  memberId: memberIdFromBytes(new Uint8Array(16).map((_, i) => i)),
  boot: 0x0102030405060708n,
  nonce: new Uint8Array(16).fill(0xaa),
  clusterTag: new Uint8Array(8).fill(0xbb),
};

const GOLDEN_HEX =
  "c8010102040100000001020304050607" +
  "08090a0b0c0d0e0f0102030405060708" +
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" +
  "bbbbbbbbbbbbbbbb";

test("the layout of HELLO does not change", () => {
  expect(Buffer.from(encodeHello(golden)).toString("hex")).toBe(GOLDEN_HEX);
  expect(decodeHello(Buffer.from(GOLDEN_HEX, "hex"))).toEqual(golden);
});

test("a longer HELLO is read and its end ignored", () => {
  expect(decodeHello(Buffer.from(`${GOLDEN_HEX}ffff`, "hex"))).toEqual(golden);
});

test("every hello survives the wire", () => {
  const bytes = (n: number) => fc.uint8Array({ minLength: n, maxLength: n });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom(...HELLO_PURPOSES),
      fc.boolean(),
      bytes(16),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      bytes(16),
      bytes(8),
      (versionMin, purpose, removed, id, boot, nonce, tag) => {
        const hello = { versionMin, versionMax: 255, purpose, removed, boot, nonce };
        const full: Hello = { ...hello, clusterTag: tag, memberId: memberIdFromBytes(id) };
        expect(decodeHello(encodeHello(full))).toEqual(full);
      },
    ),
  );
});

const patched = (at: number, value: number): Uint8Array => {
  const bytes = Buffer.from(GOLDEN_HEX, "hex");
  bytes[at] = value;
  return bytes;
};

test.each([
  ["too short", Buffer.from(GOLDEN_HEX, "hex").subarray(0, 55)],
  ["wrong magic", patched(0, 0)],
  ["unknown layout", patched(1, 2)],
  ["version zero", patched(2, 0)],
  ["versions the wrong way round", patched(2, 3)],
  ["unknown purpose", patched(4, 5)],
])("%s is refused", (_title, bytes) => {
  expect(() => decodeHello(bytes)).toThrow(WireError);
});

test("any bytes are a hello or a WireError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        decodeHello(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
  );
});

test.each([
  [1, 1, 1, 1, 1],
  [1, 3, 2, 5, 3],
  [1, 2, 3, 4, undefined],
])("versions %i-%i and %i-%i have %p in common", (aMin, aMax, bMin, bMax, expected) => {
  const common = commonVersion(
    { versionMin: aMin, versionMax: aMax },
    { versionMin: bMin, versionMax: bMax },
  );
  expect(common).toBe(expected);
});

test("UUID text and bytes are each other's inverse", () => {
  const text = "0b1c5e0e-7a1e-4b53-9a2e-2b8b7a3c1d11";
  expect(bytesToUuid(uuidToBytes(text))).toBe(text);
  expect(parseMemberId(text.toUpperCase())).toBe(text as never);
  expect(parseMemberId("node-1")).toBeUndefined();
  expect(() => uuidToBytes(`${text}0`)).toThrow(WireError);
});

test("the cluster tag is a fixed hash of the cluster ID", () => {
  const tag = clusterTag("0b1c5e0e-7a1e-4b53-9a2e-2b8b7a3c1d11");
  const again = new Bun.CryptoHasher("sha256")
    .update("cluster0b1c5e0e-7a1e-4b53-9a2e-2b8b7a3c1d11")
    .digest();
  expect(Buffer.from(tag).toString("hex")).toBe(again.subarray(0, 8).toString("hex"));
});
