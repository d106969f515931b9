/** The opening of sealed connections: golden bytes with fixed nonces, who agrees with whom, and wrong proofs. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ByteWriter } from "#cluster/messages/bytes.ts";
import { IdTable } from "#cluster/messages/member-id.ts";
import { encodeRpcFrame } from "#cluster/rpc/codec.ts";
import { FrameSeal } from "#cluster/rpc/frame-seal.ts";
import { joinReports, KEY_USE_MS, KeyRing } from "#cluster/swim/key-ring.ts";
import { KeyWarnings, WARN_EVERY_MS } from "#cluster/swim/key-warnings.ts";
import { PacketCodec } from "#cluster/swim/packet.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import {
  AcceptedGreeting,
  type ChannelLabel,
  type Channels,
  DialledGreeting,
  type Greeted,
  type GreetingOptions,
} from "#cluster/transport/greeting.ts";
import { decodeHello, type Hello, type HelloPurpose } from "#cluster/transport/hello.ts";
import { memberA, memberB } from "../swim/sample-records.ts";

const CLUSTER = "7d0c6b54-5b62-4a1e-9c59-1b86b0f0b001";
const [k1, k2, k3] = [1, 2, 3].map((n) => new Uint8Array(32).fill(n)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

const golden: Record<string, string> = JSON.parse(
  readFileSync(join(import.meta.dir, "../../golden/cluster/sealed.json"), "utf8"),
);

interface Side {
  readonly options: GreetingOptions;
  readonly hello: Hello;
}

function side(
  dials: boolean,
  keys: readonly Uint8Array[],
  more: { label?: ChannelLabel; purpose?: HelloPurpose; acceptPlain?: boolean } = {},
): Side {
  const ring = new KeyRing(systemCrypto);
  ring.set(keys, more.acceptPlain ?? false);
  const { purpose = "sync", label = "tcp 1" } = more;
  const joins = purpose === "join";
  return {
    options: { crypto: systemCrypto, ring, label, clusterId: joins ? "" : CLUSTER },
    hello: {
      versionMin: 1,
      versionMax: 1,
      purpose,
      removed: false,
      memberId: dials ? memberA : memberB,
      boot: dials ? 5n : 6n,
      nonce: new Uint8Array(16).fill(dials ? 0xaa : 0xbb),
      clusterTag: joins ? new Uint8Array(8) : clusterTag(CLUSTER),
    },
  };
}

interface Met {
  readonly flights: readonly Uint8Array[];
  readonly dialler: Greeted;
  readonly acceptor: Greeted;
}

/** Both sides greet each other; the refusal of whoever refuses first. */
function greet(dials: Side, accepts: Side): Met | string {
  const dialled = new DialledGreeting(dials.options, dials.hello);
  const first = dialled.hello;
  const accepted = new AcceptedGreeting(accepts.options, accepts.hello, decodeHello(first), first);
  if (accepted.refusal !== undefined) return `acceptor: ${accepted.refusal}`;
  const { answer } = accepted;
  const dialler = dialled.meet(decodeHello(answer), answer);
  if (typeof dialler === "string") return `dialler: ${dialler}`;
  if (dialler.proof === undefined) {
    return { flights: [first, answer], dialler, acceptor: { channels: undefined, key: undefined } };
  }
  const acceptor = accepted.check(dialler.proof);
  if (typeof acceptor === "string") return `acceptor: ${acceptor}`;
  return { flights: [first, answer, dialler.proof], dialler, acceptor };
}

function sealedPair(label: ChannelLabel, purpose: HelloPurpose): Met {
  const met = greet(side(true, [k1], { label, purpose }), side(false, [k1], { label, purpose }));
  if (typeof met === "string") throw new Error(met);
  return met;
}

function channels({ channels: made }: Greeted): Channels {
  if (made === undefined) throw new Error("plain");
  return made;
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
const BODY = new Uint8Array([1, 2, 3]);

function codec(dials: boolean): PacketCodec {
  const made = new PacketCodec(systemCrypto, new IdTable(), {
    clusterId: CLUSTER,
    clusterTag: clusterTag(CLUSTER),
    id: dials ? memberA : memberB,
    boot: dials ? 5n : 6n,
  });
  made.setKeys([k1], false);
  return made;
}

function packet(dials: boolean, met?: Greeted): Uint8Array {
  const made = codec(dials);
  const writer = new ByteWriter(64);
  made.begin(writer, 7);
  writer.raw(BODY);
  return made.finish(writer, met === undefined ? undefined : channels(met).sealing);
}

function rpcFrame(met: Greeted, clusterId: string, count: number): Uint8Array {
  const { ring } = side(true, [k1]).options;
  const options = { crypto: systemCrypto, ring, channels: channels(met), clusterId, now: () => 0 };
  const seal = new FrameSeal(options);
  const frame = encodeRpcFrame({ kind: "call", call: 5, type: 7, deadlineMs: 5000 }, "hi");
  let sealed: Uint8Array | undefined;
  for (let i = 0; i < count; i++) sealed = seal.seal(frame);
  return sealed ?? new Uint8Array(0);
}

/** Everything sealed, with fixed keys, IDs and nonces. */
function vectors(): Record<string, string> {
  const gossip = sealedPair("tcp 1", "sync");
  const rpc = sealedPair("rpc 1", "rpc");
  const join = sealedPair("rpc 1", "join");
  const flights = (name: string, met: Met): Record<string, string> => ({
    [`${name} dialler's hello`]: hex(met.flights[0]),
    [`${name} acceptor's hello and proof`]: hex(met.flights[1]),
    [`${name} dialler's proof`]: hex(met.flights[2]),
  });
  return {
    datagram: hex(packet(true)),
    ...flights("gossip", gossip),
    "gossip frame of the dialler": hex(packet(true, gossip.dialler)),
    "gossip frame of the acceptor": hex(packet(false, gossip.acceptor)),
    ...flights("rpc", rpc),
    "rpc first frame of the dialler": hex(rpcFrame(rpc.dialler, CLUSTER, 1)),
    "rpc second frame of the dialler": hex(rpcFrame(rpc.dialler, CLUSTER, 2)),
    "rpc first frame of the acceptor": hex(rpcFrame(rpc.acceptor, CLUSTER, 1)),
    ...flights("join", join),
    "join first frame of the dialler": hex(rpcFrame(join.dialler, "", 1)),
  };
}

test("the bytes of everything that is sealed do not change", () => {
  expect(vectors()).toEqual(golden);
});

test("the golden packets open, at the other end only", () => {
  const bytes = (name: string): Uint8Array => Buffer.from(golden[name] ?? "", "hex");
  const gossip = sealedPair("tcp 1", "sync");
  const opened = codec(false).open(bytes("datagram"), 9000);
  expect(opened).toMatchObject({ sender: memberA, boot: 5n, counter: 7 });
  const frame = bytes("gossip frame of the dialler");
  const at = (met: Greeted, way: keyof Channels): unknown =>
    codec(false).openFrame(frame, 9000, channels(met)[way]);
  expect(at(gossip.acceptor, "opening")).toMatchObject({ sender: memberA, counter: 7 });
  expect(at(gossip.acceptor, "sealing")).toBe("bad-seal");
  expect(at(sealedPair("rpc 1", "rpc").acceptor, "opening")).toBe("bad-seal");
});

describe("who agrees with whom", () => {
  const plain = "plain";
  const sealed = "sealed";
  test.each<[string, Uint8Array[], boolean, Uint8Array[], boolean, string]>([
    ["no keys", [], false, [], false, plain],
    ["one common key", [k1], false, [k1], false, sealed],
    ["the steps of a rotation: appended", [k1], false, [k1, k2], false, sealed],
    ["moved to the front", [k1, k2], false, [k2, k1], false, sealed],
    ["the old one deleted", [k2, k1], false, [k2], false, sealed],
    ["another key", [k1], false, [k2], false, "acceptor: unknown-key"],
    [
      "the acceptor seals with one that we lack",
      [k1],
      false,
      [k2, k1],
      false,
      "dialler: unknown-key",
    ],
    ["keys at a plain one", [k1], false, [], false, "acceptor: sealed-without-keys"],
    ["plain at one with keys", [], false, [k1], false, "acceptor: plain-with-keys"],
    ["keys that take plain, at a plain one", [k1], true, [], false, plain],
    ["plain at keys that take it", [], false, [k1], true, plain],
    ["both switching", [k1], true, [k1], true, sealed],
    ["both switching, to different keys", [k1], true, [k2], true, "acceptor: unknown-key"],
  ])("%s", (_title, own, ownPlain, theirs, theirPlain, expected) => {
    const met = greet(
      side(true, own, { acceptPlain: ownPlain }),
      side(false, theirs, { acceptPlain: theirPlain }),
    );
    if (typeof met === "string") expect(met).toBe(expected);
    else expect(met.acceptor.channels === undefined ? plain : sealed).toBe(expected);
    if (typeof met !== "string") {
      expect(met.dialler.channels === undefined).toBe(met.acceptor.channels === undefined);
    }
  });

  test("members of different clusters do not agree, although they share a key", () => {
    const other = side(false, [k1]);
    const met = greet(side(true, [k1]), {
      ...other,
      options: { ...other.options, clusterId: "x" },
    });
    expect(met).toBe("dialler: bad-seal");
  });
});

test("no changed bit of a greeting passes, and no flight of another one", () => {
  const [dials, accepts] = [side(true, [k1]), side(false, [k1])];
  const dialled = new DialledGreeting(dials.options, dials.hello);
  const first = dialled.hello;
  const accepted = new AcceptedGreeting(accepts.options, accepts.hello, decodeHello(first), first);
  const { answer } = accepted;
  const met = dialled.meet(decodeHello(answer), answer);
  if (typeof met === "string" || met.proof === undefined) throw new Error("not greeted");
  const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
    const copy = bytes.slice();
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  };
  for (let bit = 0; bit < answer.length * 8; bit++) {
    const changed = flip(answer, bit);
    let result: unknown;
    try {
      result = dialled.meet(decodeHello(changed), changed);
    } catch {
      result = "no hello";
    }
    expect(typeof result).toBe("string");
  }
  for (let bit = 0; bit < met.proof.length * 8; bit++) {
    expect(accepted.check(flip(met.proof, bit))).toBe("bad-seal");
  }
  expect(accepted.check(answer.subarray(56))).toBe("bad-seal");
  expect(accepted.check(new Uint8Array(0))).toBe("bad-seal");
  expect(typeof accepted.check(met.proof)).toBe("object");
});

describe("the key ring", () => {
  test("a key keeps what is known of it at every place of the list, and loses it with its deletion", () => {
    const ring = new KeyRing(systemCrypto);
    ring.set([k1, k2, k1], false);
    expect(ring.keys.length).toBe(2);
    const [first, second] = ring.keys;
    ring.saw(second, 1_000);
    ring.set([k2, k3], true);
    expect(ring.keys[0]).toBe(second as NonNullable<typeof second>);
    expect(ring.report(1_000).keys.map(({ seals, opened }) => [seals, opened])).toEqual([
      [true, 1],
      [false, 0],
    ]);
    ring.set([k1], false);
    expect(ring.first).not.toBe(first);
  });

  test("a key counts as seen for a minute", () => {
    const ring = new KeyRing(systemCrypto);
    ring.set([k1], false);
    const seen = (now: number): boolean | undefined => ring.report(now).keys[0]?.seenLastMinute;
    expect(seen(0)).toBe(false);
    ring.saw(ring.first, 500);
    expect(seen(500 + KEY_USE_MS - 1)).toBe(true);
    expect(seen(500 + KEY_USE_MS)).toBe(false);
  });

  test("reports are one: seen by either is seen, and fingerprints tell nothing else", () => {
    const [a, b] = [new KeyRing(systemCrypto), new KeyRing(systemCrypto)];
    for (const ring of [a, b]) ring.set([k1, k2], true);
    a.saw(a.keys[0], 0);
    b.saw(b.keys[1], 0);
    b.saw(undefined, 0);
    const report = joinReports(a.report(1), b.report(1));
    expect(report.keys.map(({ seenLastMinute }) => seenLastMinute)).toEqual([true, true]);
    expect(report).toMatchObject({ acceptPlain: true, plainSeenLastMinute: true });
    for (const { fingerprint } of report.keys) expect(fingerprint).toMatch(/^[0-9a-f]{8}$/);
  });
});

test("warnings come at once, then once a minute with what was dropped meanwhile, for keys alone", () => {
  const lines: unknown[] = [];
  const warnings = new KeyWarnings("gossip", (_message, { reason, from, count }) =>
    lines.push([reason, from, count]),
  );
  const from = { host: "fd00::1", port: 9 };
  warnings.dropped("bad-seal", from, 0);
  for (let i = 1; i <= 5; i++) warnings.dropped("bad-seal", from, i);
  warnings.dropped("bad-crc", from, 6);
  warnings.dropped("unknown-key", "someone", 7);
  warnings.dropped("bad-seal", from, WARN_EVERY_MS - 1);
  warnings.dropped("bad-seal", from, WARN_EVERY_MS);
  expect(lines).toEqual([
    ["bad-seal", "[fd00::1]:9", 1],
    ["unknown-key", "someone", 1],
    ["bad-seal", "[fd00::1]:9", 7],
  ]);
});
