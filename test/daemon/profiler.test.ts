/** The runtime's own means of profiling, as the daemon uses them. */

import { expect, test } from "bun:test";
import { processProfiler } from "#daemon/profiler.ts";
import { VirtualClock } from "#lib/clock.ts";

const never = new AbortController().signal;

function spin(): number {
  let sum = 0;
  for (let i = 0; i < 3_000_000; i++) sum += Math.sqrt(i);
  return sum;
}

/** Lets time pass until it is done; its timer may not be set at first. */
async function advanced<T>(running: Promise<T>, clock: VirtualClock, ms: number): Promise<T> {
  let isDone = false;
  const done = running.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    clock.advance(ms);
    await new Promise((next) => setImmediate(next));
  }
  return done;
}

test("what the process does is in its profile; another one is refused meanwhile", async () => {
  const clock = new VirtualClock();
  const profiler = processProfiler(clock);
  const running = profiler.cpu(1000, never);
  expect(await profiler.cpu(1, never)).toBeUndefined();
  await new Promise((next) => setImmediate(next));
  // The sampler may be late: go on until the time of many samples was spent.
  const end = performance.now() + 200;
  while (performance.now() < end) spin();
  const profile = await advanced(running, clock, 1000);
  const names = profile?.nodes.map(({ callFrame }) => callFrame.functionName);
  expect(names).toContain("spin");
  const again = await advanced(profiler.cpu(5, never), clock, 5);
  expect(again?.nodes.length).toBeGreaterThan(0);
});

test("a profile ends when its client goes, also one that has gone before", async () => {
  const profiler = processProfiler(new VirtualClock());
  const client = new AbortController();
  const running = profiler.cpu(1000, client.signal);
  client.abort();
  expect(await running).toBeDefined();
  expect(await profiler.cpu(1000, client.signal)).toBeDefined();
});

test("the heap has objects, and a snapshot of it is JSON", () => {
  const profiler = processProfiler(new VirtualClock());
  for (const collectFirst of [false, true]) {
    const { bytes, objects } = profiler.heap(collectFirst);
    expect(bytes).toBeGreaterThan(100_000);
    expect(objects["Function"]).toBeGreaterThan(100);
  }
  expect(profiler.heapSnapshot()).toStartWith('{"snapshot":{"meta":');
});
