/** When states of tasks are saved, and what happens to those that do not fit. */

import { describe, expect, test } from "bun:test";
import type { SnapshotStore } from "#engine/ports.ts";
import type { TaskSnapshot } from "#engine/snapshot.ts";
import { TestEngine } from "#test/support/engine.ts";

const SCRIPT = "stream|from().groupBy('h')|stateCount(lambda: TRUE)|httpOut('x')";

class Saved implements SnapshotStore {
  readonly texts = new Map<string, string>();
  saves = 0;
  fails = false;

  load(task: string): TaskSnapshot | undefined {
    const text = this.texts.get(task);
    return text === undefined ? undefined : JSON.parse(text);
  }

  async save(task: string, snapshot: TaskSnapshot): Promise<void> {
    this.saves++;
    if (this.fails) throw new Error("disk full");
    this.texts.set(task, JSON.stringify(snapshot));
  }
}

const count = (t: TestEngine): unknown =>
  t.engine.endpoint("a", "x")?.series?.map(({ values }) => values?.[0]?.[1]);

describe("states of tasks", () => {
  test("are saved at the interval, so that a crash costs no more than that", async () => {
    const snapshots = new Saved();
    const t = new TestEngine({ snapshots, snapshotIntervalMs: 60_000 });
    t.start("a", SCRIPT);
    await t.write("m,h=a v=1 1\nm,h=a v=1 2\n");
    t.clock.advance(59_999);
    expect(snapshots.saves).toBe(0);
    t.clock.advance(1);
    await t.write("m,h=a v=1 3\n");
    const after = new TestEngine({ snapshots });
    after.start("a", SCRIPT);
    await after.write("m,h=a v=1 3\n");
    expect(count(after)).toEqual([3]);
  });

  test.each([
    ["the task", (t: TestEngine) => t.engine.stop("a")],
    ["the engine", (t: TestEngine) => t.engine.close()],
  ])("are saved when %s stops", async (_what, stop) => {
    const snapshots = new Saved();
    const t = new TestEngine({ snapshots });
    t.start("a", SCRIPT);
    await t.write("m,h=a v=1 1\nm,h=a v=1 2\n");
    await stop(t);
    const after = new TestEngine({ snapshots });
    after.start("a", SCRIPT);
    expect(count(after)).toEqual([2]);
  });

  test("of alerts that were OK all along give way to what their topic learned after the save", async () => {
    const snapshots = new Saved();
    const script = `stream|from().groupBy('h')|alert().crit(lambda: "v" > 5.0).topic('x')`;
    const before = new TestEngine({ snapshots, snapshotIntervalMs: 1_000 });
    before.start("a", script);
    await before.write("m,h=a v=1 1\nm,h=b v=1 1\n");
    before.clock.advance(1_000);
    await before.write("m,h=a v=9 2\n");
    // The process is gone: the events are safe, the state after the save is not.
    const after = new TestEngine({ snapshots });
    for (const [key, state] of before.alerts.states) after.alerts.states.set(key, state);
    after.start("a", script);
    expect(after.engine.stats("a")?.nodeStats["alert2"]?.["working_cardinality"]).toBe(2);
    await after.write("m,h=a v=1 3\nm,h=b v=1 3\n");
    expect(after.alerts.events.map(({ id, level }) => [id, level])).toEqual([["m:h=a", 0]]);
  });

  test("are not saved when the task died", async () => {
    const snapshots = new Saved();
    const limits = { groupsMax: 1, bufferedPointsMax: 0 };
    const t = new TestEngine({ snapshots, limits });
    t.start("a", SCRIPT);
    await t.write("m,h=a v=1 1\nm,h=b v=1 2\n");
    expect([t.failed.length, snapshots.saves]).toEqual([1, 0]);
  });

  test("are neither taken up nor saved by replays", async () => {
    const snapshots = new Saved();
    const t = new TestEngine({ snapshots });
    t.start("a", SCRIPT);
    await t.write("m,h=a v=1 1\n");
    await t.engine.close();
    const replay = new TestEngine({ snapshots, takesBatches: true, name: "replay" });
    replay.start("a", SCRIPT);
    await replay.write("m,h=a v=1 1\n");
    expect(count(replay)).toEqual([1]);
    await replay.engine.close();
    expect(snapshots.saves).toBe(1);
  });

  test("are left out when the nodes are others now", async () => {
    const snapshots = new Saved();
    const t = new TestEngine({ snapshots });
    t.start("a", SCRIPT);
    await t.write("m,h=a v=1 1\n");
    await t.engine.close();
    const after = new TestEngine({ snapshots });
    after.start("a", SCRIPT.replace("|stateCount", "|log()|stateCount"));
    await after.write("m,h=a v=1 2\n");
    expect(count(after)).toEqual([1]);
  });

  test("outlive a window's messages only in the nodes: what a join holds is not let go by a close", async () => {
    const snapshots = new Saved();
    const script =
      "var a = stream|from().measurement('m') var b = stream|from().measurement('n') a|join(b).as('a','b').fill(0)|httpOut('x')";
    const t = new TestEngine({ snapshots });
    t.start("a", script);
    await t.write("m v=1 1\n");
    await t.engine.close();
    const after = new TestEngine({ snapshots });
    after.start("a", script);
    expect(count(after)).toBeUndefined();
    await after.write("n v=2 1\n");
    expect(after.engine.endpoint("a", "x")?.series?.[0]?.values?.[0]?.slice(1)).toEqual([1, 2]);
  });

  /** The saved text with something broken in it. */
  const DAMAGE: readonly (readonly [string, (text: string) => string])[] = [
    ["another version", (text) => text.replace('"version":1', '"version":9')],
    ["no groups", (text) => text.replace(/"groups":\[\[.*?\]\]\]/, '"groups":[]')],
    ["a state of another form", (text) => text.replace(/\[1,\[2\]\]/, '[1,"two"]')],
    ["a group without table", (text) => text.replace('[0,"m"', '[7,"m"')],
    [
      "dimensions that are none",
      (text) => text.replace(/"dimensions":\[.*?\]\]\]/, '"dimensions":[]'),
    ],
    ["no states", (text) => text.replace(/"states":.*/, '"states":{}}')],
  ];

  test.each(DAMAGE)(
    "that are damaged (%s) are left out, and the task starts",
    async (_name, damage) => {
      const snapshots = new Saved();
      const t = new TestEngine({ snapshots });
      t.start("a", SCRIPT);
      await t.write("m,h=a v=1 1\nm,h=a v=1 2\n");
      await t.engine.close();
      const good = snapshots.texts.get("a") ?? "";
      const bad = damage(good);
      expect(bad).not.toBe(good);
      snapshots.texts.set("a", bad);
      const after = new TestEngine({ snapshots });
      expect(after.start("a", SCRIPT)).toEqual({ kind: "started" });
      await after.write("m,h=a v=1 3\n");
      expect(count(after)).toEqual([1]);
    },
  );

  test("that cannot be read or stored are logged, and the task goes on", async () => {
    const snapshots = new Saved();
    snapshots.fails = true;
    const t = new TestEngine({ snapshots, snapshotIntervalMs: 1_000 });
    t.start("a", SCRIPT);
    t.clock.advance(1_000);
    await t.write("m,h=a v=1 1\n");
    expect(t.log.map(({ message }) => message)).toContain("the state of the task was not stored");
    snapshots.texts.set("b", "no json");
    expect(t.start("b", SCRIPT)).toEqual({ kind: "started" });
    expect(t.log.map(({ message }) => message)).toContain(
      "the saved state of the task cannot be read",
    );
  });

  test("go beyond 2^53, infinities and negative zero", async () => {
    const snapshots = new Saved();
    const script = "stream|from()|changeDetect('i', 'f', 'z')|httpOut('x')";
    const t = new TestEngine({ snapshots });
    t.start("a", script);
    await t.write("m i=9223372036854775807i,f=-0,z=1e308 1\n");
    const before = t.engine.endpoint("a", "x");
    await t.engine.close();
    const after = new TestEngine({ snapshots });
    after.start("a", script);
    expect(after.engine.endpoint("a", "x")).toEqual(before);
    await after.write("m i=9223372036854775807i,f=-0,z=1e308 2\n");
    expect(after.engine.endpoint("a", "x")).toEqual(before);
  });
});
