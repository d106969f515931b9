/** Calls between members with keys: who gets in, what rotation does to open connections, and what is counted. */

import { afterEach, describe, expect, test } from "bun:test";
import { encodeRpcFrame } from "#cluster/rpc/codec.ts";
import { FrameSeal } from "#cluster/rpc/frame-seal.ts";
import { KeyRing } from "#cluster/swim/key-ring.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { encodeFrame, RPC_FRAMES } from "#cluster/transport/frame.ts";
import { Channel, DialledGreeting, type GreetingOptions } from "#cluster/transport/greeting.ts";
import {
  decodeHello,
  encodeHello,
  type Hello,
  memberIdFromBytes,
} from "#cluster/transport/hello.ts";
import { closeAll, Member, raw, until } from "./cluster-on-loopback.ts";

afterEach(closeAll);

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const [k1, k2] = [key(1), key(2)];

/** Answers what it is asked, at both ends. */
function echo(...members: readonly Member[]): void {
  for (const member of members) {
    member.links.handle("echo", (_from, payload) => payload);
    member.links.handle("join", (_from, payload) => payload);
  }
}

test("members with one key call each other, and nothing on the wire is readable", async () => {
  const [a, b] = await Member.pair({ keys: [k1] });
  echo(a, b);
  expect(await a.links.call(b.id, "echo", { x: 1 }, 2000)).toEqual({ x: 1 });
  expect(await b.links.call(a.id, "echo", "ü", 2000)).toBe("ü");
  for (const member of [a, b]) {
    const [use, ...others] = member.links.keyReport().keys;
    expect(others).toEqual([]);
    expect(use).toMatchObject({ seals: true, seenLastMinute: true });
  }
});

test("frames of the largest size, and many at once, arrive whole under the seal", async () => {
  const [a, b] = await Member.pair({ keys: [k1] });
  echo(b);
  const large = "x".repeat(RPC_FRAMES.max - 100);
  expect(await a.links.call(b.id, "echo", large, 20_000)).toBe(large);
  const calls = Array.from({ length: 500 }, (_, i) => a.links.call(b.id, "echo", i, 5000));
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 500 }, (_, i) => i));
}, 30_000);

test("each step of a rotation keeps the connection: no call is lost and the link never drops", async () => {
  const [a, b] = await Member.pair({ keys: [k1] });
  echo(a, b);
  await a.up(b.id);
  for (const keys of [[k1, k2], [k2, k1], [k2]]) {
    for (const member of [a, b]) {
      member.links.setKeys(keys, false);
      expect(await a.links.call(b.id, "echo", 1, 2000)).toBe(1);
      expect(await b.links.call(a.id, "echo", 2, 2000)).toBe(2);
    }
  }
  expect(a.states).toEqual([`${b.id} up`]);
  expect(b.states).toEqual([`${a.id} up`]);
  const [use] = a.links.keyReport().keys;
  expect(use).toMatchObject({ seals: true, seenLastMinute: true });
});

test("a member that sealed with a deleted key is dropped for it, and gets in again with the right one", async () => {
  const warnings: unknown[] = [];
  const onWarning = (message: string, fields: object): void =>
    void warnings.push([message, fields]);
  const [a, b] = await Member.pair({ keys: [k1], onWarning });
  echo(a, b);
  await a.up(b.id);
  await b.up(a.id);
  b.links.setKeys([k2], false);
  await a.links.call(b.id, "echo", 1, 300).catch(() => {});
  await until(() => b.count("rpc_dropped_frame_unknown_key") === 1);
  await until(() => a.states.includes(`${b.id} lost`));
  a.links.setKeys([k2], false);
  await until(() => a.states.at(-1) === `${b.id} up`, 6000);
  expect(await a.links.call(b.id, "echo", 2, 2000)).toBe(2);
  expect(warnings[0]).toMatchObject([
    "rpc dropped for its key",
    { reason: "unknown-key", from: a.id },
  ]);
});

test.each<[string, Uint8Array[], Uint8Array[], string]>([
  ["a plain member at one with keys", [], [k1], "rpc_dropped_hello_plain_with_keys"],
  ["a member with keys at a plain one", [k1], [], "rpc_dropped_hello_sealed_without_keys"],
  ["a member with another key", [k1], [k2], "rpc_dropped_hello_unknown_key"],
  [
    "a member whose own key is unknown, however many are common",
    [k2, k1],
    [k1],
    "rpc_dropped_hello_unknown_key",
  ],
])("%s gets no link, and it is counted", async (_title, firstKeys, keys, counter) => {
  const [a, b] = await Member.pair({ firstKeys, keys });
  await until(() => b.count(counter) > 0);
  expect([...a.states, ...b.states]).toEqual([]);
});

test("warnings about one reason come once a minute, not once a connection", async () => {
  let warnings = 0;
  const onWarning = (): void => void warnings++;
  const [, b] = await Member.pair({ firstKeys: [], keys: [k1], onWarning });
  await until(() => b.count("rpc_dropped_hello_plain_with_keys") >= 3, 6000);
  expect(warnings).toBeLessThanOrEqual(2);
}, 10_000);

describe("switching over", () => {
  test("a member with keys that takes plain talks to one without, and sealed once that has them", async () => {
    const [a, b] = await Member.pair({ firstKeys: [k1], keys: [], acceptPlain: true });
    echo(a, b);
    expect(await a.links.call(b.id, "echo", 1, 2000)).toBe(1);
    expect(a.links.keyReport()).toMatchObject({ acceptPlain: true, plainSeenLastMinute: true });
    b.links.setKeys([k1], true);
    expect(await a.links.call(b.id, "echo", 2, 2000)).toBe(2);
    for (const member of [a, b]) member.links.setKeys([k1], false);
    await until(() => a.count("rpc_connections_closed_keys_changed") === 1);
    await until(() => a.links.counters()["rpc_links_up"] === 1, 6000);
    expect(await a.links.call(b.id, "echo", 3, 2000)).toBe(3);
    expect(b.links.keyReport().keys[0]).toMatchObject({ seenLastMinute: true });
  }, 10_000);
});

describe("joining", () => {
  const join = async (own: Uint8Array[], theirs: Uint8Array[]): Promise<unknown> => {
    const a = await Member.alone(1, "one", { keys: own });
    const b = await Member.alone(2, "two", { keys: theirs });
    echo(b);
    return a.links.callAddress(b.address, "join", 5, 2000).catch((error: Error) => error.message);
  };
  test.each<[string, Uint8Array[], Uint8Array[], unknown]>([
    ["with a common key", [k1], [k1], 5],
    ["with a common key among others", [k1, k2], [k2, k1], 5],
    ["with none at the target", [k1], [], "it has no [cluster] encryption-keys, this member has"],
    [
      "with none at the adder",
      [],
      [k1],
      "it closed the connection while greeting: it may have [cluster] encryption-keys, this member has none",
    ],
    [
      "with different keys",
      [k1],
      [k2],
      "it closed the connection while greeting: it may hold no common key ([cluster] encryption-keys)",
    ],
  ])("%s", async (_title, own, theirs, expected) => {
    expect(await join(own, theirs)).toBe(expected);
  });
});

describe("a stranger at a member with keys", () => {
  const stranger = (clusterId: string): Hello => ({
    versionMin: 1,
    versionMax: 1,
    purpose: "rpc",
    removed: false,
    memberId: memberIdFromBytes(new Uint8Array(16).fill(9)),
    boot: 1n,
    nonce: new Uint8Array(16),
    clusterTag: clusterTag(clusterId),
  });
  const hint = systemCrypto.sha256(k1)[0] ?? 0;
  const claim = (id: string): Uint8Array =>
    encodeFrame(encodeHello({ ...stranger(id), keys: { hint, plainToo: false } }));

  test("that claims a key gets a HELLO and no further: what follows a wrong proof is not read", async () => {
    const [a, b] = await Member.pair({ keys: [k1] });
    await a.up(b.id);
    let called = 0;
    b.links.handle("echo", () => ++called);
    const call = encodeRpcFrame({ kind: "call", call: 1, type: 1, deadlineMs: 100 }, "1");
    const proof = encodeFrame(new Uint8Array([0xc9, 1, ...new Uint8Array(32)]));
    for (const rest of [[proof, call], [call], [encodeFrame(new Uint8Array([0xc9]))]]) {
      const before = b.count("rpc_dropped_hello_bad_seal");
      await raw(b.address, [claim(b.clusterId), ...rest]);
      expect(b.count("rpc_dropped_hello_bad_seal")).toBe(before + 1);
    }
    expect(called).toBe(0);
    expect(b.states).toEqual([`${a.id} up`]);
  });

  test("cannot make it keep more than 4 KiB before the proof", async () => {
    const [, b] = await Member.pair({ keys: [k1] });
    const before = b.count("rpc_bad_frames");
    await raw(b.address, [claim(b.clusterId), new Uint8Array([0, 0, 0x10, 1])]);
    expect(b.count("rpc_bad_frames")).toBe(before + 1);
  });

  test("cannot use a recorded conversation again, even its proof", async () => {
    const [a, b] = await Member.pair({ keys: [k1] });
    await a.up(b.id);
    const ring = new KeyRing(systemCrypto);
    ring.set([k1], false);
    const options: GreetingOptions = {
      crypto: systemCrypto,
      ring,
      label: "rpc 1",
      clusterId: b.clusterId,
    };
    const greeting = new DialledGreeting(options, stranger(b.clusterId));
    // An honest first flight, and the proof that answers another HELLO of the same member.
    const other = await helloOf(b.address, encodeFrame(greeting.hello));
    const met = greeting.meet(decodeHello(other), other);
    if (typeof met === "string" || met.proof === undefined) throw new Error("not greeted");
    const before = b.count("rpc_dropped_hello_bad_seal");
    await raw(b.address, [encodeFrame(greeting.hello), encodeFrame(met.proof)]);
    expect(b.count("rpc_dropped_hello_bad_seal")).toBe(before + 1);
  });
});

/** The body of the first frame that an address answers. */
async function helloOf(address: string, hello: Uint8Array): Promise<Uint8Array> {
  const [hostname = "", port = ""] = address.split(":");
  const answer = Promise.withResolvers<Uint8Array>();
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: { data: (_socket, chunk) => answer.resolve(chunk.slice(4)), close() {} },
  });
  socket.write(hello);
  const body = await answer.promise;
  socket.end();
  return body;
}

describe("the seal of frames", () => {
  const pair = (): readonly [FrameSeal, FrameSeal] => {
    const ring = new KeyRing(systemCrypto);
    ring.set([k1], false);
    const channel = (role: number): Channel =>
      new Channel(systemCrypto, new Uint8Array(1), new Uint8Array([role]));
    const direction = { sealing: channel(0), opening: channel(1) };
    const seal = { crypto: systemCrypto, ring, clusterId: "c", now: () => 0 };
    return [
      new FrameSeal({ ...seal, channels: direction }),
      new FrameSeal({
        ...seal,
        channels: { sealing: direction.opening, opening: direction.sealing },
      }),
    ];
  };

  test("frames open in their order only, once, in their direction, and not when changed", () => {
    const sealed = (from: FrameSeal, text: string): Uint8Array =>
      from.seal(encodeFrame(new TextEncoder().encode(text)))?.subarray(4) ?? new Uint8Array(0);
    const open = (to: FrameSeal, body: Uint8Array): string => {
      const plain = to.open(body);
      return typeof plain === "string" ? plain : new TextDecoder().decode(plain);
    };
    const [a, b] = pair();
    const [one, two] = [sealed(a, "one"), sealed(a, "two")];
    expect(open(b, one)).toBe("one");
    expect(open(b, two)).toBe("two");
    expect(open(pair()[1], two)).toBe("bad-seal");
    expect(open(b, two)).toBe("bad-seal");
    expect(open(pair()[0], one)).toBe("bad-seal");
    for (let bit = 8; bit < one.length * 8; bit++) {
      const copy = one.slice();
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open(pair()[1], copy)).toBe("bad-seal");
    }
    const other = one.slice();
    other[0] = ((other[0] ?? 0) + 1) & 255;
    expect(open(pair()[1], other)).toBe("unknown-key");
  });
});
