/**
 * A restart in the middle changes nothing: for every node, and whole pipelines, what comes out of one run is
 * what comes out of two halves with a snapshot between them, wherever the cut is.
 *
 * The snapshot goes through JSON text, as it does on its way to the disk.
 */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EventState } from "#alert/event.ts";
import { type AnyNodeSpec, defineNode } from "#engine/node.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import type { SnapshotStore } from "#engine/ports.ts";
import type { BatchBegin } from "#engine/receiver.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { TestEngine, taskOf } from "#test/support/engine.ts";
import { evaluateScript } from "#tick/evaluate.ts";

/** Nodes of a stream, and of batches behind a window, each with what makes it remember. */
const NODES: readonly string[] = [
  "|alert().crit(lambda: \"v\" > 5.0).warn(lambda: \"v\" > 2.0).stateChangesOnly().topic('x').levelTag('l')",
  "|alert().crit(lambda: \"v\" > 3.0).flapping(0.2, 0.4).history(5).idField('id')",
  "|alert().info(lambda: sigma(\"v\") > 0.5).infoReset(lambda: count() % 3 == 0).durationField('d')",
  "|barrier().idle(3s)",
  "|barrier().period(4s)",
  "|barrier().idle(2s).delete(TRUE)",
  "|bottom(2, 'v')",
  "|changeDetect('v')",
  "|combine(lambda: \"v\" > 2.0, lambda: TRUE).as('a', 'b').tolerance(4s)",
  "|count('v')",
  "|cumulativeSum('v')",
  "|default().tag('t', 'x').field('w', 1)",
  "|delete().tag('h')",
  "|derivative('v').unit(2s)",
  "|difference('v')",
  "|distinct('v')",
  "|elapsed('v', 1s)",
  "|eval(lambda: sigma(\"v\") + float(count())).as('w').keep()",
  "|eval(lambda: string(\"v\")).as('h').tags('h').keep('v')",
  "|first('v').usePointTimes()",
  "|flatten().on('h', 'k').tolerance(3s)",
  "|groupBy('k')",
  "|groupBy(*)",
  "|httpOut('x')",
  "|last('v').as('l')",
  "|log()",
  "|max('v')",
  "|mean('v')",
  "|median('v')",
  "|min('v')",
  "|mode('v')",
  "|movingAverage('v', 3)",
  "|percentile('v', 60.0)",
  "|sample(3)",
  "|sample(2s)",
  "|shift(1m)",
  "|spread('v')",
  '|stateCount(lambda: "v" > 2.0)',
  '|stateDuration(lambda: "v" > 2.0 AND count() > 2)',
  "|stddev('v')",
  "|sum('v')",
  "|top(2, 'v')",
  '|where(lambda: spread("v") > 1.0)',
  "|where(lambda: count() % 2 == 0)",
  "|window().period(5s).every(3s)",
  "|window().period(5s).every(0s)",
  "|window().period(6s).every(2s).align().fillPeriod()",
  "|window().periodCount(3).everyCount(2)",
];
/** Nodes that take only one sort of edge. */
const STREAM_ONLY = /^\|(window|barrier\(\)\.idle\(2s\))/;

const WINDOW = "|window().period(4s).every(2s)";
const SCRIPTS: readonly string[] = [
  ...NODES.map((node) => `stream|from().groupBy('h')${node}|sink()`),
  ...NODES.filter((node) => !STREAM_ONLY.test(node)).map(
    (node) => `stream|from().groupBy('h')${WINDOW}${node}|sink()`,
  ),
  `stream|from()${WINDOW}|trickle()|mean('v')|sink()`,
  "var a = stream|from().measurement('m').groupBy('h') var b = stream|from().measurement('n').groupBy('h') a|join(b).as('a','b')|sink()",
  "var a = stream|from().measurement('m').groupBy('h') var b = stream|from().measurement('n').groupBy('h') a|join(b).as('a','b').fill('null').tolerance(2s)|sink()",
  `var a = stream|from().measurement('m').groupBy('h')${WINDOW} var b = stream|from().measurement('n').groupBy('h')${WINDOW} a|join(b).as('a','b').fill(0)|sink()`,
  "var a = stream|from().measurement('m').groupBy('h') var b = stream|from().measurement('n').groupBy('h','k') a|join(b).as('a','b').on('h')|sink()",
  "var a = stream|from().measurement('m').groupBy('h') var b = stream|from().measurement('n') a|union(b).rename('u')|sink()",
  `var a = stream|from().measurement('m').groupBy('h')${WINDOW} var b = stream|from().measurement('n')${WINDOW} a|union(b)|sink()`,
  `stream|from().groupBy('h')|barrier().idle(3s).delete(TRUE)|where(lambda: count() > 1)${WINDOW}|sum('v')|sink()`,
  "stream|from().groupBy('h')|stats(2s)|sink()",
  "stream|from().groupBy('h')|stats(3s).align()|derivative('emitted')|sink()",
  "stream|from().groupBy('h')|deadman(1.0, 4s).topic('x')|sink()",
];

interface Step {
  readonly name: string;
  readonly host: string;
  readonly value: number;
  /** Seconds that pass before. */
  readonly wait: number;
}

const steps = fc.array(
  fc.record({
    name: fc.constantFrom("m", "n"),
    host: fc.constantFrom("a", "b", "c"),
    value: fc.integer({ min: 0, max: 8 }),
    wait: fc.integer({ min: 0, max: 3 }),
  }),
  { minLength: 2, maxLength: 24 },
);

/** What has been seen from outside, across restarts. */
class World implements SnapshotStore {
  readonly seen: string[] = [];
  readonly states = new Map<string, EventState>();
  saved: string | undefined;
  wallMs = 0;

  load(): ReturnType<SnapshotStore["load"]> {
    return this.saved === undefined ? undefined : JSON.parse(this.saved);
  }

  async save(_task: string, snapshot: unknown): Promise<void> {
    this.saved = JSON.stringify(snapshot);
  }
}

class Life {
  readonly #test: TestEngine;
  readonly #world: World;

  constructor(world: World, script: string) {
    this.#world = world;
    const specs = new Map([...NODE_SPECS, ["sink", sinkOf(world.seen)]]);
    const t = new TestEngine({ specs, snapshots: world, start: { ms: world.wallMs, ns: 0 } });
    this.#test = t;
    for (const [key, state] of world.states) t.alerts.states.set(key, state);
    const result = evaluateScript(script, { environment: t.environment });
    expect(t.engine.startScript(taskOf("t", script), result)).toEqual({ kind: "started" });
  }

  async take({ name, host, value, wait }: Step): Promise<void> {
    this.advance(wait);
    const k = value % 2 === 0 ? ",k=even" : ",k=odd";
    const time = this.#test.clock.now().ms * 1_000_000;
    await this.#test.write(`${name},h=${host}${k} v=${value},s="${value}" ${time}\n`);
  }

  advance(seconds: number): void {
    this.#test.clock.advance(seconds * 1_000);
    this.#world.wallMs += seconds * 1_000;
  }

  async close(): Promise<void> {
    await this.#test.engine.close();
    const { alerts, failed } = this.#test;
    expect(failed).toEqual([]);
    for (const [key, state] of alerts.states) this.#world.states.set(key, state);
    for (const event of alerts.events) {
      const { id, level, time, duration, message } = event;
      this.#world.seen.push(`event ${id} ${level} ${time.ms} ${duration} ${message}`);
    }
  }

  endpoint(): unknown {
    return this.#test.engine.endpoint("t", "x");
  }
}

function sinkOf(seen: string[]): AnyNodeSpec {
  const put = (kind: string, group: Group, more: unknown): void => {
    seen.push(`${kind} ${group.id} ${JSON.stringify(more)}`);
  };
  const point = ({ series, shape, values, timeMs }: Point): unknown => [
    series.name,
    series.tags(),
    shape.names,
    shape.types,
    values,
    timeMs,
  ];
  return defineNode({
    method: "sink",
    goType: "*test.sink",
    wants: "either",
    provides: "same",
    doc: "Writes down what passes.",
    options: () => undefined,
    start: () => ({
      point: (group, passed) => put("point", group, point(passed)),
      points(groups, points, count) {
        for (let i = 0; i < count; i++) put("point", groups[i] as Group, point(points[i] as Point));
      },
      beginBatch: (group, begin: BatchBegin) => put("begin", group, [begin.name, begin.tmaxMs]),
      batchPoint: (group, passed) => put("batch", group, point(passed)),
      endBatch: (group) => put("end", group, null),
      barrier: (group, ms, ns) => put("barrier", group, [ms, ns]),
      deleteGroup: (group) => put("delete", group, null),
      finish() {},
    }),
  });
}

/**
 * Everything seen, group by group: which of two groups goes first when their timers are due at the same time is
 * not promised. Events are apart, since they are looked at when a life ends.
 */
async function run(script: string, input: readonly Step[], cuts: readonly number[]) {
  const world = new World();
  let life = new Life(world, script);
  for (const [i, step] of input.entries()) {
    if (cuts.includes(i)) {
      await life.close();
      life = new Life(world, script);
    }
    await life.take(step);
  }
  life.advance(7);
  const last = life.endpoint();
  await life.close();
  const isEvent = (line: string): boolean => line.startsWith("event ");
  const groupOf = (line: string): string => line.split(" ")[1] ?? "";
  const byGroup = Map.groupBy(
    world.seen.filter((line) => !isEvent(line)),
    groupOf,
  );
  const eventsById = Map.groupBy(world.seen.filter(isEvent), groupOf);
  return { passed: sorted(byGroup), events: sorted(eventsById), last };
}

function sorted(groups: Map<string, string[]>): readonly (readonly [string, string[]])[] {
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

describe("a restart in the middle gives the same output", () => {
  test.each(SCRIPTS.map((script) => [script]))("%s", async (script) => {
    await fc.assert(
      fc.asyncProperty(steps, fc.array(fc.nat(23), { maxLength: 2 }), async (input, cuts) => {
        expect(await run(script, input, cuts)).toEqual(await run(script, input, []));
      }),
      { numRuns: 12 },
    );
  });
});

test("every node that keeps state for groups says how it is saved", () => {
  const methods = new Set(
    SCRIPTS.flatMap((script) =>
      [...script.matchAll(/\|?(\w+)\(/g)].map(([, method]) => method ?? ""),
    ),
  );
  const left = [...NODE_SPECS.values()].filter(
    (spec) => spec.hidden !== true && spec.expand === undefined && !methods.has(spec.method),
  );
  expect(left.map(({ method }) => method).sort()).toEqual([...WITHOUT_RESTART]);
});

/** Sources, nodes that keep nothing or are drained, and forecasts, whose state is a batch's. */
const WITHOUT_RESTART: readonly string[] = [
  "batch",
  "holtWinters",
  "holtWintersWithFit",
  "httpPost",
  "influxDBOut",
  "kapacitorLoopback",
  "query",
  "queryFlux",
  "sideload",
  "stream",
];
