/** Query nodes over a fake database: answers into batches, failures, ticks that come too early, slices, stops. */

import { describe, expect, test } from "bun:test";
import { SLICE_CHECK_POINTS } from "#engine/limits.ts";
import { defineNode } from "#engine/node.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { Forwarding } from "#engine/receiver.ts";
import type { Cancel, Clock } from "#lib/clock.ts";
import type { Time } from "#lib/time.ts";
import { TestEngine, type TestEngineOptions, taskOf } from "#test/support/engine.ts";
import { type FakeAnswer, giving } from "#test/support/fake-outside.ts";

const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

/** Writes down what passes. */
function seeing(seen: string[]) {
  return defineNode({
    method: "see",
    goType: "*test.SeeNode",
    wants: "either",
    provides: "same",
    doc: "A test's node.",
    options: () => undefined,
    start: (_options, { out }) => {
      const node = new Forwarding(out);
      node.beginBatch = (group, begin) => seen.push(`begin ${group.id} ${begin.tmaxMs}`);
      node.batchPoint = (_group, point) => seen.push(JSON.stringify(point.fields()));
      node.endBatch = (group) => seen.push(`end ${group.id}`);
      node.point = (_group, point) => seen.push(point.series.name);
      node.finish = () => seen.push("finish");
      return node;
    },
  });
}

function start(script: string, options: TestEngineOptions = {}) {
  const seen: string[] = [];
  const specs = new Map([...NODE_SPECS, ["see", seeing(seen)]]);
  const t = new TestEngine({ ...options, specs });
  const outcome = t.engine.start(taskOf("t", script, {}, "batch"));
  expect(outcome).toEqual({ kind: "started" });
  const node = (name: string) => t.engine.stats("t")?.nodeStats[name] ?? {};
  return { t, seen, node, queries: t.outside.queries };
}

const RAW = "batch|query('SELECT v FROM db.rp.m').period(10s).every(10s)";
const SEE = `${RAW}|see()`;
const at = (second: number): string => new Date(second * 1_000).toISOString();
const rows = (...seconds: readonly number[]) => seconds.map((second) => [at(second), second]);
const m = (...seconds: readonly number[]) => ({
  name: "m",
  columns: ["time", "v"],
  values: rows(...seconds),
});

describe("an answer", () => {
  test("becomes one batch per series, whose bound is the end of the range", async () => {
    const { t, seen, node, queries } = start(SEE);
    queries.answers.push(giving({ ...m(3, 7), tags: { h: "a" } }, { ...m(4), tags: { h: "b" } }));
    t.clock.advance(10_000);
    await turns();
    expect(seen).toEqual([
      ...["begin h=a 10000", '{"v":3}', '{"v":7}', "end h=a"],
      ...["begin h=b 10000", '{"v":4}', "end h=b"],
    ]);
    expect(node("query1")).toMatchObject({
      ...{ batches_queried: 2, points_queried: 3, collected: 2, emitted: 2, errors: 0 },
    });
    expect(node("batch0")).toMatchObject({ collected: 2, emitted: 2 });
  });

  test("grouped by time has its latest point as bound, or the end of the range without points", async () => {
    const { t, seen, queries } = start(
      "batch|query('SELECT mean(v) FROM db.rp.m').period(10s).every(10s).groupBy(time(1s), 'h')|see()",
    );
    const empty = { name: "m", tags: { h: "b" }, columns: ["time", "v"], values: [[at(1), null]] };
    queries.answers.push(giving({ ...m(3, 7), tags: { h: "a" } }, empty));
    t.clock.advance(10_000);
    await turns();
    expect(seen.filter((line) => line.startsWith("begin"))).toEqual([
      "begin h=a 7000",
      "begin h=b 10000",
    ]);
  });

  test("keeps the groups from tick to tick, so that nodes below keep their state", async () => {
    const { t, node, queries } = start(`${RAW}.groupBy('h')|httpOut('x')`);
    for (let tick = 0; tick < 3; tick++) {
      queries.answers.push(giving({ ...m(tick), tags: { h: "a" } }));
      t.clock.advance(10_000);
      await turns();
    }
    expect(node("http_out2")["working_cardinality"]).toBe(1);
  });

  test("of a Flux script has its latest point as bound, or the tick's time", async () => {
    const { t, seen, queries } = start("batch|queryFlux('x').every(10s).offset(1s)|see()");
    queries.answers.push(giving(m(3), { name: "m", columns: ["time", "v"], values: [] }));
    t.clock.advance(10_000);
    await turns();
    expect(queries.asked).toEqual(["1970-01-01T00:00:09Z"]);
    expect(seen.filter((line) => line.startsWith("begin"))).toEqual([
      "begin  3000",
      "begin  10000",
    ]);
  });
});

describe("a query that fails", () => {
  const failing: FakeAnswer = async () => {
    throw new Error("no such thing");
  };

  test("is logged and counted, and the next tick goes on", async () => {
    const { t, seen, node, queries } = start(SEE);
    queries.answers.push(failing, giving(m(1)));
    t.clock.advance(10_000);
    await turns();
    expect(t.errors()).toEqual(["query1: error executing query: no such thing"]);
    expect(node("query1")["errors"]).toBe(1);
    expect(seen).toEqual([]);
    t.clock.advance(10_000);
    await turns();
    expect(seen).toEqual(["begin  20000", '{"v":1}', "end "]);
  });

  test("leaves whole what it gave before", async () => {
    const { t, seen, queries } = start(SEE);
    queries.answers.push(async (take, signal) => {
      await giving(m(1))(take, signal);
      await failing(take, signal);
    });
    t.clock.advance(10_000);
    await turns();
    expect(seen).toEqual(["begin  10000", '{"v":1}', "end "]);
    expect(t.errors().length).toBe(1);
  });
});

test("a tick during a query waits for it, further ones are left out and counted", async () => {
  const { t, node, queries } = start(SEE);
  const gate = Promise.withResolvers<void>();
  queries.answers.push(() => gate.promise);
  for (let tick = 0; tick < 4; tick++) t.clock.advance(10_000);
  await turns();
  expect(queries.asked.length).toBe(1);
  gate.resolve();
  await turns();
  expect(queries.asked.length).toBe(2);
  expect(queries.asked[1]).toContain("time < '1970-01-01T00:00:20Z'");
  expect(node("query1")["ticks_skipped"]).toBe(2);
});

test("jitter delays the query, not its time", async () => {
  const t = new TestEngine();
  t.outside.queries.jitterMs = 5_000;
  t.engine.start(taskOf("t", RAW, {}, "batch"));
  const { asked } = t.outside.queries;
  t.clock.advance(10_000);
  expect(asked).toEqual([]);
  t.clock.advance(5_000);
  expect(asked.length).toBe(1);
  expect(asked[0]).toContain("time < '1970-01-01T00:00:10Z'");
});

describe("stopping", () => {
  test("aborts the query, takes no more of it, and passes the end on", async () => {
    const { t, seen, queries } = start(SEE);
    let aborted = false;
    queries.answers.push(async (take, signal) => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
      await new Promise<void>((done) => signal.addEventListener("abort", () => done()));
      await giving(m(1))(take, signal);
    });
    t.clock.advance(10_000);
    await turns();
    await t.engine.stop("t");
    await turns();
    expect(aborted).toBe(true);
    expect(seen).toEqual(["finish"]);
    expect(t.errors()).toEqual([]);
    t.clock.advance(60_000);
    expect(queries.asked.length).toBe(1);
  });

  test("finishes the batch that is under way", async () => {
    const clock = new SlowClock();
    const { t, seen, queries } = start(SEE, { otherClock: clock });
    const count = 1_000;
    queries.answers.push(giving(m(...Array.from({ length: count }, (_, i) => i))));
    clock.pass(10_000);
    await turns();
    expect(seen.length).toBeLessThan(count);
    await t.engine.stop("t");
    expect(seen.length).toBe(count + 3);
    expect(seen.slice(-2)).toEqual(["end ", "finish"]);
  });
});

/** A clock on which a millisecond passes whenever somebody looks; timers fire when told. */
class SlowClock implements Clock {
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();
  #ms = 0;

  monoMs(): number {
    return this.#ms++;
  }

  now(): Time {
    return { ms: Math.floor(this.#ms), ns: 0 };
  }

  after(delayMs: number, run: () => void): Cancel {
    const timer = { at: this.#ms + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  pass(ms: number): void {
    this.#ms += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#ms || !this.#timers.delete(timer)) continue;
      timer.run();
    }
  }
}

describe("a large batch", () => {
  test("goes in slices, and nothing of the task comes between", async () => {
    const clock = new SlowClock();
    const script = `var q = ${RAW}\nq|see()\nq|stats(1s)|see()`;
    const { seen, queries } = start(script, { otherClock: clock });
    const count = SLICE_CHECK_POINTS * 100;
    queries.answers.push(giving(m(...Array.from({ length: count }, (_, i) => i))));
    clock.pass(10_000);
    await turns();
    const first = seen.length;
    expect(first).toBeGreaterThan(1);
    expect(first).toBeLessThan(count);
    let turnsTaken = 0;
    while (!seen.includes("end ") && turnsTaken++ < 1_000) clock.pass(1_000);
    expect(turnsTaken).toBeGreaterThan(2);
    const begin = seen.findIndex((line) => line.startsWith("begin"));
    const end = seen.indexOf("end ");
    expect(end - begin).toBe(count + 1);
    expect(seen.slice(begin, end)).not.toContain("stats");
    clock.pass(1_000);
    expect(seen.slice(end)).toContain("stats");
  });

  test("of one query waits for that of another", async () => {
    const clock = new SlowClock();
    const script = `${SEE}\n${RAW.replace("db.rp.m", "db.rp.n")}|see()`;
    const { seen, queries } = start(script, { otherClock: clock });
    const many = Array.from({ length: 1_000 }, (_, i) => i);
    queries.answers.push(giving({ ...m(...many), tags: { h: "a" } }));
    queries.answers.push(giving({ ...m(...many), tags: { h: "b" } }));
    clock.pass(10_000);
    for (let i = 0; i < 1_000 && seen.length < 2_004; i++) {
      await turns();
      clock.pass(0);
    }
    expect(seen.filter((line) => !line.startsWith("{"))).toEqual([
      ...["begin h=a", "end h=a", "begin h=b", "end h=b"].map((text) =>
        expect.stringContaining(text),
      ),
    ]);
  });
});

test("a node that throws ends the task, not the others", async () => {
  const { t, queries } = start(`${RAW}|combine(lambda: TRUE, lambda: TRUE).as('a', 'b').max(1)`);
  queries.answers.push(
    giving({ name: "m", columns: ["time", "v"], values: [1, 2, 3].map((v) => [at(1), v]) }),
  );
  t.clock.advance(10_000);
  await turns();
  expect(t.failed.map(({ task }) => task)).toEqual(["t"]);
  expect(t.engine.isRunning("t")).toBe(false);
});

test("points put back by a batch task reach other tasks without a further write", async () => {
  const { t, queries } = start(`${RAW}|kapacitorLoopback().database('back').retentionPolicy('rp')`);
  t.engine.start({
    ...taskOf("s", "stream|from()|httpOut('x')"),
    dbrps: [{ db: "back", rp: "rp" }],
  });
  queries.answers.push(giving(m(1)));
  t.clock.advance(10_000);
  await turns();
  t.clock.advance(0);
  expect(t.engine.endpoint("s", "x")?.series?.length).toBe(1);
});
