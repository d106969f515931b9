/** Datagrams of line protocol: every one arrives as its own body, in order, and losses are counted. */

import { expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import { splitBind, UdpListener } from "#ingest/udp.ts";
import { silentLog } from "#lib/log.ts";

async function send(port: number, texts: readonly string[]): Promise<void> {
  const socket = createSocket("udp4");
  for (const text of texts) {
    await new Promise<void>((done) => socket.send(text, port, "127.0.0.1", () => done()));
  }
  socket.close();
}

async function until(what: string, look: () => boolean): Promise<void> {
  const end = performance.now() + 3_000;
  while (!look()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(2);
  }
}

function listener(
  write: (chunk: WriteChunk) => Promise<WriteOutcome>,
  buffer = 10,
  bind = "127.0.0.1:0",
) {
  return new UdpListener({
    bind,
    db: "d",
    rp: "r",
    buffer,
    readBuffer: 65_536,
    write,
    log: silentLog,
  });
}

test("outcomes are counted under the original's names", async () => {
  const seen: string[] = [];
  const outcomes: (WriteOutcome | Error)[] = [
    { kind: "written", points: 2 },
    { kind: "malformed", errors: ["x"] },
    { kind: "overloaded" },
    new Error("engine gone"),
  ];
  const udp = listener(async ({ db, rp, precision, body }) => {
    seen.push(`${db} ${rp} ${precision} ${new TextDecoder().decode(body)}`);
    const outcome = outcomes[seen.length - 1];
    if (outcome instanceof Error || outcome === undefined) throw outcome;
    return outcome;
  });
  const port = await udp.open();
  await send(port, ["a v=1\nb v=2", "bad", "c v=1", "d v=1"]);
  await until("four datagrams", () => seen.length === 4);
  await udp.close();
  expect(seen).toEqual(["d r ns a v=1\nb v=2", "d r ns bad", "d r ns c v=1", "d r ns d v=1"]);
  expect(udp.counters).toEqual({
    points_rx: 2,
    bytes_rx: 24,
    points_parse_fail: 1,
    read_fail: 0,
    points_tx: 2,
    tx_fail: 2,
    dropped: 0,
  });
});

test("what does not fit the queue is dropped and counted; close waits for the rest", async () => {
  const gate = Promise.withResolvers<void>();
  let written = 0;
  const udp = listener(async () => {
    await gate.promise;
    written += 1;
    return { kind: "written", points: 1 };
  }, 3);
  const port = await udp.open();
  await send(port, ["1", "2", "3", "4", "5", "6"]);
  await until("six datagrams", () => udp.counters.bytes_rx === 6);
  const closed = udp.close();
  gate.resolve();
  await closed;
  // One is being written, three wait.
  expect([written, udp.counters.dropped]).toEqual([4, 2]);
});

test("an address that cannot be bound is an error that names it", async () => {
  const write = async (): Promise<WriteOutcome> => ({ kind: "overloaded" });
  const first = listener(write);
  const port = await first.open();
  const second = listener(write, 1, `127.0.0.1:${port}`);
  expect(second.open()).rejects.toThrow(`listen udp 127.0.0.1:${port}: `);
  await first.close();
});

test.each([
  ["127.0.0.1:8089", "127.0.0.1", 8089],
  [":8089", "", 8089],
  ["localhost", "localhost", 0],
  ["localhost:", "localhost", 0],
  ["[::1]:5", "::1", 5],
  ["", "", 0],
])("bind address %p", (bind, host, port) => expect(splitBind(bind)).toEqual({ host, port }));
