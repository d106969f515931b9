/** `[[udp]]` elements over real sockets, into a real engine. */

import { afterEach, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import type { UdpConfig } from "#config/sections/inputs.ts";
import { openUdpInputs } from "#daemon/udp-inputs.ts";
import { Closers } from "#lib/closers.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { TestEngine, taskOf } from "#test/support/engine.ts";

let closers = new Closers();
afterEach(async () => {
  await closers.close();
  closers = new Closers();
});

function section(more: Partial<UdpConfig> = {}): UdpConfig {
  return {
    enabled: true,
    "bind-address": "127.0.0.1:0",
    database: "udp",
    "retention-policy": "",
    buffer: 1000,
    "read-buffer": 0,
    ...more,
  };
}

async function open(sections: readonly UdpConfig[]) {
  const { engine } = new TestEngine();
  for (const rp of ["autogen", "week"]) {
    const task = taskOf(`task_${rp}`, `stream|from().measurement('m')|httpOut('out')`);
    engine.start({ ...task, dbrps: [{ db: "udp", rp }] });
  }
  const lines: LogEntry[] = [];
  const inputs = await openUdpInputs(
    sections,
    {
      write: (chunk) => engine.write(chunk),
      defaultRetentionPolicy: "autogen",
      log: logTo((entry) => lines.push(entry)),
    },
    closers,
  );
  const value = (rp: string): unknown =>
    engine.endpoint(`task_${rp}`, "out")?.series?.[0]?.values?.[0]?.[1];
  return { inputs, value, ports: lines.map(({ fields }) => Number(fields["port"])) };
}

/** Sends until the condition holds: datagrams may be lost even on loopback. */
async function sendUntil(port: number | undefined, text: string, holds: () => boolean) {
  const socket = createSocket("udp4");
  const end = performance.now() + 5_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${text} did not arrive`);
    await new Promise<void>((done) => socket.send(text, port ?? 0, "127.0.0.1", () => done()));
    await Bun.sleep(5);
  }
  socket.close();
}

test("datagrams reach the tasks of their database and retention policy, and are counted", async () => {
  const { inputs, value, ports } = await open([
    section(),
    section({ enabled: false }),
    section({ "bind-address": "127.0.0.1:", "retention-policy": "week" }),
  ]);
  expect(ports.length).toBe(2);
  await sendUntil(ports[0], "m value=1.5 1600000000000000000", () => value("autogen") === 1.5);
  expect(value("week")).toBeUndefined();
  await sendUntil(ports[1], "m value=2i", () => value("week") === 2);
  const [first, second] = inputs.statistics();
  expect([first?.name, first?.tags, second?.tags]).toEqual([
    "udp",
    { bind: "127.0.0.1:0" },
    { bind: "127.0.0.1:" },
  ]);
  expect(Object.keys(first?.values ?? {})).toEqual([
    "points_rx",
    "bytes_rx",
    "points_parse_fail",
    "read_fail",
    "points_tx",
    "tx_fail",
    "dropped",
  ]);
  expect(first?.values["points_rx"]).toBeGreaterThan(0);
});

test("of a datagram with a bad line nothing is written", async () => {
  const { inputs, value, ports } = await open([section()]);
  const failed = (): number => Number(inputs.statistics()[0]?.values["points_parse_fail"]);
  await sendUntil(ports[0], "m value=7\nbad\nworse", () => failed() >= 2);
  expect(value("autogen")).toBeUndefined();
});

test("every address of this machine when no host is named", async () => {
  const { value, ports } = await open([section({ "bind-address": ":0" })]);
  await sendUntil(ports[0], "m value=3", () => value("autogen") === 3);
});

test("an address that is taken ends the start, and what was opened is closed", async () => {
  const { ports } = await open([section()]);
  const taken = `127.0.0.1:${ports[0]}`;
  await expect(open([section(), section({ "bind-address": taken })])).rejects.toThrow(
    `listen udp ${taken}: `,
  );
});
