/**
 * Windows whose points are worked on as they come must give what windows give that keep their points. A window with
 * two nodes below it keeps them, so it is the oracle.
 */

import { describe, expect, test } from "bun:test";
import type { SnapshotStore } from "#engine/ports.ts";
import type { TaskSnapshot } from "#engine/snapshot.ts";
import { SeededRandom } from "#lib/random.ts";
import { TestEngine } from "#test/support/engine.ts";

const FROM = "stream|from().measurement('m').groupBy('h')";
const ALERT = "|alert().crit(lambda: TRUE).topic";

/** The same window twice: one that folds, one that cannot. */
function pair(before: string, window: string, fn: string): readonly [string, string] {
  return [
    `${FROM}${before}|window()${window}|${fn}('v').as('x')${ALERT}('folds')`,
    `var w = ${FROM}${before}|window()${window}
     w|${fn}('v').as('x')${ALERT}('keeps')
     w|count('v')|httpOut('rest')`,
  ];
}

/** What came out of a task, and what its window and function have counted. */
function outcome(t: TestEngine, task: string) {
  const nodes = t.engine.stats(task)?.nodeStats ?? {};
  const counted = Object.entries(nodes)
    .filter(([name]) => /^(mean|sum|count)\d|^alert/.test(name) && nodes[name]?.["collected"])
    .map(([name, node]) => [name.replace(/\d+$/, ""), node["collected"], node["errors"]]);
  return {
    events: t.alerts.events
      .filter(({ taskName }) => taskName === task)
      .map(({ id, time, fields }) => [id, time, fields]),
    counted: counted.slice(0, 2),
  };
}

/** Points with late ones, gaps, and fields that are missing or of another type. */
function lines(random: SeededRandom, count: number): readonly string[] {
  let second = 1_000;
  return Array.from({ length: count }, () => {
    second += random.below(20) === 0 ? 25 : random.below(3);
    const at = second - (random.below(6) === 0 ? random.below(15) : 0);
    const odd = random.below(12);
    const field =
      odd === 0 ? "w=1" : odd === 1 ? `v=${random.below(9)}i` : `v=${random.below(1000) / 7}`;
    return `m,h=h${random.below(3)} ${field} ${at}${String(random.below(1e9)).padStart(9, "0")}\n`;
  });
}

class Kept implements SnapshotStore {
  text = "";

  load(): TaskSnapshot | undefined {
    return this.text === "" ? undefined : JSON.parse(this.text);
  }

  async save(_task: string, snapshot: TaskSnapshot): Promise<void> {
    this.text = JSON.stringify(snapshot);
  }
}

describe("a window whose points go out once", () => {
  test.each([
    ["", ".period(10s).every(10s)", "mean"],
    ["", ".period(10s).every(10s).align()", "mean"],
    ["", ".period(10s).every(10s)", "sum"],
    ["", ".period(7s).every(7s).align()", "count"],
    ["|barrier().idle(3s)", ".period(10s).every(10s)", "mean"],
    ["|barrier().idle(3s)", ".period(10s).every(10s).align()", "sum"],
    ["|barrier().idle(3s).delete(TRUE)", ".period(10s).every(10s)", "count"],
  ])("gives the same without keeping them: %s %s %s", async (before, window, fn) => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = new SeededRandom(seed);
      const t = new TestEngine();
      const [folds, keeps] = pair(before, window, fn);
      expect(t.start("folds", folds)).toEqual({ kind: "started" });
      expect(t.start("keeps", keeps)).toEqual({ kind: "started" });
      const all = lines(random, 300);
      for (let i = 0; i < all.length; ) {
        const size = 1 + random.below(20);
        await t.write(all.slice(i, i + size).join(""));
        i += size;
        if (random.below(4) === 0) t.clock.advance(random.below(5_000));
      }
      const last = "m,h=h0 v=1 9000000000000\nm,h=h1 v=1 9000000000000\nm,h=h2 v=1 9000000000000\n";
      await t.write(last);
      const found = outcome(t, "folds");
      expect(found.events.length).toBeGreaterThan(20);
      expect(found.events).toEqual(outcome(t, "keeps").events);
      if (!before.includes("delete")) {
        expect(found.counted).toEqual(outcome(t, "keeps").counted);
      }
      await t.engine.close();
    }
  });

  test.each(["mean", "sum", "count"])("goes on after a restart at any point: %s", async (fn) => {
    const [folds] = pair("", ".period(10s).every(10s)", fn);
    const all = [
      ...lines(new SeededRandom(3), 60),
      "m,h=i v=9007199254740993i 2000000000000\n",
      "m,h=i v=9007199254740995i 2001000000000\n",
      "m,h=i v=1i 2100000000000\n",
    ];
    const whole = new TestEngine();
    whole.start("folds", folds);
    await whole.write(all.join(""));
    const wanted = outcome(whole, "folds").events;
    const snapshots = new Kept();
    const got: unknown[] = [];
    for (const line of all) {
      const t = new TestEngine({ snapshots });
      t.start("folds", folds);
      await t.write(line);
      got.push(...outcome(t, "folds").events);
      await t.engine.close();
    }
    expect(got).toEqual(wanted);
  });

  test.each([
    [".period(10s).every(10s)", 2, []],
    [".period(10s).every(10s)", 3, ["window2: the task holds more than 4 points"]],
    // Saved with its points, of which the two that it can use are not kept any more.
    [".period(10s).every(10s).fillPeriod()", 2, []],
    [".period(10s).every(10s).fillPeriod()", 3, ["window2: the task holds more than 4 points"]],
  ])(
    "counts what it cannot use among the points held, also after a restart: %s, %p more",
    async (before, more, errors) => {
      const snapshots = new Kept();
      const first = new TestEngine({ snapshots });
      first.start("a", script(before));
      const lines = ["w=1 1", "v=1 2", "w=1 3", "v=2 4"].map((line) => `m,h=a ${line}000000000\n`);
      await first.write(lines.join(""));
      await first.engine.close();
      const limits = { groupsMax: 0, bufferedPointsMax: 4 };
      const t = new TestEngine({ snapshots, limits });
      t.start("a", script(".period(10s).every(10s)"));
      await t.write("m,h=a w=1 5000000000\n".repeat(more));
      expect(t.failed.map(({ error }) => error.replace(/ \(.*/, ""))).toEqual([...errors]);
    },
  );

  const script = (window: string, field = "v"): string =>
    `${FROM}|window()${window}|mean('${field}').as('x')${ALERT}('t')`;

  /** Events after the second start, with what was saved by the first. */
  async function changed(first: string, second: string): Promise<TestEngine> {
    const snapshots = new Kept();
    const t = new TestEngine({ snapshots });
    t.start("a", first);
    await t.write("m,h=a v=1 1000000000\nm,h=a v=2 2000000000\n");
    await t.engine.close();
    const after = new TestEngine({ snapshots });
    after.start("a", second);
    await after.write("m,h=a v=6,u=8 3000000000\nm,h=a v=9 11000000000\n");
    return after;
  }

  const [KEEPS, FOLDS] = [".period(10s).every(10s).fillPeriod()", ".period(10s).every(10s)"];

  test("takes up a window that was saved with its points", async () => {
    const t = await changed(script(KEEPS), script(FOLDS));
    expect(t.alerts.events.map(({ fields }) => fields)).toEqual([{ x: 3 }]);
    expect(t.errors()).toEqual([]);
  });

  test("saved without its points, goes on with later ones when the script wants them kept", async () => {
    const t = await changed(script(FOLDS), script(KEEPS));
    expect(t.alerts.events.map(({ fields }) => fields)).toEqual([{ x: 6 }]);
    expect(t.errors()).toEqual([]);
  });

  test("forgets what was saved of another field", async () => {
    const t = await changed(script(FOLDS), script(FOLDS, "u"));
    expect(t.alerts.events.map(({ fields }) => fields)).toEqual([{ x: 8 }]);
  });
});
