import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { WireError } from "#cluster/ports.ts";
import { encodeFrame, FrameCutter, GOSSIP_FRAMES, RPC_FRAMES } from "#cluster/transport/frame.ts";

const collect = (cutter: FrameCutter, chunks: readonly Uint8Array[]): Uint8Array[] => {
  const out: Uint8Array[] = [];
  for (const chunk of chunks) cutter.push(chunk, (body) => out.push(body.slice()));
  return out;
};

const prefix = (length: number): Uint8Array => {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, length);
  return out;
};

test("a frame is its length in four big-endian bytes and its body", () => {
  expect(Buffer.from(encodeFrame(new Uint8Array([7, 8]))).toString("hex")).toBe("000000020708");
});

test("bodies come out whole and in order, however the stream is cut", () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5000 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(bodies, cuts, (sent, sizes) => {
      const stream = Buffer.concat(sent.map(encodeFrame));
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      const cutter = new FrameCutter({ firstMax: 5000, max: 5000 });
      expect(collect(cutter, chunks).map(hex)).toEqual(sent.map(hex));
      expect(cutter.pendingBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe.each([
  ["gossip", GOSSIP_FRAMES, 8 * 1024 * 1024],
  ["rpc", RPC_FRAMES, 32 * 1024 * 1024],
] as const)("limits of %s", (_name, limits, max) => {
  const first = encodeFrame(new Uint8Array(4096));

  test.each([
    ["a first frame of 4 KiB passes", [first], true],
    ["a first frame of one byte more does not", [prefix(4097)], false],
    ["a later frame of the limit passes", [first, prefix(max)], true],
    ["a later frame of one byte more does not", [first, prefix(max + 1)], false],
    ["an empty frame does not", [prefix(0)], false],
    ["the largest length there is does not", [first, prefix(0xffffffff)], false],
  ])("%s", (_title, chunks, passes) => {
    const cutter = new FrameCutter(limits);
    const run = (): void => {
      for (const chunk of chunks) cutter.push(chunk, () => cutter.trust());
    };
    if (passes) expect(run).not.toThrow();
    else expect(run).toThrow(WireError);
  });
});

test("an announced length costs nothing until bytes arrive", () => {
  const cutter = new FrameCutter(RPC_FRAMES);
  cutter.trust();
  collect(cutter, [encodeFrame(new Uint8Array(1)), prefix(RPC_FRAMES.max)]);
  expect(cutter.pendingBytes).toBe(4);
});

test("the bound of the first frame holds until the peer is trusted, whatever came before", () => {
  const cutter = new FrameCutter(GOSSIP_FRAMES);
  const small = encodeFrame(new Uint8Array(10));
  expect(collect(cutter, [small, small]).length).toBe(2);
  expect(() => collect(cutter, [prefix(4097)])).toThrow(WireError);
});

test("after an error the stream stays refused", () => {
  const cutter = new FrameCutter(GOSSIP_FRAMES);
  expect(() => collect(cutter, [prefix(0)])).toThrow("empty frame");
  expect(() => collect(cutter, [encodeFrame(new Uint8Array(1))])).toThrow("empty frame");
});
