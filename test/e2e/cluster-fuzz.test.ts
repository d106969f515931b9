/**
 * Random and mutated bytes at a member's gossip and RPC ports, on real processes, with and without keys.
 *
 * About 10,000 datagrams and frames a second for 3 s (KAPACITOR_TEST_FULL=1: 60 s). The member must live, its view and
 * memory must stay, and everything that arrived must be found in exactly one counter of drops.
 */

import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ByteWriter } from "#cluster/messages/bytes.ts";
import { IdTable } from "#cluster/messages/member-id.ts";
import { type GossipRecord, writeRecord } from "#cluster/messages/registry.ts";
import type { MemberId } from "#cluster/ports.ts";
import { encodeRpcFrame } from "#cluster/rpc/codec.ts";
import { PacketCodec } from "#cluster/swim/packet.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";
import { encodeFrame } from "#cluster/transport/frame.ts";
import { encodeHello, HELLO_PURPOSES, type HelloPurpose } from "#cluster/transport/hello.ts";
import { SeededRandom } from "#lib/random.ts";
import { statistics, TestCluster } from "../../scripts/cluster-lab.ts";
import { type Member, until } from "../../scripts/lab.ts";

const FULL = process.env["KAPACITOR_TEST_FULL"] === "1";
const SECONDS = FULL ? 60 : 3;
/** Together 10,000; a connection carries ten frames on average. */
const DATAGRAMS_PER_SECOND = 6_000;
const FRAMES_PER_SECOND = 4_000;
/** One burst per tick fits any receive buffer. */
const BURST = 40;
const WORKERS_PER_PORT = 3;
/** What a member may grow by under fire after a second of warming up, MB: garbage that is not collected yet. */
const GROWTH_MB_MAX = 48;

const key = new Uint8Array(32).fill(1);
const wrongKey = new Uint8Array(32).fill(2);

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

type Counters = Readonly<Record<string, number>>;

async function counters(member: Member): Promise<{ gossip: Counters; rpc: Counters }> {
  return { gossip: await statistics(member, "gossip"), rpc: await statistics(member, "rpc") };
}

function risen(before: Counters, after: Counters, names: RegExp): number {
  let sum = 0;
  for (const [name, value] of Object.entries(after)) {
    if (names.test(name)) sum += value - (before[name] ?? 0);
  }
  return sum;
}

/** Drops of datagrams, of whole connections at the gossip port, and at the RPC port. */
const DATAGRAM_DROPS = /^dropped-(?!frame-|hello-|malformed)/;
const GOSSIP_ENDS =
  /^(dropped-(frame|hello)-|connections-(ended|ended-before-hello|hello-timeout|idle|refused-full)$)/;
const RPC_ENDS =
  /^rpc_(bad_frames|dropped_frame_bad_seal|dropped_frame_unknown_key|closed|closed_before_greeting|connections_let_go|hello_timeouts|silent_connections|connections_refused_full)$/;

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** Datagrams that the kernel threw away because the member did not read in time. */
function kernelDrops(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/net/udp", "utf8")
    .split("\n")
    .find((one) => one.includes(`0100007F:${hex} `));
  return Number(line?.trim().split(/\s+/).at(-1));
}

/** Makes hostile bytes from honest ones. */
class Forge {
  readonly random = new SeededRandom(77);
  readonly #packets: readonly Uint8Array[];
  readonly #hellos: readonly Uint8Array[];
  readonly #calls: readonly Uint8Array[];

  constructor(clusterId: string, known: readonly MemberId[]) {
    const stranger = "0b1c5e0e-7a1e-4b53-9a2e-2b8b7a3c1d11" as MemberId;
    const senders = [...known, stranger];
    const codecs = [[], [key], [wrongKey]].flatMap((keys) =>
      senders.map((id) => packetCodec(clusterId, id, keys)),
    );
    const [target = stranger] = known;
    const ping = { kind: "ping", seq: 1, target, hashHigh: 1, hashLow: 2 } as const;
    const version = { epoch: 1, incarnation: 9 };
    const dead = {
      kind: "dead",
      version,
      id: target,
      accuser: stranger,
      reason: "refused",
    } as const;
    const removed = { kind: "removed", epoch: 1, id: target, remover: stranger } as const;
    this.#packets = codecs.flatMap((codec) => [
      packet(codec, [ping]),
      packet(codec, [ping, dead]),
      packet(codec, [dead, removed]),
      packet(codec, [{ kind: "pad", size: 1_200 }]),
    ]);
    this.#hellos = HELLO_PURPOSES.flatMap((purpose) => [
      this.#hello(clusterId, stranger, purpose, false),
      this.#hello(clusterId, stranger, purpose, true),
    ]);
    this.#calls = [
      encodeRpcFrame({ kind: "call", call: 1, type: 60_000, deadlineMs: 9 }, '{"a":1}').subarray(4),
      encodeRpcFrame({ kind: "answer", call: 7, type: 0, deadlineMs: 0 }, "1").subarray(4),
      encodeRpcFrame({ kind: "one-way", call: 0, type: 60_001, deadlineMs: 0 }, "[]").subarray(4),
    ];
  }

  /** Never one that is whole: a plain member would have to believe it. */
  datagram(): Uint8Array {
    const { random } = this;
    if (random.below(3) === 0) return random.bytes(1 + random.below(1_500));
    return this.#mutated(this.#pick(this.#packets));
  }

  /** What a connection says: mostly a HELLO, then frames, some cut. Returns the number of frames too. */
  speech(rpc: boolean): { readonly bytes: Uint8Array; readonly frames: number } {
    const { random } = this;
    const hello = this.#pick(this.#hellos);
    const first = random.below(3) === 0 ? this.#mutated(hello) : hello;
    const frames = random.below(8) === 0 ? [] : [encodeFrame(first)];
    for (let left = random.below(20); left > 0; left--) frames.push(this.#frame(rpc));
    if (random.below(4) === 0) frames.push(random.bytes(1 + random.below(40)));
    const bytes = Buffer.concat(frames);
    return { bytes: bytes.length === 0 ? random.bytes(4) : bytes, frames: frames.length };
  }

  #frame(rpc: boolean): Uint8Array {
    const { random } = this;
    switch (random.below(4)) {
      case 0:
        return encodeFrame(random.bytes(1 + random.below(300)));
      case 1:
        return rpc ? encodeFrame(this.#pick(this.#calls)) : encodeFrame(this.datagram());
      case 2:
        return Buffer.concat([new Uint8Array([random.below(4), 0, 0]), random.bytes(60)]);
      default:
        return encodeFrame(
          this.#mutated(rpc ? this.#pick(this.#calls) : this.#pick(this.#packets)),
        );
    }
  }

  #hello(clusterId: string, memberId: MemberId, purpose: HelloPurpose, keys: boolean): Uint8Array {
    const clear = {
      versionMin: 1,
      versionMax: 1,
      purpose,
      removed: false,
      memberId,
      boot: 5n,
      nonce: this.random.bytes(16),
      clusterTag: purpose === "join" ? new Uint8Array(8) : clusterTag(clusterId),
    };
    const hint = systemCrypto.sha256(key)[0] ?? 0;
    return encodeHello(keys ? { ...clear, keys: { hint, plainToo: false } } : clear);
  }

  #mutated(bytes: Uint8Array): Uint8Array {
    const { random } = this;
    const copy = bytes.slice(0, random.below(8) === 0 ? 1 + random.below(bytes.length) : undefined);
    for (let i = random.below(4); i > 0; i--) copy[random.below(copy.length)] = random.u32() & 255;
    const at = random.below(copy.length);
    copy[at] = (bytes[at] ?? 0) ^ (1 + random.below(255));
    return copy;
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.random.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }
}

function packetCodec(clusterId: string, id: MemberId, keys: readonly Uint8Array[]): PacketCodec {
  const identity = { clusterId, clusterTag: clusterTag(clusterId), id, boot: 1n << 62n };
  const codec = new PacketCodec(systemCrypto, new IdTable(), identity);
  codec.setKeys(keys, false);
  return codec;
}

function packet(codec: PacketCodec, records: readonly GossipRecord[]): Uint8Array {
  const writer = new ByteWriter(2_000);
  codec.begin(writer, 1);
  for (const record of records) writeRecord(writer, record, new IdTable());
  return codec.finish(writer);
}

interface Sent {
  datagrams: number;
  gossipConnections: number;
  rpcConnections: number;
  frames: number;
}

/** Fires at one member for so long. */
async function fire(target: Member, forge: Forge, seconds: number): Promise<Sent> {
  const sent: Sent = { datagrams: 0, gossipConnections: 0, rpcConnections: 0, frames: 0 };
  const from = performance.now();
  const end = from + seconds * 1000;
  const ahead = (): boolean =>
    sent.frames > ((performance.now() - from) / 1000) * FRAMES_PER_SECOND;
  const connections = async (rpc: boolean): Promise<void> => {
    while (performance.now() < end) {
      if (ahead()) {
        await Bun.sleep(1);
        continue;
      }
      const { bytes, frames } = forge.speech(rpc);
      if (!(await say(target, rpc, bytes))) continue;
      sent.frames += frames;
      if (rpc) sent.rpcConnections++;
      else sent.gossipConnections++;
    }
  };
  const workers = Array.from({ length: WORKERS_PER_PORT }, () => [
    connections(false),
    connections(true),
  ]);
  await Promise.all([datagrams(target, forge, end, sent), ...workers.flat()]);
  return sent;
}

async function datagrams(target: Member, forge: Forge, end: number, sent: Sent): Promise<void> {
  const socket = await Bun.udpSocket({ hostname: target.host, port: 0, socket: { error() {} } });
  const from = performance.now();
  let owed = 0;
  while (performance.now() < end) {
    owed = ((performance.now() - from) / 1000) * DATAGRAMS_PER_SECOND - sent.datagrams;
    for (let left = Math.min(BURST, owed); left >= 1; left--) {
      if (socket.send(forge.datagram(), target.gossipPort, target.host)) sent.datagrams++;
    }
    await Bun.sleep(1);
  }
  socket.close();
}

/** One connection: says it all and waits until it is thrown out, or leaves. False when it was not even let in. */
async function say(target: Member, rpc: boolean, bytes: Uint8Array): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let opened = false;
  const socket = await Bun.connect({
    hostname: target.host,
    port: rpc ? target.rpcPort : target.gossipPort,
    socket: {
      open(one) {
        opened = true;
        one.write(bytes);
      },
      data() {},
      close: () => resolve(),
      error: () => resolve(),
      connectError: () => resolve(),
    },
  }).catch(() => undefined);
  if (socket === undefined) return false;
  const leave = setTimeout(() => {
    socket.end();
    resolve();
  }, 10);
  await promise;
  clearTimeout(leave);
  return opened;
}

test.each([
  ["without keys", ""],
  ["with keys", `encryption-keys = ["${Buffer.from(key).toString("base64")}"]`],
])(
  "any bytes at both ports of a member, %s: it stays as it is and counts every drop",
  async (_name, lines) => {
    const lab = await TestCluster.open({ members: 2, cluster: lines });
    cluster = lab;
    const target = lab.at(0).process;
    const view = await lab.view(lab.at(0));
    const forge = new Forge(
      view.id,
      view.members.map(({ id }) => id as MemberId),
    );
    await fire(target, forge, 1);
    await Bun.sleep(200);
    const before = await counters(target);
    const memory = residentMb(target.pid);
    const lostBefore = kernelDrops(target.gossipPort);
    const sent = await fire(target, forge, SECONDS);

    let after = await counters(target);
    const dropped = (): number => risen(before.gossip, after.gossip, DATAGRAM_DROPS);
    const lost = (): number => kernelDrops(target.gossipPort) - lostBefore;
    const ends = (): readonly [number, number] => [
      risen(before.gossip, after.gossip, GOSSIP_ENDS),
      risen(before.rpc, after.rpc, RPC_ENDS),
    ];
    await until("everything that arrived is counted", 10_000, async () => {
      after = await counters(target);
      const [gossip, rpc] = ends();
      return (
        dropped() >= sent.datagrams - lost() &&
        gossip >= sent.gossipConnections &&
        rpc >= sent.rpcConnections
      );
    }).catch((error: unknown) => {
      throw new Error(
        `${error}: sent ${JSON.stringify(sent)}, dropped ${dropped()}, lost ${lost()}, ends ${ends()}, ` +
          JSON.stringify(after),
      );
    });
    expect(dropped()).toBeLessThanOrEqual(sent.datagrams);
    const received = risen(before.gossip, after.gossip, /^datagrams-received$/);
    const accepted = risen(before.gossip, after.gossip, /^datagrams-accepted$/);
    expect(received).toBe(accepted + dropped());
    // The other member's own connections may end meanwhile.
    const honest = Math.max(4, SECONDS);
    const [gossipEnds, rpcEnds] = ends();
    expect(gossipEnds - sent.gossipConnections).toBeLessThanOrEqual(honest);
    expect(rpcEnds - sent.rpcConnections).toBeLessThanOrEqual(honest);
    expect(after.gossip["step-errors"] ?? 0).toBe(0);
    expect(await lab.view(lab.at(0))).toMatchObject({ id: view.id, members: view.members });
    expect(await lab.view(lab.at(1))).toMatchObject({ id: view.id, members: view.members });
    const log = readFileSync(target.logPath, "utf8");
    expect(log).not.toContain("status=dead");
    expect(log).not.toContain("lvl=error");
    const growth = residentMb(target.pid) - memory;
    if (FULL) console.log(JSON.stringify({ sent, lost: lost(), memory, growth, after }));
    expect(growth).toBeLessThanOrEqual(GROWTH_MB_MAX);
  },
  (SECONDS + 40) * 1000,
);
