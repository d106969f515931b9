/** Limits on what a task remembers, and groups that expire when they are idle. */

import { describe, expect, test } from "bun:test";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { TestEngine } from "#test/support/engine.ts";

const NO_LIMITS = { groupsMax: 0, bufferedPointsMax: 0 };

/** Nodes that keep state for groups, with what they require. */
const CALLS: ReadonlyMap<string, string> = new Map([
  ["alert", "|alert().crit(lambda: TRUE).levelTag('l').topic('t')"],
  ["barrier", "|barrier().idle(1h)"],
  ["changeDetect", "|changeDetect('v')"],
  ["combine", "|combine(lambda: TRUE).as('a').tolerance(1h)"],
  ["cumulativeSum", "|cumulativeSum('v')"],
  ["default", "|default().tag('x', 'y')"],
  ["delete", "|delete().tag('h')"],
  ["derivative", "|derivative('v')"],
  ["eval", "|eval(lambda: sigma(\"v\")).as('w')"],
  ["flatten", "|flatten().on('h').tolerance(1h)"],
  ["groupBy", "|groupBy(*)"],
  ["httpOut", "|httpOut('x')"],
  ["mean", "|mean('v')"],
  ["sample", "|sample(2)"],
  ["stateCount", "|stateCount(lambda: TRUE)"],
  ["stateDuration", "|stateDuration(lambda: TRUE)"],
  ["top", "|top(1, 'v')"],
  ["where", "|where(lambda: count() > 0)"],
  ["window", "|window().period(1h).every(1h)"],
]);

/** `count` lines of measurement `m`, one group each, in one second. */
function lines(count: number, seconds: number, name = "m"): string {
  return Array.from(
    { length: count },
    (_, i) => `${name},h=h${i} v=${i} ${seconds}000000000\n`,
  ).join("");
}

describe("the limit on groups", () => {
  test.each([
    [3, []],
    [4, ["from1: the task has more than 3 groups ([task] groups-max)"]],
  ])("lets %p groups run or fails the task with a clear error", async (groups, errors) => {
    const t = new TestEngine({ limits: { ...NO_LIMITS, groupsMax: 3 } });
    t.start("a", "stream|from().groupBy('h')|log()");
    t.start("b", "stream|from()|log()");
    await t.write(lines(groups, 1));
    expect(t.failed.map(({ error }) => error)).toEqual([...errors]);
    expect([t.engine.isRunning("a"), t.engine.isRunning("b")]).toEqual([errors.length === 0, true]);
  });

  test("counts the groups of all nodes, and gives back those that were deleted", async () => {
    const t = new TestEngine({ limits: { ...NO_LIMITS, groupsMax: 4 }, groupIdleMs: 4_000 });
    t.start(
      "a",
      "stream|from().groupBy('h')|default().tag('h', 'x')|eval(lambda: 'y').as('h').tags('h')",
    );
    await t.write(lines(2, 1));
    expect(t.failed).toEqual([]);
    t.clock.advance(20_000);
    await t.write("m,h=p v=1 2000000000\nm,h=q v=1 2000000000\n");
    expect(t.failed).toEqual([]);
  });
});

describe("the limit on points held back", () => {
  const FAR = "period(1h).every(1h)";
  const TWO = "var a = stream|from().measurement('m') var b = stream|from().measurement('n')";
  const HOLDING: readonly (readonly [string, string, string])[] = [
    ["window", `stream|from()|window().${FAR}`, "window2"],
    ["count window", "stream|from()|window().periodCount(100).everyCount(100)", "window2"],
    [
      "window that folds them, of points without the field",
      `stream|from()|window().${FAR}|mean('w')`,
      "window2",
    ],
    ["join", `${TWO} a|join(b).as('a','b')`, "join4"],
    ["union", `${TWO} a|union(b)`, "union4"],
    [
      "combine",
      "stream|from()|combine(lambda: TRUE, lambda: TRUE).as('a','b').tolerance(1h)",
      "combine2",
    ],
  ];
  const points = (count: number): string =>
    Array.from({ length: count }, (_, i) => `m v=${i} ${i + 1}\n`).join("");

  test.each(HOLDING)(
    "counts those of a %s, on both sides of the limit",
    async (_name, script, node) => {
      for (const [count, errors] of [
        [5, []],
        [6, [`${node}: the task holds more than 5 points ([task] buffered-points-max)`]],
      ] as const) {
        const t = new TestEngine({ limits: { ...NO_LIMITS, bufferedPointsMax: 5 } });
        expect(t.start("a", script)).toEqual({ kind: "started" });
        await t.write(points(count));
        expect(t.failed.map(({ error }) => error)).toEqual([...errors]);
      }
    },
  );

  test.each([
    [5, []],
    [6, ["window2: the task holds more than 5 points ([task] buffered-points-max)"]],
  ])(
    "does not count what a window has folded, but %p points of another type",
    async (count, errors) => {
      const t = new TestEngine({ limits: { ...NO_LIMITS, bufferedPointsMax: 5 } });
      t.start("a", `stream|from()|window().${FAR}|mean('v')`);
      await t.write(points(20));
      await t.write(points(count).replaceAll(/(v=\d+)/g, "$1i"));
      expect(t.failed.map(({ error }) => error)).toEqual([...errors]);
    },
  );

  const LETTING_GO: readonly (readonly [string, string])[] = [
    ["window that moves", "stream|from()|window().period(3s).every(1s)"],
    ["window that folds all", `stream|from()|window().${FAR}|mean('v')`],
    [
      "window that folds, of points without the field",
      "stream|from()|window().period(3s).every(3s)|mean('w')",
    ],
    ["window of every point", "stream|from()|window().period(3s).every(0s)"],
    ["count window", "stream|from()|window().periodCount(3).everyCount(1)"],
    ["inner join", `${TWO} a|join(b).as('a','b')`],
    ["join with fill", `${TWO} a|join(b).as('a','b').fill('null')`],
    [
      "join of batches",
      `${TWO} a|window().period(1s).every(1s)|join(b|window().period(1s).every(1s)).as('a','b')`,
    ],
    ["union", `${TWO} a|union(b)`],
    ["combine", "stream|from()|combine(lambda: TRUE).as('a')"],
    ["batches grouped anew", "stream|from()|window().period(2s).every(1s)|groupBy('h')"],
    [
      "deleted groups",
      "stream|from().groupBy('h')|barrier().idle(1s).delete(TRUE)|window().period(1h).every(1h)",
    ],
    [
      "deleted groups of points without the field",
      `stream|from().groupBy('h')|barrier().idle(1s).delete(TRUE)|window().${FAR}|mean('w')`,
    ],
  ];

  test.each(LETTING_GO)(
    "is never reached by a %s that lets go of what it held",
    async (_name, script) => {
      const t = new TestEngine({ limits: { ...NO_LIMITS, bufferedPointsMax: 12 } });
      expect(t.start("a", script)).toEqual({ kind: "started" });
      for (let second = 1; second < 60; second++) {
        await t.write(`m,h=a v=1 ${second}000000000\nn,h=a v=1 ${second}000000000\n`);
        t.clock.advance(1_000);
      }
      expect(t.failed).toEqual([]);
    },
  );
});

describe("idle groups", () => {
  const cardinalities = (t: TestEngine): readonly number[] =>
    Object.values(t.engine.stats("a")?.nodeStats ?? {}).map(
      (stats) => stats["working_cardinality"] ?? 0,
    );

  test("expire after the idle time, and not before", async () => {
    const t = new TestEngine({ groupIdleMs: 40_000 });
    t.start("a", "stream|from().groupBy('h')|window().period(1h).every(1h)|httpOut('x')");
    await t.write(lines(2, 1));
    t.clock.advance(39_000);
    expect(cardinalities(t)).toEqual([0, 0, 2, 0]);
    await t.write("m,h=h0 v=1 2000000000\n");
    t.clock.advance(39_000);
    expect(cardinalities(t)).toEqual([0, 0, 1, 0]);
    t.clock.advance(20_000);
    expect(cardinalities(t)).toEqual([0, 0, 0, 0]);
  });

  test("do not expire unless asked for", async () => {
    const t = new TestEngine();
    t.start("a", "stream|from().groupBy('h')|sample(1)");
    await t.write(lines(2, 1));
    t.clock.advance(1e9);
    expect(cardinalities(t)).toEqual([0, 0, 2]);
  });

  test("begin anew when they come back", async () => {
    const t = new TestEngine({ groupIdleMs: 4_000 });
    t.start("a", "stream|from().groupBy('h')|stateCount(lambda: TRUE)|httpOut('x')");
    await t.write("m,h=a v=1 1\nm,h=a v=1 2\n");
    const counts = (): unknown =>
      t.engine.endpoint("a", "x")?.series?.map(({ values }) => values?.[0]?.[1]);
    expect(counts()).toEqual([2]);
    t.clock.advance(10_000);
    expect(counts()).toEqual(undefined);
    await t.write("m,h=a v=1 3\n");
    expect(counts()).toEqual([1]);
  });

  const STATEFUL = [...NODE_SPECS.keys()].filter((method) => CALLS.has(method));

  test.each(STATEFUL)("leave nothing behind in %s", async (method) => {
    const t = new TestEngine({ groupIdleMs: 4_000 });
    const script = `stream|from().groupBy('h')${CALLS.get(method)}|log()`;
    expect(t.start("a", script)).toEqual({ kind: "started" });
    for (let second = 1; second < 4; second++) await t.write(lines(20, second));
    t.clock.advance(30_000);
    expect(t.failed).toEqual([]);
    expect(new Set(cardinalities(t))).toEqual(new Set([0]));
  });

  const TWO =
    "var a = stream|from().measurement('m').groupBy('h') var b = stream|from().measurement('n').groupBy('h')";

  test.each([
    ["join", `${TWO} a|join(b).as('a','b')|httpOut('x')`],
    ["join on", `${TWO} a|join(b|groupBy('h','k')).as('a','b').on('h')|httpOut('x')`],
    ["union", `${TWO} a|union(b)|httpOut('x')`],
  ])(
    "leave nothing behind in %s, also when one input never spoke of them",
    async (_name, script) => {
      const t = new TestEngine({
        groupIdleMs: 4_000,
        limits: { groupsMax: 200, bufferedPointsMax: 200 },
      });
      expect(t.start("a", script)).toEqual({ kind: "started" });
      for (let round = 0; round < 20; round++) {
        const fresh = lines(20, round + 1).replaceAll("h=h", `h=r${round}h`);
        await t.write(`${fresh}n,h=other v=1 1\n`);
        t.clock.advance(30_000);
      }
      expect(t.failed).toEqual([]);
    },
  );
});
