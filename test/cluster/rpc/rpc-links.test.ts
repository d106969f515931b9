import { afterEach, expect, test } from "bun:test";
import { encodeRpcFrame, PATIENT } from "#cluster/rpc/codec.ts";
import { FRAME_SEAL_BYTES } from "#cluster/rpc/frame-seal.ts";
import { IN_FLIGHT_MAX, PATIENT_MAX, WAITING_MAX } from "#cluster/rpc/limits.ts";
import { RpcError } from "#cluster/rpc/rpc-error.ts";
import { clusterTag } from "#cluster/transport/cluster-tag.ts";
import { encodeFrame, FRAME_PREFIX, RPC_FRAMES } from "#cluster/transport/frame.ts";
import { encodeHello, memberIdFromBytes, PROTOCOL_MAX } from "#cluster/transport/hello.ts";
import { closeAll, Member, memberId, raw, until } from "./cluster-on-loopback.ts";

afterEach(closeAll);

test("a call is answered, and both sides see one link come up", async () => {
  const [a, b] = await Member.pair();
  b.links.handle("echo", (from, payload) => ({ from, payload }));
  a.links.handle("echo", (from, payload) => ({ from, payload }));
  expect(await a.links.call(b.id, "echo", { x: 1 }, 2000)).toEqual({
    from: a.id,
    payload: { x: 1 },
  });
  expect(await b.links.call(a.id, "echo", "ü", 2000)).toEqual({ from: b.id, payload: "ü" });
  await until(() => a.count("rpc_connections") === 1 && b.count("rpc_connections") === 1);
  expect(a.states).toEqual([`${b.id} up`]);
  expect(b.states).toEqual([`${a.id} up`]);
});

test("when both dial at once, one connection survives and no call is lost", async () => {
  const [a, b] = await Member.pair({ follow: false });
  for (const member of [a, b]) member.links.handle("echo", (_from, payload) => payload);
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 50; i++) {
    calls.push(a.links.call(b.id, "echo", i, 3000), b.links.call(a.id, "echo", i, 3000));
  }
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 100 }, (_, i) => i >> 1));
  await until(() => a.count("rpc_connections") === 1 && b.count("rpc_connections") === 1, 4000);
});

test("notices arrive in order", async () => {
  const [a, b] = await Member.pair();
  const seen: unknown[] = [];
  b.links.handle("note", (_from, payload) => void seen.push(payload));
  const sent = Array.from({ length: 500 }, (_, i) => i);
  for (const i of sent) expect(a.links.notify(b.id, "note", i)).toBe(true);
  await until(() => seen.length === 500);
  expect(seen).toEqual(sent);
});

test.each([
  ["a handler that throws", "echo", "busy", "no luck"],
  ["a handler that rejects", "later", "busy", "no luck later"],
  ["a call that nobody serves", "note", "busy", "note is not served here"],
  ["a request of the wrong shape", "number", "answered", "number: a whole number expected"],
])("%s becomes a refusal with its text", async (_title, type, reason, text) => {
  const [a, b] = await Member.pair();
  b.links.handle("echo", () => {
    throw new Error("no luck");
  });
  b.links.handle("later", () => Promise.reject(new Error("no luck later")));
  b.links.handle("number", (_from, n) => n);
  const error = await failure(a.links.call(b.id, type, "x", 2000));
  expect(error).toMatchObject({ reason, message: text });
});

test("answers that nobody waits for come with the next frame, when many wait, or by themselves", async () => {
  const [a, b] = await Member.pair();
  await Promise.all([a.up(b.id), b.up(a.id)]);
  const answered: number[] = [];
  b.links.handle("echo", () => PATIENT);
  b.links.handle("number", (_from, payload) => payload);
  const patient = async (n: number): Promise<void> => {
    expect(await a.links.call(b.id, "echo", n, 2000)).toBeNull();
    answered.push(n);
  };
  const first = patient(1);
  expect(await a.links.call(b.id, "number", 2, 2000)).toBe(2);
  // It was there before the answer that it came with.
  expect(answered).toEqual([1]);
  await first;
  const many = Array.from({ length: PATIENT_MAX }, (_, i) => i + 3);
  await Promise.all(many.map(patient));
  expect(answered).toEqual([1, ...many]);
  await patient(99);
  expect(answered.at(-1)).toBe(99);
});

test("an answer of nothing that is waited for takes those along that nobody waits for", async () => {
  const [a, b] = await Member.pair();
  await Promise.all([a.up(b.id), b.up(a.id)]);
  const answered: number[] = [];
  b.links.handle("echo", () => PATIENT);
  b.links.handle("later", () => null);
  const waits = [1, 2].map(async (n) => {
    await a.links.call(b.id, "echo", n, 2000);
    answered.push(n);
  });
  expect(await a.links.call(b.id, "later", 3, 2000)).toBeNull();
  expect(answered).toEqual([1, 2]);
  await Promise.all(waits);
});

test("a peer of the version before gets an answer for each call that is done", async () => {
  const [a, b] = await Member.pair();
  await a.up(b.id);
  b.links.handle("later", () => PATIENT);
  const calls = [1, 2].map((call) =>
    encodeRpcFrame({ kind: "call", call, type: 2, deadlineMs: 2000 }, "1"),
  );
  const answer = (call: number): string =>
    new TextDecoder().decode(
      encodeRpcFrame({ kind: "answer", call, type: 0, deadlineMs: 0 }, "null"),
    );
  const both = answer(1) + answer(2);
  expect(await raw(b.address, [strangerHello(b.clusterId), ...calls], both)).toEndWith(both);
});

test("a call ends at its deadline, and the late answer is not sent", async () => {
  const [a, b] = await Member.pair();
  const gate = Promise.withResolvers<unknown>();
  b.links.handle("later", () => gate.promise);
  const error = await failure(a.links.call(b.id, "later", null, 50));
  expect(error.reason).toBe("timeout");
  await until(() => b.states.length === 1);
  b.links.handle("echo", (_from, payload) => payload);
  await a.links.call(b.id, "echo", 1, 2000);
  gate.resolve("late");
  await until(() => b.count("rpc_answers_unwanted") === 1);
});

test("a slot is free again when the caller's time is over, though no cancel came", async () => {
  const [a, b] = await Member.pair();
  await a.up(b.id);
  b.links.handle("later", () => new Promise(() => {}));
  const call = encodeRpcFrame({ kind: "call", call: 1, type: 2, deadlineMs: 50 }, "1");
  const ping = encodeRpcFrame({ kind: "ping", call: 0, type: 0, deadlineMs: 0 }, "");
  const stranger = raw(b.address, [strangerHello(b.clusterId), call, ping]);
  await until(() => b.count("rpc_answers_expired") === 1);
  await b.close();
  await stranger;
});

test("calls and notices beyond what may wait for a connection are refused here and counted", async () => {
  const a = await Member.alone(1, "cluster");
  const gone = await Member.alone(2, "cluster");
  a.see([a, gone], false);
  await gone.close();
  const calls = Array.from({ length: WAITING_MAX + 1 }, () =>
    failure(a.links.call(gone.id, "echo", 1, 5000)),
  );
  expect((await calls.at(-1))?.reason).toBe("full");
  expect(a.count("rpc_waiting_full")).toBe(1);
  expect((await calls[0])?.reason).toBe("refused");
});

test.each([
  ["rpc", PROTOCOL_MAX + 1, PROTOCOL_MAX + 2],
  ["join", PROTOCOL_MAX + 1, 255],
] as const)(
  "a peer that speaks no common version is told ours, counted and closed: %s",
  async (purpose, min, max) => {
    const [a, b] = await Member.pair();
    await a.up(b.id);
    const hello = encodeHello({
      ...{ versionMin: min, versionMax: max, purpose, removed: false, boot: 1n },
      memberId: memberIdFromBytes(new Uint8Array(16).fill(9)),
      nonce: new Uint8Array(16),
      clusterTag: purpose === "join" ? new Uint8Array(8) : clusterTag(b.clusterId),
    });
    const answer = await raw(b.address, [encodeFrame(hello)]);
    expect(answer.length).toBeGreaterThan(0);
    expect(b.count("rpc_version_mismatch")).toBe(1);
    expect(b.states).toEqual([`${a.id} up`]);
  },
);

test("more calls than may be in flight wait for their turn", async () => {
  const [a, b] = await Member.pair();
  let running = 0;
  let most = 0;
  const gate = Promise.withResolvers<void>();
  b.links.handle("later", async (_from, payload) => {
    most = Math.max(most, ++running);
    if (running === IN_FLIGHT_MAX) gate.resolve();
    await gate.promise;
    running--;
    return payload;
  });
  const calls = Array.from({ length: 1000 }, (_, i) => a.links.call(b.id, "later", i, 5000));
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(most).toBe(IN_FLIGHT_MAX);
});

test("a process that is gone is told as refused", async () => {
  const [a, b] = await Member.pair();
  await a.up(b.id);
  await b.close();
  await until(() => a.states.includes(`${b.id} refused`));
  expect(a.states).toEqual([`${b.id} up`, `${b.id} lost`, `${b.id} refused`]);
  const error = await failure(a.links.call(b.id, "echo", 1, 2000));
  expect(error.reason).toBe("refused");
});

test("the larger ID, which does not keep the link, finds out as well", async () => {
  const [a, b] = await Member.pair();
  await a.up(b.id);
  await until(() => b.states.length === 1);
  await a.close();
  await until(() => b.states.includes(`${a.id} refused`));
  expect(b.states).toEqual([`${a.id} up`, `${a.id} lost`, `${a.id} refused`]);
});

test("a restarted member is found again and calls in flight at its end fail as lost", async () => {
  const [a, b] = await Member.pair();
  b.links.handle("later", () => new Promise(() => {}));
  await a.up(b.id);
  const hanging = failure(a.links.call(b.id, "later", 1, 10_000));
  await until(() => a.count("rpc_connections") === 1);
  await a.links.call(b.id, "echo", 1, 1000).catch(() => {});
  const again = await b.restart();
  expect((await hanging).reason).toBe("lost");
  again.links.handle("echo", (_from, payload) => payload);
  await until(() => a.states.at(-1) === `${b.id} up`, 5000);
  expect(await a.links.call(b.id, "echo", 2, 2000)).toBe(2);
});

test("a large answer is held back by a slow reader and arrives whole", async () => {
  const [a, b] = await Member.pair();
  const text = "x".repeat(20 * 1024 * 1024);
  b.links.handle("echo", () => text);
  const answers = await Promise.all([1, 2, 3].map((i) => a.links.call(b.id, "echo", i, 10_000)));
  expect(answers.every((answer) => answer === text)).toBe(true);
});

test("a payload larger than a frame is refused here, and the link lives", async () => {
  const [a, b] = await Member.pair();
  b.links.handle("echo", (_from, payload) => payload);
  const error = await failure(a.links.call(b.id, "echo", "x".repeat(RPC_FRAMES.max), 5000));
  expect(error.message).toContain("too large");
  expect(await a.links.call(b.id, "echo", 1, 2000)).toBe(1);
});

test("a member that is not in the view cannot be called", async () => {
  const [a] = await Member.pair();
  const error = await failure(a.links.call(memberId(99), "echo", 1, 1000));
  expect(error.reason).toBe("unreachable");
  expect(a.links.notify(memberId(99), "note", 1)).toBe(false);
});

test("a connection to a member that leaves the view is told as lost", async () => {
  const [a, b] = await Member.pair();
  await until(() => a.states.length === 1 && b.states.length === 1);
  a.see([a]);
  await until(() => a.states.length === 2);
  expect(a.states).toEqual([`${b.id} up`, `${b.id} lost`]);
});

test("a stranger reaches joining calls by address, and nothing else", async () => {
  const a = await Member.alone(1, "cluster-a");
  const b = await Member.alone(2, "cluster-b");
  b.links.handle("join", (from, payload) => ({ from, payload }));
  b.links.handle("echo", (_from, payload) => payload);
  expect(await a.links.callAddress(b.address, "join", 5, 2000)).toEqual({ from: a.id, payload: 5 });
  const error = await failure(a.links.callAddress(b.address, "echo", 5, 2000));
  expect(error.message).toBe("echo needs a common cluster");
  await until(() => b.count("rpc_connections") === 0);
  expect(b.states).toEqual([]);
});

test("an address where nothing listens is refused, a name that is none does not resolve", async () => {
  const a = await Member.alone(1, "cluster-a");
  const gone = await Member.alone(2, "cluster-b");
  const { address } = gone;
  await gone.close();
  expect((await failure(a.links.callAddress(address, "join", 1, 2000))).reason).toBe("refused");
  const unknown = await failure(a.links.callAddress("no-such-host.invalid:1", "join", 1, 4000));
  expect(unknown.message).toContain("does not resolve");
  const bad = await failure(a.links.callAddress("nonsense", "join", 1, 2000));
  expect(bad.message).toContain("is not host:port");
});

test("a member of another cluster is turned away and counted", async () => {
  const a = await Member.alone(1, "cluster-a");
  const b = await Member.alone(2, "cluster-b");
  a.see([a, b]);
  await until(() => b.count("rpc_foreign_cluster") > 0);
  expect(a.states).toEqual([]);
  expect(b.states).toEqual([]);
});

test("a removed member is told so", async () => {
  const [a, b] = await Member.pair({ removed: [memberId(1)] });
  await until(() => a.removedBy.length > 0);
  expect(a.removedBy[0]).toBe(b.id);
  expect(a.states).toEqual([]);
});

const strangerHello = (clusterId: string): Uint8Array =>
  encodeFrame(
    encodeHello({
      versionMin: 1,
      versionMax: 1,
      purpose: "rpc",
      removed: false,
      memberId: memberIdFromBytes(new Uint8Array(16).fill(9)),
      boot: 1n,
      nonce: new Uint8Array(16),
      clusterTag: clusterTag(clusterId),
    }),
  );

/** The length in front of a frame that is one byte too long, sealed or not. */
const oversized = new Uint8Array(FRAME_PREFIX);
new DataView(oversized.buffer).setUint32(0, RPC_FRAMES.max + FRAME_SEAL_BYTES + 1);

test.each([
  ["garbage", () => [new Uint8Array(300).fill(0x41)]],
  ["an oversized first frame", () => [new Uint8Array([0, 0, 0x10, 1])]],
  ["a first frame that is no hello", () => [encodeFrame(new Uint8Array(60))]],
  ["an oversized frame after hello", (id: string) => [strangerHello(id), oversized]],
  ["an unknown frame kind", (id: string) => [strangerHello(id), encodeFrame(new Uint8Array(11))]],
])("%s ends that connection and no other", async (_title, bytes) => {
  const [a, b] = await Member.pair();
  await a.up(b.id);
  b.links.handle("echo", (_from, payload) => payload);
  await raw(b.address, bytes(b.clusterId));
  expect(await a.links.call(b.id, "echo", 1, 2000)).toBe(1);
  expect(a.states).toEqual([`${b.id} up`]);
});

test("unknown call types and answers to no call are refused and counted, not fatal", async () => {
  const [, b] = await Member.pair();
  const frames = [
    encodeRpcFrame({ kind: "call", call: 1, type: 60000, deadlineMs: 100 }, "1"),
    encodeRpcFrame({ kind: "answer", call: 77, type: 0, deadlineMs: 0 }, "1"),
    encodeRpcFrame({ kind: "one-way", call: 0, type: 60000, deadlineMs: 0 }, "1"),
    encodeRpcFrame({ kind: "cancel", call: 5, type: 0, deadlineMs: 0 }, ""),
    encodeRpcFrame({ kind: "call", call: 2, type: 1, deadlineMs: 100 }, "{bad"),
  ];
  const answer = raw(b.address, [strangerHello(b.clusterId), ...frames], "payload is not JSON");
  expect(await answer).toContain("unknown call type 60000");
  expect(b.count("rpc_answers_late")).toBe(1);
  expect(b.count("rpc_unknown_one_way")).toBe(1);
});

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error("the call must fail");
}
