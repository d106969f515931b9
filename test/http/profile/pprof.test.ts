/** The bytes of profiles, read back by a small reader of protocol buffers written for these tests. */

import { describe, expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { type CpuProfile, profileOf } from "#http/profile/cpu-profile.ts";
import { encodePprof, type Profile } from "#http/profile/pprof.ts";

type Field = readonly [field: number, value: bigint | Uint8Array];

function varintAt(bytes: Uint8Array, at: number): readonly [bigint, number] {
  let value = 0n;
  for (let i = at; ; i++) {
    const byte = bytes[i];
    if (byte === undefined) throw new Error("the message ends within a number");
    value |= BigInt(byte & 127) << BigInt(7 * (i - at));
    if (byte < 128) return [value, i + 1];
  }
}

function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag, next] = varintAt(bytes, at);
    const [number, end] = varintAt(bytes, next);
    const field = Number(tag >> 3n);
    if ((tag & 7n) === 0n) {
      fields.push([field, number]);
      at = end;
    } else {
      const close = end + Number(number);
      if (close > bytes.length) throw new Error("the message ends within a field");
      fields.push([field, bytes.subarray(end, close)]);
      at = close;
    }
  }
  return fields;
}

const messages = (fields: readonly Field[], wanted: number): Field[][] =>
  fields
    .filter(([field]) => field === wanted)
    .map(([, value]) => fieldsOf(value instanceof Uint8Array ? value : new Uint8Array()));

const number = (fields: readonly Field[], wanted: number): number =>
  Number(fields.find(([field]) => field === wanted)?.[1] ?? 0);

function packed(fields: readonly Field[], wanted: number): number[] {
  const block = fields.find(([field]) => field === wanted)?.[1];
  const numbers: number[] = [];
  if (!(block instanceof Uint8Array)) return numbers;
  for (let at = 0; at < block.length; ) {
    const [value, next] = varintAt(block, at);
    numbers.push(Number(value));
    at = next;
  }
  return numbers;
}

/** What a reader of profiles would show. */
function read(bytes: Uint8Array) {
  const fields = fieldsOf(gunzipSync(bytes));
  const texts = fields
    .filter(([field]) => field === 6)
    .map(([, value]) => new TextDecoder().decode(value instanceof Uint8Array ? value : undefined));
  const text = (index: number): string => texts[index] ?? "(none)";
  const functions = new Map(messages(fields, 5).map((each) => [number(each, 1), each]));
  const locations = new Map(messages(fields, 4).map((each) => [number(each, 1), each]));
  const frame = (id: number): string => {
    const [line = []] = messages(locations.get(id) ?? [], 4);
    const named = functions.get(number(line, 1)) ?? [];
    return `${text(number(named, 2))} ${text(number(named, 4))}:${number(line, 2)}`;
  };
  const typeOf = (each: readonly Field[]): string =>
    `${text(number(each, 1))} ${text(number(each, 2))}`;
  return {
    first: texts[0],
    types: messages(fields, 1).map(typeOf),
    samples: messages(fields, 2).map((each) => [packed(each, 1).map(frame), packed(each, 2)]),
    timeNs: fields.find(([field]) => field === 9)?.[1],
    durationNs: number(fields, 10),
    periodType: messages(fields, 11).map(typeOf),
    period: number(fields, 12),
    comments: packed(fields, 13).map(text),
    counts: [functions.size, locations.size],
  };
}

const node = (id: number, functionName: string, lineNumber: number, url = "../src/a.ts") => ({
  id,
  callFrame: { functionName, url, lineNumber },
});
const ROOT = node(1, "(root)", -1, "");

const options = { intervalUs: 1000, startMs: 1_600_000_000_000 };

describe("a CPU profile", () => {
  const cpu: CpuProfile = {
    nodes: [
      { ...ROOT, children: [2, 4] },
      { ...node(2, "main", 0), children: [3], hitCount: 1, positionTicks: [{ line: 3, ticks: 1 }] },
      {
        ...node(3, "", 9),
        hitCount: 5,
        positionTicks: [
          { line: 11, ticks: 3 },
          { line: 12, ticks: 1 },
        ],
      },
      { ...node(4, "native", -1, ""), hitCount: 2 },
      { ...node(5, "lost", 1, "file:///x/b.ts"), hitCount: 1 },
    ],
    startTime: 5_000_000,
    endTime: 5_250_000,
  };

  test("comes out as stacks with the innermost call first, by line", () => {
    expect(read(encodePprof(profileOf(cpu, options)))).toEqual({
      first: "",
      types: ["samples count", "cpu nanoseconds"],
      samples: [
        [["main src/a.ts:3"], [1, 1_000_000]],
        [
          ["(anonymous) src/a.ts:11", "main src/a.ts:1"],
          [3, 3_000_000],
        ],
        [
          ["(anonymous) src/a.ts:12", "main src/a.ts:1"],
          [1, 1_000_000],
        ],
        [
          ["(anonymous) src/a.ts:10", "main src/a.ts:1"],
          [1, 1_000_000],
        ],
        [["native :0"], [2, 2_000_000]],
        [["lost /x/b.ts:2"], [1, 1_000_000]],
      ],
      timeNs: 1_600_000_000_000_000_000n,
      durationNs: 250_000_000,
      periodType: ["cpu nanoseconds"],
      period: 1_000_000,
      comments: [],
      counts: [4, 7],
    });
  });

  test("in which calls form a ring ends", () => {
    const nodes = [
      { ...node(1, "a", 0), children: [2], hitCount: 1 },
      { ...node(2, "b", 0), children: [1] },
    ];
    const [sample] = profileOf({ nodes, startTime: 0, endTime: 1 }, options).samples;
    expect(sample?.stack.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("of nothing has no samples", () => {
    const profile = profileOf({ nodes: [ROOT], startTime: 0, endTime: 0 }, options);
    expect(read(encodePprof(profile)).samples).toEqual([]);
  });
});

test("numbers beyond 32 bits, long texts, comments and many samples survive", () => {
  const name = "é".repeat(200);
  const stack = [{ name, file: "", line: 0 }];
  const profile: Profile = {
    types: [{ type: "inuse_objects", unit: "count" }],
    samples: Array.from({ length: 70_000 }, (_, i) => ({ stack, values: [2 ** 40 + i] })),
    startMs: 0,
    durationMs: 0,
    comments: ["bytes in use: 5", ""],
  };
  const found = read(encodePprof(profile));
  expect(found.samples.length).toBe(70_000);
  expect(found.samples.at(-1)).toEqual([[`${name} :0`], [2 ** 40 + 69_999]]);
  expect([found.period, found.periodType, found.comments]).toEqual([
    0,
    [],
    ["bytes in use: 5", ""],
  ]);
});
