/**
 * Points go to the tasks in runs, task by task. What a task sees, and what it answers, must not depend on that.
 */

import { describe, expect, test } from "bun:test";
import { Fork, type ForkTarget } from "#engine/fork.ts";
import { Point } from "#model/point.ts";
import { SeriesTable } from "#model/series-table.ts";
import { internShape } from "#model/shape.ts";
import { TestEngine, taskOf } from "#test/support/engine.ts";
import { point } from "#test/support/points.ts";

class Seen implements ForkTarget {
  readonly dbrps = [{ db: "db", rp: "rp" }];
  readonly measurements: ReadonlySet<string>;
  readonly points: Point[] = [];
  readonly seats: number[] = [];
  runs = 0;

  constructor(...measurements: string[]) {
    this.measurements = new Set(measurements);
  }

  fieldsOf(): "all" {
    return "all";
  }

  push(one: Point): void {
    this.points.push(one);
  }

  pushRun(points: Point[], count: number): void {
    this.runs++;
    for (let i = 0; i < count; i++) {
      this.points.push(points[i] as Point);
      this.seats.push((points[i] as Point).seat);
      // Allowed by the contract.
      points[i] = point("other", {}, {}, 0);
    }
  }
}

describe("the fork", () => {
  const mixed = ["cpu", "mem", "cpu", "net", "mem", "cpu"].map((name, i) =>
    point(name, { host: `h${i}` }, { v: i }, i),
  );

  test("gives every task its points in order, in one run each", () => {
    const fork = new Fork();
    const targets = [new Seen("cpu"), new Seen("cpu"), new Seen("mem"), new Seen("cpu", "mem")];
    const all = new Seen("");
    for (const target of [...targets, all]) fork.add(target);
    fork.pushRun(mixed, 0, mixed.length);
    const valuesOf = (seen: Seen): unknown[] => seen.points.map(({ values }) => values[0]);
    expect(targets.map(valuesOf)).toEqual([
      [0, 2, 5],
      [0, 2, 5],
      [1, 4],
      [0, 1, 2, 4, 5],
    ]);
    expect(valuesOf(all)).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...targets, all].map(({ runs }) => runs)).toEqual([1, 1, 1, 1, 1]);
    fork.close();
  });

  test("gives the part asked for, and seats only while the run lasts", () => {
    const fork = new Fork();
    const seen = new Seen("mem");
    fork.add(seen);
    fork.pushRun(mixed, 1, 5);
    expect(seen.points).toEqual([mixed[1], mixed[4]] as Point[]);
    expect(seen.seats).toEqual([0, 3]);
    expect(mixed.map(({ seat }) => seat)).toEqual([-1, -1, -1, -1, -1, -1]);
    fork.close();
  });

  test("a target without runs gets the points one by one", () => {
    const fork = new Fork();
    const got: number[] = [];
    const target = {
      dbrps: [{ db: "db", rp: "rp" }],
      measurements: new Set(["cpu"]),
      fieldsOf: () => "all" as const,
      push: ({ timeMs }: Point) => void got.push(timeMs),
    };
    fork.add(target);
    fork.pushRun(mixed, 0, mixed.length);
    expect(got).toEqual([0, 2000, 5000]);
    fork.close();
  });
});

describe("what is known of a measurement's series", () => {
  test("holds for those interned anew and those that are not interned, until a task stops", () => {
    const table = new SeriesTable();
    const fork = new Fork();
    const seen = new Seen("cpu");
    fork.add(seen);
    const made = (): Point => {
      const series = table.intern("db", "rp", "cpu", { host: "a" });
      return new Point(series, internShape([], []), [], 0, 0);
    };
    const [first, second] = [made(), made()];
    table.restart();
    const third = made();
    expect(first.series).toBe(second.series);
    expect(third.series.home).not.toBe(first.series.home);
    const loose = point("cpu", {}, {}, 0);
    const all = [first, second, third, loose, point("mem", {}, {}, 0)];
    for (const one of all) fork.push(one);
    expect(seen.points).toEqual([first, second, third, loose]);
    fork.remove(seen);
    for (const one of all) fork.push(one);
    expect(seen.points.length).toBe(4);
    fork.close();
  });

  test.each([
    [[{ db: "db", rp: "rp" }], 2, 4],
    [
      [
        { db: "db", rp: "rp" },
        { db: "db", rp: "other" },
      ],
      2,
      8,
    ],
  ])("groups by tags alone, whatever the database: %j", async (dbrps, groups, points) => {
    const t = new TestEngine();
    const script = `stream|from().measurement('m').groupBy('h')|where(lambda: "v" > 0)|count('v')`;
    t.engine.start({ ...taskOf("a", script), dbrps });
    for (let i = 0; i < 2; i++) {
      const lines = `m,h=a,k=${i} v=1i 1\nm,h=b,k=${i} v=1i 1\nn,h=c v=1i 1\n`;
      await t.write(lines);
      await t.write(lines, { rp: "other" });
    }
    const { where2 } = t.engine.stats("a")?.nodeStats ?? {};
    expect([where2?.["working_cardinality"], where2?.["collected"]]).toEqual([groups, points]);
    await t.engine.close();
  });
});

describe("conditions shared by tasks", () => {
  const LINES = Array.from({ length: 600 }, (_, i) => {
    const field = i % 7 === 0 ? 'w="x"' : `v=${i % 10}`;
    return `m,host=h${i % 3} ${field} ${i}000000000\n`;
  }).join("");

  /** Events of the tasks as `time level`, and the counters of their nodes. */
  function outcome(tasks: readonly string[], lines: readonly string[]) {
    return outcomeOf(tasks, async (t) => {
      for (const body of lines) await t.write(body);
    });
  }

  async function outcomeOf(tasks: readonly string[], feed: (t: TestEngine) => Promise<void>) {
    const t = new TestEngine();
    tasks.forEach((script, i) => {
      expect(t.start(`t${i}`, script)).toEqual({ kind: "started" });
    });
    await feed(t);
    const events = tasks.map((_, i) =>
      t.alerts.events
        .filter(({ taskName }) => taskName === `t${i}`)
        .map(({ time, level, id }) => `${time.ms} ${level} ${id}`),
    );
    const stats = tasks.map((_, i) => {
      const nodes = t.engine.stats(`t${i}`)?.nodeStats ?? {};
      return Object.entries(nodes).map(([name, { collected, errors, working_cardinality }]) => ({
        ...{ name, collected, errors, working_cardinality },
      }));
    });
    await t.engine.close();
    return { events, stats };
  }

  const where = (topic: string): string =>
    `stream|from().measurement('m').groupBy('host')|where(lambda: "v" > 4.0)
    |alert().crit(lambda: "v" > 7.0).topic('${topic}')`;
  const windows = `stream|from().measurement('m')|window().period(20s).every(10s)
    |where(lambda: "v" > 4.0)|count('v')|alert().crit(lambda: "count" > 8).topic('two')`;
  const branches = `var a = stream|from().measurement('m')|where(lambda: "v" > 4.0)
    var b = stream|from().measurement('m')|where(lambda: "v" <= 7.0)
    a|union(b)|alert().crit(lambda: "v" > 7.0).topic('three')`;

  test("runs of many points and points that come alone end the same", async () => {
    const tasks = [where("one"), windows, where("other"), branches];
    const alone = LINES.split("\n").slice(0, -1);
    const together = await outcome(tasks, [LINES]);
    expect(together.events.every(({ length }) => length > 0)).toBe(true);
    expect(together).toEqual(await outcome(tasks, alone));
  });

  test("conditions one below the other choose from the list of their own task", async () => {
    const both = Array.from({ length: 400 }, (_, i) => {
      const field = i % 11 === 0 ? 'w="x"' : `v=${(i * 7) % 10}`;
      return `${i % 2 === 0 ? "m" : "n"},host=h${i % 3} ${field} ${i}000000000\n`;
    });
    const low = `|where(lambda: "v" > 2.0)`;
    const high = `|where(lambda: "v" < 8.0)`;
    const chains = [`${low}${high}`, `${high}${low}`, `${low}${low}`, low, `${low}${high}${low}`];
    const tasks = ["m", "n", "m", "n"].flatMap((name, i) =>
      chains.map(
        (chain, c) =>
          `stream|from().measurement('${name}')${c === 3 ? '.where(lambda: "v" < 8.0)' : ""}${chain}
          |alert().crit(lambda: "v" > 4.0).topic('t${i}-${c}')`,
      ),
    );
    tasks.push(
      `stream|from().measurement('m')|from().measurement('m').groupBy('host')
       |alert().crit(lambda: "v" > 4.0).topic('grouped')`,
    );
    const together = await outcome(tasks, [both.join("")]);
    expect(together.events.every(({ length }) => length > 0)).toBe(true);
    expect(together).toEqual(await outcome(tasks, both));
  });

  /** The points of these lines, as a reader gives them. */
  async function pointsOf(lines: string): Promise<readonly Point[]> {
    const t = new TestEngine();
    const seen: Point[] = [];
    t.engine.tap({
      dbrps: [{ db: "db", rp: "rp" }],
      measurements: new Set([""]),
      fieldsOf: () => "all",
      push: (one) => void seen.push(one),
    });
    await t.write(lines);
    await t.engine.close();
    return seen;
  }

  const NEXT_TO_NONE = `.crit(lambda: "v" > 96.0)`;

  test.each([
    [NEXT_TO_NONE, ""],
    [`${NEXT_TO_NONE}.stateChangesOnly()`, ""],
    [`${NEXT_TO_NONE}.stateChangesOnly(300s)`, ""],
    [`${NEXT_TO_NONE}.critReset(lambda: "v" < 20.0)`, ""],
    [`.info(lambda: "v" > 94.0).warn(lambda: "v" > 95.0)${NEXT_TO_NONE}`, ""],
    [`.info(lambda: "v" > 94.0)${NEXT_TO_NONE}.warn(lambda: count() % 50 == 0)`, ""],
    [`${NEXT_TO_NONE}.flapping(0.25, 0.9).history(21)`, ""],
    [`${NEXT_TO_NONE}.noRecoveries()`, ".groupBy('host')"],
    [`${NEXT_TO_NONE}.stateChangesOnly()`, ".groupBy('host')"],
    [`.warn(lambda: "v" > 95.0)${NEXT_TO_NONE}`, ".groupBy('host')"],
  ])("alerts judge all points, though most are passed over: %s %s", async (levels, grouping) => {
    const lines = Array.from({ length: 1_500 }, (_, i) => {
      const field = i % 211 === 3 ? 'w="x"' : `v=${(i * 7) % 97}.5`;
      return `m,host=h${i % 3} ${field} ${i}000000000\n`;
    });
    const from = `stream|from().measurement('m')${grouping}`;
    const tasks = ["", '|where(lambda: "v" > 30.0)', '|where(lambda: "v" > 30.0)'].map(
      (filter, i) => `${from}${filter}|alert()${levels}.topic('t${i}')`,
    );
    const points = await pointsOf(lines.join(""));
    const oneByOne = await outcomeOf(tasks, async (t) => {
      for (const one of points) t.engine.push(one);
    });
    expect(oneByOne.events.every(({ length }) => length > 5)).toBe(true);
    expect(await outcome(tasks, [lines.join("")])).toEqual(oneByOne);
  });

  test("a point that cannot be judged is an error in every task", async () => {
    const { stats } = await outcome([where("one"), where("other")], [LINES]);
    const errors = stats.map((nodes) => nodes.find(({ name }) => name === "where2")?.errors);
    expect(errors).toEqual([86, 86]);
  });
});
