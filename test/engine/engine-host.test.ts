import { describe, expect, test } from "bun:test";
import { BACKLOG_WRITES_MAX, SLICE_CHECK_LINES, SLICE_MS } from "#engine/limits.ts";
import { defineNode } from "#engine/node.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { Forwarding } from "#engine/receiver.ts";
import type { Cancel, Clock } from "#lib/clock.ts";
import type { Time } from "#lib/time.ts";
import { TestEngine, type TestEngineOptions, taskOf } from "#test/support/engine.ts";

const COUNT = "stream\n|from().measurement('m')\n|httpOut('out')";

/** A clock on which a millisecond passes whenever somebody looks, and turns happen when told. */
class BusyClock implements Clock {
  readonly #waiting: (() => void)[] = [];
  #ms = 0;

  monoMs(): number {
    return this.#ms++;
  }

  now(): Time {
    return { ms: 0, ns: 0 };
  }

  after(_delayMs: number, run: () => void): Cancel {
    this.#waiting.push(run);
    return () => {};
  }

  /** Runs what was put off until the next turn of the event loop. */
  turn(): void {
    for (const run of this.#waiting.splice(0)) run();
  }
}

function busy(options: TestEngineOptions = {}) {
  const clock = new BusyClock();
  const t = new TestEngine({ ...options, otherClock: clock });
  t.start("a", "stream\n|from()\n|httpOut('out')");
  const turns = (): void => {
    for (let turn = 0; turn < 50; turn++) clock.turn();
  };
  return { t, turns, turn: () => clock.turn() };
}

function lines(count: number, start = 0): string {
  return Array.from({ length: count }, (_, i) => `m v=${start + i} ${i + 1}\n`).join("");
}

async function settledNow<T>(promise: Promise<T>): Promise<T | "waiting"> {
  await Promise.resolve();
  await Promise.resolve();
  return Promise.race([promise, Promise.resolve("waiting" as const)]);
}

describe("writing", () => {
  test("answers with the number of lines, also those that nobody wants", async () => {
    const t = new TestEngine();
    t.start("a", COUNT);
    expect(await t.write("m v=1 1\nother v=1 1\n")).toEqual({ kind: "written", points: 2 });
    expect(t.engine.stats("a")?.nodeStats["stream0"]).toMatchObject({ collected: 1, emitted: 1 });
  });

  test("takes nothing of a body with a bad line", async () => {
    const t = new TestEngine();
    t.start("a", COUNT);
    const outcome = await t.write("m v=1 1\nbad\n");
    expect(outcome).toEqual({
      kind: "malformed",
      errors: ["unable to parse 'bad': missing fields"],
    });
    expect(t.engine.stats("a")?.nodeStats["stream0"]).toMatchObject({ collected: 0 });
    expect(t.engine.ingress()).toEqual([]);
  });

  test("counts what came in per measurement", async () => {
    const t = new TestEngine();
    await t.write("m v=1 1\nm v=2 2\nn v=1 1\n");
    expect(t.engine.ingress()).toEqual([
      { db: "db", rp: "rp", measurement: "m", points: 2 },
      { db: "db", rp: "rp", measurement: "n", points: 1 },
    ]);
  });

  test("works at most a slice, then returns to the event loop and goes on", async () => {
    const { t, turns } = busy();
    const answer = t.write(lines(1_000));
    expect(await settledNow(answer)).toBe("waiting");
    const done = () => t.engine.stats("a")?.nodeStats["from1"]?.["collected"] ?? 0;
    expect(done()).toBeLessThan(SLICE_MS * SLICE_CHECK_LINES);
    turns();
    expect(await answer).toEqual({ kind: "written", points: 1_000 });
    expect(done()).toBe(1_000);
  });

  test("handles bodies one after the other, in order of arrival", async () => {
    const { t, turns } = busy();
    const order: string[] = [];
    const first = t.write(lines(1_000)).then(() => order.push("first"));
    const second = t.write(lines(1, 500)).then(() => order.push("second"));
    turns();
    await Promise.all([first, second]);
    expect(order).toEqual(["first", "second"]);
  });

  test("lets go of finished bodies although others always wait", async () => {
    const { t, turn } = busy();
    let collected = 0;
    const gone = new FinalizationRegistry(() => collected++);
    const write = (): Promise<unknown> => {
      const body = new TextEncoder().encode(lines(300));
      gone.register(body, undefined);
      return t.engine.write({ db: "db", rp: "rp", precision: "ns", body });
    };
    const waiting = [write(), write(), write()];
    for (let i = 0; i < 200; i++) {
      waiting.push(write());
      while ((await settledNow(waiting[0] ?? write())) === "waiting") turn();
      expect(await settledNow(waiting[2] ?? write())).toBe("waiting");
      waiting.shift();
    }
    Bun.gc(true);
    await new Promise((resolve) => setImmediate(resolve));
    // The stack may still name a few.
    expect(collected).toBeGreaterThan(150);
  });

  test.each([
    ["bytes", { backlogBytesMax: 5_000 }],
    ["writes", { backlogWritesMax: 1 }],
  ])("refuses what is beyond the bound of waiting %s, taking nothing", async (_name, bounds) => {
    const { t, turns } = busy(bounds);
    const first = t.write(lines(1_000));
    expect(await t.write(lines(1))).toEqual({ kind: "overloaded" });
    turns();
    expect(await first).toEqual({ kind: "written", points: 1_000 });
    expect(t.engine.stats("a")?.nodeStats["from1"]).toMatchObject({ collected: 1_000 });
    const later = t.write(lines(1));
    turns();
    expect((await later).kind).toBe("written");
  });

  test("a single body larger than the bound is taken when nothing else waits", async () => {
    const t = new TestEngine({ backlogBytesMax: 10 });
    t.start("a", COUNT);
    expect((await t.write(lines(10))).kind).toBe("written");
    expect(BACKLOG_WRITES_MAX).toBeGreaterThan(1);
  });

  test("the answer waits until the events that were raised are safe", async () => {
    const t = new TestEngine();
    t.start("a", "stream\n|from()\n|alert().crit(lambda: \"v\" > 1.0).topic('x')");
    let safe: () => void = () => {};
    t.alerts.safe = new Promise((resolve) => {
      safe = resolve;
    });
    expect(await settledNow(t.write("m v=1 1\n"))).toEqual({ kind: "written", points: 1 });
    const raising = t.write("m v=2 2\n");
    expect(await settledNow(raising)).toBe("waiting");
    safe();
    expect(await raising).toEqual({ kind: "written", points: 1 });
  });

  test("closing answers what waits as overloaded, and refuses later writes", async () => {
    const { t } = busy();
    const waiting = t.write(lines(1_000));
    await t.engine.close();
    expect(await waiting).toEqual({ kind: "overloaded" });
    expect(await t.write("m v=1 1\n")).toEqual({ kind: "overloaded" });
    expect(t.engine.isRunning("a")).toBe(false);
  });
});

describe("kapacitorLoopback", () => {
  const LOOP = (db: string, to: string) => ({
    ...taskOf(
      db,
      `stream\n|from()\n|kapacitorLoopback().database('${to}').retentionPolicy('rp').tag('by', '${db}')`,
    ),
    dbrps: [{ db, rp: "rp" }],
  });

  test("gives points to other tasks before the write is answered", async () => {
    const t = new TestEngine();
    t.engine.start(LOOP("db", "other"));
    t.engine.start({ ...taskOf("b", COUNT), dbrps: [{ db: "other", rp: "rp" }] });
    await t.write("m,h=a v=1 1000000000\n");
    expect(t.engine.endpoint("b", "out")).toEqual({
      series: [
        {
          name: "m",
          tags: { by: "db", h: "a" },
          columns: ["time", "v"],
          values: [["1970-01-01T00:00:01Z", 1]],
        },
      ],
    });
    expect(t.engine.stats("db")?.nodeStats["kapacitor_loopback2"]).toMatchObject({
      points_written: 1,
    });
  });

  test("two tasks that feed each other do not hold up the write for ever", async () => {
    const t = new TestEngine();
    t.engine.start(LOOP("db", "other"));
    t.engine.start(LOOP("other", "db"));
    t.clock.after(1, () => {});
    const answer = t.write("m v=1 1\n");
    t.engine.stop("other");
    expect(await answer).toEqual({ kind: "written", points: 1 });
  });
});

describe("tasks", () => {
  test("a running task is refused, a stopped one can start again", async () => {
    const t = new TestEngine();
    expect(t.start("a", COUNT)).toEqual({ kind: "started" });
    expect(t.start("a", COUNT)).toEqual({
      kind: "refused",
      error: "task a is already running",
    });
    await t.engine.stop("a");
    expect(t.start("a", COUNT)).toEqual({ kind: "started" });
  });

  test("a script that cannot be read is refused with its error", () => {
    const t = new TestEngine();
    const outcome = t.start("a", "stream|nothing()");
    expect(outcome.kind === "refused" && outcome.error).toContain(
      'no method or property "nothing" on *pipeline.StreamNode',
    );
  });

  test("a combination of types that never works is refused when the task is enabled", () => {
    const t = new TestEngine();
    const outcome = t.start("a", "stream|from()|where(lambda: 1 + 1.0 > 2.0)");
    expect(outcome.kind === "refused" && outcome.error).toStartWith(
      "Failed to compile 0 expression: mismatched type",
    );
  });

  test("edges of different types are refused", () => {
    const t = new TestEngine();
    const script = "var a = stream|from()\nvar b = stream|from()|window().period(1s)\na|union(b)";
    expect(t.start("a", script)).toEqual({
      kind: "refused",
      error: "cannot add child mismatched edges: window3:batch -> union5:stream",
    });
  });

  test("an endpoint can be registered only once", () => {
    const t = new TestEngine();
    const script = "var a = stream|from()\na|httpOut('x')\na|httpOut('x')";
    expect(t.start("a", script)).toEqual({
      kind: "refused",
      error: "http: multiple registrations for /kapacitor/v1/tasks/a/x",
    });
  });

  test("endpoints are there while the task runs", async () => {
    const t = new TestEngine();
    t.start("a", COUNT);
    expect(t.engine.endpoints()).toEqual(["a/out"]);
    expect(t.engine.endpoint("a", "out")).toEqual({ series: null });
    await t.engine.stop("a");
    expect(t.engine.endpoints()).toEqual([]);
    expect(t.engine.endpoint("a", "out")).toBeUndefined();
  });

  test("vars reach the script", async () => {
    const t = new TestEngine();
    t.start("a", "var m = 'x'\nstream|from().measurement(m)|httpOut('out')", {
      m: { kind: "string", value: "m" },
    });
    await t.write("m v=1 1\n");
    expect(t.engine.stats("a")?.nodeStats["from1"]).toMatchObject({ emitted: 1 });
  });
});

describe("a node that fails", () => {
  const FAILING =
    "stream|from()|combine(lambda: TRUE, lambda: TRUE).as('a', 'b').max(0)|httpOut('o')";
  const TEXT =
    "combine2: refusing to perform combination as total combinations 1 exceeds max combinations 0";

  test("ends its task with the cause, and no other", async () => {
    const t = new TestEngine();
    t.start("bad", FAILING);
    t.start("good", COUNT);
    const outcome = await t.write("m v=1 1\nm v=2 1\nm v=3 2\nm v=4 3\n");
    expect(outcome).toEqual({ kind: "written", points: 4 });
    expect(t.failed).toEqual([{ task: "bad", error: TEXT }]);
    expect(t.engine.isRunning("bad")).toBe(false);
    expect(t.engine.stats("good")?.nodeStats["from1"]).toMatchObject({ collected: 4 });
    expect(t.errors()).toEqual([`combine2: node failed: ${TEXT.slice("combine2: ".length)}`]);
  });

  test("in a timer ends its task too", () => {
    const bomb = defineNode({
      method: "bomb",
      goType: "*test.BombNode",
      wants: "either",
      provides: "same",
      doc: "Fails after a second.",
      options: () => undefined,
      start(_options, context) {
        context.after(1_000, () => {
          throw new Error("boom");
        });
        return new Forwarding(context.out);
      },
    });
    const t = new TestEngine({ specs: new Map([...NODE_SPECS, ["bomb", bomb]]) });
    t.start("a", "stream|from()|bomb()");
    t.clock.advance(999);
    expect(t.engine.isRunning("a")).toBe(true);
    t.clock.advance(1);
    expect(t.failed).toEqual([{ task: "a", error: "bomb2: boom" }]);
  });

  test("whose task was stopped leaves no timer behind", async () => {
    const t = new TestEngine();
    t.start("a", "stream|from()|stats(1s)");
    await t.engine.stop("a");
    t.clock.advance(10_000);
    expect(t.failed).toEqual([]);
  });
});

describe("error lines", () => {
  test("are bounded per second, and the next line says how many were left out", async () => {
    const t = new TestEngine();
    t.start("a", 'stream|from()|where(lambda: "x" > 1)');
    await t.write(lines(250));
    expect(t.errors().length).toBe(100);
    expect(t.engine.stats("a")?.nodeStats["where2"]).toMatchObject({ errors: 250 });
    t.clock.advance(1_000);
    await t.write("m v=1 1\n");
    expect(t.log.at(-1)?.fields).toMatchObject({ suppressed: 150 });
  });

  test("are left out, but counted, for quiet nodes", async () => {
    const t = new TestEngine();
    t.start("a", 'stream|from()|where(lambda: "x" > 1).quiet()');
    await t.write(lines(3));
    expect(t.errors()).toEqual([]);
    expect(t.engine.stats("a")?.nodeStats["where2"]).toMatchObject({ errors: 3 });
  });
});
