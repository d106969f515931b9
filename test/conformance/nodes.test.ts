/**
 * What every node promises, run over the registry: barriers and deletions take the way their node says,
 * groups are forgotten, nothing is dropped on the way, and a definition says what it is.
 */

import { describe, expect, test } from "bun:test";
import { type AnyNodeSpec, defineNode } from "#engine/node.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import type { Receiver } from "#engine/receiver.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { TestEngine, taskOf } from "#test/support/engine.ts";
import { evaluateScript } from "#tick/evaluate.ts";

/** A call of each node with everything it requires; `null` for those that are tried elsewhere. */
const CALLS: Readonly<Record<string, string | null>> = {
  alert: "|alert().crit(lambda: TRUE)",
  barrier: "|barrier().idle(1h)",
  batch: null,
  bottom: "|bottom(1, 'v')",
  changeDetect: "|changeDetect('v')",
  combine: "|combine(lambda: TRUE).as('a')",
  count: "|count('v')",
  cumulativeSum: "|cumulativeSum('v')",
  deadman: null,
  default: "|default().field('x', 1)",
  delete: "|delete().field('x')",
  derivative: "|derivative('v')",
  difference: "|difference('v')",
  distinct: "|distinct('v')",
  elapsed: "|elapsed('v', 1s)",
  eval: "|eval(lambda: \"v\").as('w')",
  first: "|first('v')",
  flatten: "|flatten().on('h')",
  from: "|from()",
  groupBy: "|groupBy('h')",
  holtWinters: "|holtWinters('v', 1, 0, 1s)",
  holtWintersWithFit: "|holtWintersWithFit('v', 1, 0, 1s)",
  httpOut: "|httpOut('x')",
  httpPost: null,
  influxDBOut: null,
  join: null,
  kapacitorLoopback: null,
  last: "|last('v')",
  log: "|log()",
  max: "|max('v')",
  mean: "|mean('v')",
  median: "|median('v')",
  min: "|min('v')",
  mode: "|mode('v')",
  movingAverage: "|movingAverage('v', 1)",
  noop: null,
  percentile: "|percentile('v', 50.0)",
  query: null,
  queryFlux: null,
  sample: "|sample(1)",
  shift: "|shift(1s)",
  sideload: "|sideload().source('file:///x').order('f').field('x', 1)",
  spread: "|spread('v')",
  stateCount: "|stateCount(lambda: TRUE)",
  stateDuration: "|stateDuration(lambda: TRUE)",
  stats: null,
  stddev: "|stddev('v')",
  stream: null,
  sum: "|sum('v')",
  top: "|top(1, 'v')",
  trickle: null,
  union: null,
  where: "|where(lambda: TRUE)",
  window: "|window().period(1h).every(1h)",
};

/** Nodes that swallow barriers. */
const SWALLOWS = new Set(["window", "from"]);
/** Nodes without state per group pass deletions of groups they never saw. */
const built = [...NODE_SPECS.values()].filter((spec) => spec.expand === undefined);

test("the table above has every node that is built", () => {
  const known = new Set(Object.keys(CALLS));
  expect(built.map(({ method }) => method).filter((method) => !known.has(method))).toEqual([]);
});

test.each(built.map((spec) => [spec.method, spec] as const))(
  "%s documents itself and its properties",
  (_method, spec) => {
    expect(spec.doc).not.toBe("");
    for (const property of spec.properties ?? []) expect(property.doc).not.toBe("");
    const names = (spec.properties ?? []).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  },
);

interface Seen {
  readonly barriers: string[];
  readonly deleted: string[];
  finished: number;
}

/** `from | source | <node> | sink`: the source injects control messages by point name. */
function rig(call: string): { readonly t: TestEngine; readonly seen: Seen } {
  const seen: Seen = { barriers: [], deleted: [], finished: 0 };
  const inject = simple("inject", (out) => ({
    ...forwarding(out),
    point(group, point) {
      if (point.series.name === "barrier") out.barrier(group, point.timeMs, point.timeNs);
      else if (point.series.name === "delete") out.deleteGroup(group);
      else out.point(group, point);
    },
  }));
  const sink = simple("sink", (out) => ({
    ...forwarding(out),
    barrier: (group: Group, ms: number) => seen.barriers.push(`${group.id}@${ms}`),
    deleteGroup: (group: Group) => seen.deleted.push(group.id),
    finish: () => {
      seen.finished++;
    },
  }));
  const specs = new Map([...NODE_SPECS, ["inject", inject], ["sink", sink]]);
  const t = new TestEngine({ specs });
  const script = `stream|from().groupBy('h')|inject()${call}|sink()`;
  const result = evaluateScript(script, { environment: t.environment });
  expect(t.engine.startScript(taskOf("t", script), result)).toEqual({ kind: "started" });
  return { t, seen };
}

function simple(method: string, make: (out: Receiver) => Receiver): AnyNodeSpec {
  return defineNode({
    method,
    goType: `*test.${method}`,
    wants: "either",
    provides: "same",
    doc: "A test's node.",
    options: () => undefined,
    start: (_options, context) => make(context.out),
  });
}

function forwarding(out: Receiver): Receiver {
  return {
    point: (group, point) => out.point(group, point),
    points(groups, points, count) {
      for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
    },
    beginBatch: (group, begin) => out.beginBatch(group, begin),
    batchPoint: (group, point) => out.batchPoint(group, point),
    endBatch: (group) => out.endBatch(group),
    barrier: (group, ms, ns) => out.barrier(group, ms, ns),
    deleteGroup: (group) => out.deleteGroup(group),
    finish: () => out.finish(),
  };
}

const tried = built.flatMap(({ method }) => {
  const call = CALLS[method];
  return call === null || call === undefined || method === "from" ? [] : [[method, call] as const];
});

describe.each(tried)("%s", (method, call) => {
  test("passes barriers on, or swallows them as its table row says", async () => {
    const { t, seen } = rig(call);
    await t.write("m,h=a v=1 1000000\nbarrier,h=a v=1 2000000\n");
    expect(seen.barriers).toEqual(SWALLOWS.has(method) ? [] : ["h=a@2"]);
  });

  test("passes the deletion of a known group on and forgets the group", async () => {
    const { t, seen } = rig(call);
    await t.write("m,h=a v=1 1000000\nm,h=b v=1 1000000\ndelete,h=a v=1 2000000\n");
    expect(seen.deleted).toEqual(["h=a"]);
    const cardinality = t.engine.stats("t")?.nodeStats[nameOf(t, 3)]?.["working_cardinality"];
    expect([0, 1]).toContain(cardinality ?? -1);
  });

  test("tells the end of the stream exactly once", async () => {
    const { t, seen } = rig(call);
    await t.write("m,h=a v=1 1000000\n");
    await t.engine.stop("t");
    expect(seen.finished).toBe(1);
  });

  test("survives points without fields it wants and with odd values", async () => {
    const { t } = rig(call);
    await t.write(
      'm,h=a s="x" 1\nm v=-0 2\nm,h=a v=9223372036854775807i 3\nm,h=a v=true 4\nm,h=a v="" 4\n',
    );
    expect(t.failed).toEqual([]);
  });
});

function nameOf(t: TestEngine, index: number): string {
  return Object.keys(t.engine.stats("t")?.nodeStats ?? {})[index] ?? "";
}
