/**
 * Profiles of this process, taken with the runtime's own means: its sampling profiler and its heap.
 *
 * One CPU profile at a time. The sampler costs a few percent while it runs and nothing afterwards.
 */

import { heapStats } from "bun:jsc";
import { Session } from "node:inspector/promises";
import type { CpuProfile } from "#http/profile/cpu-profile.ts";
import { CPU_INTERVAL_US, type Profiler } from "#http/services.ts";
import type { Clock } from "#lib/clock.ts";

export function processProfiler(clock: Clock): Profiler {
  let isRunning = false;
  return {
    async cpu(durationMs, signal) {
      if (isRunning) return undefined;
      isRunning = true;
      try {
        return await sampled(() => elapsed(clock, durationMs, signal));
      } finally {
        isRunning = false;
      }
    },
    heap(collectFirst) {
      if (collectFirst) Bun.gc(true);
      const { heapSize, objectTypeCounts } = heapStats();
      return { bytes: heapSize, objects: objectTypeCounts };
    },
    heapSnapshot: () => Bun.generateHeapSnapshot("v8"),
  };
}

async function sampled(whileRunning: () => Promise<void>): Promise<CpuProfile> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: CPU_INTERVAL_US });
    await session.post("Profiler.start");
    await whileRunning();
    const { profile } = await session.post("Profiler.stop");
    await session.post("Profiler.disable");
    return profile;
  } finally {
    session.disconnect();
  }
}

/** The time has passed, or the signal came. */
function elapsed(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const cancel = clock.after(durationMs, done);
    const abort = (): void => {
      cancel();
      done();
    };
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
