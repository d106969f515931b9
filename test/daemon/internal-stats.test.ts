/** Statistics in the stream: what a task on `_kapacitor` sees, and what happens when the engine has no room. */

import { expect, test } from "bun:test";
import { InternalStats, type InternalStatsParts } from "#daemon/internal-stats.ts";
import { STATISTIC_LINES_PER_WRITE } from "#daemon/limits.ts";
import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import type { Statistic } from "#http/services.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { TestEngine, taskOf } from "#test/support/engine.ts";

const SERVER = { hostname: "h1", clusterId: "c1", serverId: "s1" };
const STATISTICS: readonly Statistic[] = [
  {
    name: "nodes",
    tags: { task: "t 1", node: "eval2", type: "stream", kind: "eval" },
    values: { errors: 3, avg_exec_time_ns: 12.4, label: 'a "b"', ok: true, bad: Number.NaN },
  },
  { name: "topics", tags: { id: "main:t:alert2" }, values: { collected: 2 } },
];

function stats(
  engine: InternalStatsParts["engine"],
  clock = new VirtualClock({ ms: 1_600_000_000_000, ns: 123 }),
  statistics: () => readonly Statistic[] = () => STATISTICS,
) {
  const made = new InternalStats(
    {
      clock,
      log: silentLog,
      engine,
      server: SERVER,
      overview: () => ({ num_tasks: 3, num_enabled_tasks: 2, num_subscriptions: 1 }),
      memory: () => ({ rss: 300, heapTotal: 200, heapUsed: 150 }),
      statistics,
    },
    { intervalMs: 10_000, db: "_kapacitor", rp: "autogen" },
  );
  return { made, clock };
}

/** An engine that takes everything, and the lines it got. */
function sink(wants: boolean | readonly string[] = true) {
  const lines: string[] = [];
  const chunks: WriteChunk[] = [];
  return {
    lines,
    chunks,
    wantsOf: () => wants,
    write: async (chunk: WriteChunk): Promise<WriteOutcome> => {
      chunks.push(chunk);
      const all = new TextDecoder().decode(chunk.body).split("\n");
      lines.push(...all);
      return { kind: "written", points: all.length };
    },
  };
}

test("every statistic is a line with the tags of this member; kapacitor has no tags at all", async () => {
  const engine = sink();
  const { made } = stats(engine);
  await made.inject();
  const own = "cluster_id=c1,host=h1";
  expect(engine.lines).toEqual([
    "kapacitor num_enabled_tasks=2i,num_subscriptions=1i,num_tasks=3i,uptime=0 1600000000000000123",
    `runtime,${own},server_id=s1 Alloc=150i,Frees=0i,HeapAlloc=150i,HeapIdle=50i,HeapInUse=150i,HeapObjects=0i,HeapReleased=0i,HeapSys=200i,Lookups=0i,Mallocs=0i,NumGC=0i,NumGoroutine=0i,PauseTotalNs=0i,Sys=300i,TotalAlloc=150i 1600000000000000123`,
    `nodes,${own},kind=eval,node=eval2,server_id=s1,task=t\\ 1,type=stream avg_exec_time_ns=12i,errors=3i,label="a \\"b\\"",ok=true 1600000000000000123`,
    `topics,${own},id=main:t:alert2,server_id=s1 collected=2i 1600000000000000123`,
  ]);
  expect(engine.chunks.map(({ db, rp }) => `${db}.${rp}`)).toEqual(["_kapacitor.autogen"]);
  expect(made.counters.points_written).toBe(4);
});

test("a round comes every interval until closed; uptime is in seconds", async () => {
  const engine = sink();
  const { made, clock } = stats(engine);
  made.open();
  clock.advance(9_999);
  expect(engine.chunks.length).toBe(0);
  clock.advance(1);
  expect(engine.lines[0]).toContain("uptime=10 1600000010000000123");
  await made.close();
  clock.advance(60_000);
  expect(engine.chunks.length).toBe(1);
});

test("what no task wants is not written", async () => {
  const engine = sink(false);
  const { made } = stats(engine);
  await made.inject();
  expect(engine.chunks).toEqual([]);
});

test("a round during which the last one is still processed is left out and counted", async () => {
  const gate = Promise.withResolvers<WriteOutcome>();
  const { made, clock } = stats({ write: () => gate.promise, wantsOf: () => true });
  made.open();
  clock.advance(30_000);
  expect(made.counters.rounds_skipped).toBe(2);
  const closed = made.close();
  gate.resolve({ kind: "written", points: 4 });
  await closed;
  expect(made.counters.points_written).toBe(4);
});

test.each([
  [STATISTIC_LINES_PER_WRITE - 2, 1],
  [STATISTIC_LINES_PER_WRITE - 1, 2],
])("%d statistics and two of the daemon are %d writes", async (count, writes) => {
  const engine = sink();
  const many = Array.from({ length: count }, (_, i) => ({
    name: "topics",
    tags: { id: `t${i}` },
    values: { collected: i },
  }));
  await stats(engine, undefined, () => many).made.inject();
  expect([engine.chunks.length, engine.lines.length]).toEqual([writes, count + 2]);
});

test("a full backlog drops the rest of the round, counted", async () => {
  let calls = 0;
  const { made } = stats({
    write: async () => {
      calls += 1;
      return { kind: "overloaded" };
    },
    wantsOf: () => true,
  });
  await made.inject();
  expect([calls, made.counters.points_dropped]).toEqual([1, 4]);
});

test("a task on the database sees them, and its own edges and nodes are among them", async () => {
  const { engine, clock } = new TestEngine();
  const script = (measurement: string) =>
    `stream|from().measurement('${measurement}').groupBy(*)|httpOut('out')`;
  for (const [id, measurement] of [
    ["watch_topics", "topics"],
    ["watch_edges", "edges"],
  ] as const) {
    const dbrps = [{ db: "_kapacitor", rp: "autogen" }];
    expect(engine.start({ ...taskOf(id, script(measurement)), dbrps }).kind).toBe("started");
  }
  const edges = () =>
    engine.edges().map(({ task, parent, child, type, messages }) => ({
      name: "edges",
      tags: { task, parent, child, type },
      values: { collected: messages, emitted: messages },
    }));
  const { made } = stats(engine, clock, () => [...STATISTICS, ...edges()]);
  await made.inject();
  expect(engine.endpoint("watch_topics", "out")?.series).toEqual([
    {
      name: "topics",
      tags: { cluster_id: "c1", host: "h1", id: "main:t:alert2", server_id: "s1" },
      columns: ["time", "collected"],
      values: [["1970-01-01T00:00:00Z", 2]],
    },
  ]);
  const seen = engine.endpoint("watch_edges", "out")?.series ?? [];
  const links = seen.map(({ tags = {} }) => `${tags["task"]} ${tags["parent"]} ${tags["child"]}`);
  expect(links.sort()).toEqual([
    "watch_edges from1 http_out2",
    "watch_edges stream0 from1",
    "watch_topics from1 http_out2",
    "watch_topics stream0 from1",
  ]);
  // Nothing of `nodes`, `kapacitor` or `runtime` was made: no task wants it.
  expect(made.counters.points_written).toBe(5);
});
