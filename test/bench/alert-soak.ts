/**
 * Prints how the delivery of alerts does under load: events through ten `post` handlers, one of which hangs and one of
 * which answers 500 half of the time; the way is the daemon's (alert service, ownership, SQLite store).
 *
 * Run by hand: `bun test/bench/alert-soak.ts [events] [events per second] [event IDs]`; without arguments 100,000
 * events, 500 a second, of 1,000 IDs. Wanted: p99 below 250 ms from evaluation to arrival.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AlertService } from "#alert/alert-service.ts";
import type { AlertEvent } from "#alert/event.ts";
import { CRITICAL, OK } from "#alert/level.ts";
import { alertCompletions, pendingAlerts } from "#cluster/ownership/kinds.ts";
import { OwnershipService } from "#cluster/ownership/ownership-service.ts";
import type { MemberId, Rpc } from "#cluster/ports.ts";
import { SystemRandom, systemClock } from "#daemon/system.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { silentLog } from "#lib/log.ts";
import { timeFromNanos } from "#lib/time.ts";
import { KINDS } from "#storage/kinds/registry.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import type { AnyKind } from "#storage/store.ts";
import { StoredTopics } from "#storage/topic-states.ts";
import { FLAKY, HUNG, type Report, wallMs } from "./alert-receivers.ts";

const [events = 100_000, perSecond = 500, ids = 1_000] = process.argv.slice(2).map(Number);

/** How often a burst is published, ms. */
const TICK_MS = 10;

/** After the last event the healthy receivers get this long, ms. */
const SETTLE_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), "soak-"));
const child = Bun.spawn([process.execPath, join(import.meta.dir, "alert-receivers.ts")], {
  stdout: "pipe",
});
const urls = await firstLine(child.stdout);

const random = new SystemRandom();
const OWN_KINDS = [alertCompletions, pendingAlerts] as readonly AnyKind[];
const store = SqliteStore.open(
  join(folder, "soak.db"),
  [...KINDS, ...OWN_KINDS],
  systemClock,
  silentLog,
);
const common = { clock: systemClock, random, log: silentLog, store };
const self = "6ba7b810-9dad-41d1-80b4-00c04fd430c8" as MemberId;
const alerts = new AlertService({
  ...common,
  store: new StoredTopics(store),
  kinds: HANDLER_KINDS,
  services: {
    ...common,
    server: { hostname: "soak", clusterId: "c", serverId: self },
    section: () => undefined,
  },
});
const ownership = new OwnershipService(
  { ...common, rpc: noRpc(), membership: alone(), receiver: alerts },
  { boot: 1n, delayMs: 15_000, fullSyncMs: 300_000 },
);
ownership.open();
alerts.setOwnership(ownership);
urls.forEach((url, i) => {
  alerts.set({ id: `h${i}`, topic: "soak", kind: "post", match: "", options: { url } });
});

const started = wallMs();
const busyFrom = process.cpuUsage();
await publishAll();
const published = wallMs();
const reports = await settled();
const busy = process.cpuUsage(busyFrom);
print(reports);
child.kill();
rmSync(folder, { recursive: true });
process.exit(0);

async function publishAll(): Promise<void> {
  let sent = 0;
  while (sent < events) {
    const due = Math.min(events, Math.ceil(((wallMs() - started) / 1000) * perSecond));
    for (; sent < due; sent++) alerts.publish(eventOf(sent), "cluster");
    await new Promise((done) => setTimeout(done, TICK_MS));
  }
}

function eventOf(n: number): AlertEvent {
  const id = `cpu:host=h${n % ids}`;
  const sequence = Math.floor(n / ids) + 1;
  const now = wallMs();
  return {
    topic: "soak",
    id,
    message: `${sequence} ${now}`,
    details: "",
    time: timeFromNanos(BigInt(Math.floor(started)) * 1_000_000n + BigInt(n)),
    duration: 0,
    level: sequence % 2 === 0 ? OK : CRITICAL,
    ...{ name: "cpu", taskName: "soak", category: "", group: `host=h${n % ids}` },
    tags: { host: `h${n % ids}` },
    fields: { value: 95.5 },
    recoverable: true,
    series: [
      {
        name: "cpu",
        tags: { host: `h${n % ids}` },
        columns: ["time", "value"],
        values: [["t", 1]],
      },
    ],
    hops: 0,
  };
}

/** Waits until the healthy receivers have everything, or too long. */
async function settled(): Promise<readonly Report[]> {
  const end = wallMs() + SETTLE_MS;
  for (;;) {
    await new Promise((done) => setTimeout(done, 500));
    const all = await Promise.all(urls.map(async (url) => (await fetch(url)).json()));
    const found: readonly Report[] = all;
    const done = found.every((one) => isTroubled(one.handler) || one.accepted >= events);
    if (done || wallMs() > end) return found;
  }
}

function isTroubled(handler: number): boolean {
  return handler === HUNG || handler === FLAKY;
}

function print(found: readonly Report[]): void {
  const healthy = found.filter((one) => !isTroubled(one.handler));
  const ms = (value: number): string => value.toFixed(1).padStart(8);
  console.log(`${events} events of ${ids} IDs, ${perSecond} a second`);
  console.log("handler  accepted  repeated  disordered      p50      p99      max (ms)");
  for (const one of found) {
    const counts = [one.accepted, one.repeated, one.disordered].map((n) => String(n).padStart(9));
    const name =
      one.handler === HUNG ? "hung" : one.handler === FLAKY ? "flaky" : `h${one.handler}`;
    console.log(
      `${name.padEnd(7)} ${counts.join(" ")}   ${[one.p50, one.p99, one.max].map(ms).join(" ")}`,
    );
  }
  const wrong = healthy.filter(
    (one) => one.accepted !== events || one.disordered + one.repeated > 0,
  );
  console.log(
    wrong.length === 0 ? "healthy handlers: all, in order" : "healthy handlers: NOT all in order",
  );
  console.log(`publishing took ${((published - started) / 1000).toFixed(1)} s`);
  console.log(
    `CPU ${((busy.user + busy.system) / 1e6).toFixed(1)} s, RSS ${process.memoryUsage().rss >> 20} MiB`,
  );
  for (const report of alerts.handlerReports("soak")) {
    const { id, sent, failed, retried, superseded, expired, dropped, waiting, inFlight } = report;
    console.log(
      id,
      JSON.stringify({ sent, failed, retried, superseded, expired, dropped, waiting, inFlight }),
    );
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<readonly string[]> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("\n")) return JSON.parse(text);
  }
  throw new Error("the receivers did not start");
}

function noRpc(): Rpc {
  return {
    call: () => Promise.reject(new Error("alone")),
    callAddress: () => Promise.reject(new Error("alone")),
    notify: () => false,
    handle: () => {},
    onLink: () => {},
  };
}

function alone() {
  const member = {
    id: self,
    ...{ gossipAddress: "", rpcAddress: "", apiAddress: "", roles: ["worker"], joined: 0 },
    status: "alive" as const,
    ...{ redundancy: 0, crashEvidence: false },
  } as const;
  const view = { clusterId: "c", localId: self, initialized: false, members: [member] };
  return { view: () => view, onChange: () => {} };
}
