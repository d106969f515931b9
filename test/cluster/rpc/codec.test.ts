import { expect, test } from "bun:test";
import fc from "fast-check";
import { WireError } from "#cluster/ports.ts";
import {
  decodeDoneCalls,
  decodePayload,
  decodeRpcFrame,
  EncodedPayload,
  encodeDoneFrame,
  encodePayload,
  encodeRpcFrame,
  type RpcFrameKind,
} from "#cluster/rpc/codec.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each([
  ["call", "0000000d010000000500070000138868 69"],
  ["answer", "0000000d020000000500070000138868 69"],
  ["refusal", "0000000d030000000500070000138868 69"],
  ["one-way", "0000000d040000000500070000138868 69"],
  ["cancel", "0000000d050000000500070000138868 69"],
  ["ping", "0000000d060000000500070000138868 69"],
  ["pong", "0000000d070000000500070000138868 69"],
  ["done", "0000000d080000000500070000138868 69"],
] as const)("the bytes of a %s do not change", (kind: RpcFrameKind, expected) => {
  const frame = encodeRpcFrame({ kind, call: 5, type: 7, deadlineMs: 5000 }, "hi");
  expect(Buffer.from(frame).toString("hex")).toBe(expected.replace(" ", ""));
  const back = decodeRpcFrame(frame.subarray(4));
  expect(back).toMatchObject({ kind, call: 5, type: 7, deadlineMs: 5000 });
  expect(new TextDecoder().decode(back.payload)).toBe("hi");
});

test.each([
  ["short", new Uint8Array(10)],
  ["of kind 0", new Uint8Array(11)],
  ["of kind 9", new Uint8Array(11).fill(9)],
])("a frame %s is refused", (_title, body) => {
  expect(() => decodeRpcFrame(body)).toThrow(WireError);
});

test("the calls that a done frame answers survive the wire", () => {
  const frame = encodeDoneFrame([1, 0xffffffff, 7]);
  expect(Buffer.from(frame).toString("hex")).toBe(
    "00000017 08 00000000 0000 00000000 00000001ffffffff00000007".replaceAll(" ", ""),
  );
  expect(decodeDoneCalls(decodeRpcFrame(frame.subarray(4)).payload)).toEqual([1, 0xffffffff, 7]);
  expect(() => decodeDoneCalls(new Uint8Array(5))).toThrow(WireError);
});

test("payloads survive the wire, big integers with every digit", () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const value: unknown = JSON.parse(json);
      expect(encodePayload(decodePayload(bytes(encodePayload(value)), false))).toBe(
        encodePayload(value),
      );
    }),
  );
  const text = encodePayload({ big: 12345678901234567890n });
  expect(decodePayload(bytes(text), true)).toEqual({ big: 12345678901234567890n });
});

test.each([
  ["not JSON", bytes("{")],
  ["not UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
])("a payload that is %s is refused", (_title, payload) => {
  expect(() => decodePayload(payload, false)).toThrow(WireError);
  expect(() => decodePayload(payload, true)).toThrow(WireError);
});

test("a payload for several members is encoded once, when it is first asked for", () => {
  let times = 0;
  const payload = new EncodedPayload({
    toJSON() {
      times++;
      return ["said"];
    },
  });
  expect(times).toBe(0);
  expect([encodePayload(payload), encodePayload(payload)]).toEqual(['["said"]', '["said"]']);
  expect(times).toBe(1);
});

test("bytes that are not UTF-8 do not spoil the next payload", () => {
  expect(() => decodePayload(new Uint8Array([0x22, 0xe2, 0x82]), false)).toThrow(WireError);
  expect(decodePayload(bytes('"ä"'), false)).toBe("ä");
});

test("what JSON cannot say is refused before it is sent", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  expect(() => encodePayload(loop)).toThrow(WireError);
});
