/**
 * Preloaded into a daemon that is profiled (see profile.ts): SIGUSR2 starts the sampling profiler, the next one stops it
 * and writes the profile and what is on the heap. With `KAPACITOR_PROFILE_START` the profiler runs before the daemon does.
 */

import { heapStats } from "bun:jsc";
import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

const SAMPLE_US = 500;
/** Where to; the heap's figures go beside it. */
const path = process.env["KAPACITOR_PROFILE"] ?? "kapacitor.cpuprofile";
let session: Session | undefined;

async function start(): Promise<void> {
  session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
  await session.post("Profiler.start");
  write(`${path}.started`, "");
}

async function finish(running: Session): Promise<void> {
  const { profile } = await running.post("Profiler.stop");
  running.disconnect();
  write(path, JSON.stringify(profile));
  Bun.gc(true);
  const { heapSize, heapCapacity, extraMemorySize, objectCount, objectTypeCounts } = heapStats();
  const { rss } = process.memoryUsage();
  const sizes = { heapSize, heapCapacity, extraMemorySize, objectCount, rss };
  write(`${path}.heap`, JSON.stringify({ ...sizes, objectTypeCounts }));
}

/** Whole or not at all: somebody waits for the file. */
function write(to: string, text: string): void {
  writeFileSync(`${to}.part`, text);
  renameSync(`${to}.part`, to);
}

if (process.env["KAPACITOR_PROFILE_START"] !== undefined) await start();
process.on("SIGUSR2", () => void (session === undefined ? start() : finish(session)));
