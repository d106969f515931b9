/**
 * Prints what lambdas and scripts cost: nanoseconds per evaluation, compiled and interpreted, and the time to
 * parse and evaluate scripts. Run by hand: `bun test/bench/lambda.ts`. Nothing is asserted.
 */

import { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";
import { internShape } from "#model/shape.ts";
import { formatScript } from "#tick/format.ts";
import { compileLambda } from "#tick/lambda/lambda.ts";
import { parseExpression, parseScript } from "#tick/parser.ts";

const SHAPE = internShape(["usage", "load", "count", "text"], ["float", "float", "int", "string"]);
const POINTS = Array.from({ length: 1_024 }, (_, i) => {
  const series = makeSeries("db", "rp", "cpu", { host: `web${i % 64}`, dc: "eu" });
  return new Point(series, SHAPE, [90 + (i % 20), i % 7, i, `t${i}`], i, 0);
});
/** One array for all series, as ingest pools them. */
const KEYS = POINTS[0]?.series.tagKeys ?? [];
const POOLED = POINTS.map(
  (p) =>
    new Point(
      Object.assign(makeSeries("db", "rp", "cpu", p.series.tags()), { tagKeys: KEYS }),
      SHAPE,
      p.values,
      p.timeMs,
      p.timeNs,
    ),
);

let kept: unknown;

const EXPRESSIONS = [
  '"usage" > 90.0 AND "load" > 1.5 AND "count" > 100 OR "usage" < 5.0 AND "load" < 0.5 AND "count" != 7',
  '"usage" + "load" > 95.0 AND "host" =~ /web.*/',
  '"host" == \'web1\' AND "usage" > 90',
  '"count" * 2 + 1',
  'sigma("usage") > 3.0',
  'if("usage" > 95.0, "load" * 2.0, 0.0)',
  'strLength("text")',
];

for (const text of EXPRESSIONS) {
  const lambda = compileLambda(parseExpression(text));
  const compiled = perCall((state) => {
    for (const point of POOLED) sink(lambda.evaluate(point, state));
  }, 2_000);
  const unpooled = perCall((state) => {
    for (const point of POINTS) sink(lambda.evaluate(point, state));
  }, 500);
  const interpreted = perCall((state) => {
    for (const point of POOLED) sink(lambda.interpret(point, state).value);
  }, 20);
  console.log(
    `${ns(compiled)} ns, keys not pooled ${ns(unpooled)}, interpreted ${ns(interpreted)}  ${text}`,
  );

  function perCall(
    run: (state: ReturnType<typeof lambda.newState>) => void,
    rounds: number,
  ): number {
    const state = lambda.newState({ now: () => ({ ms: 0, ns: 0 }) });
    for (let i = 0; i < rounds / 4; i++) run(state);
    const start = performance.now();
    for (let i = 0; i < rounds; i++) run(state);
    return ((performance.now() - start) * 1e6) / (rounds * POINTS.length);
  }
}

const lines = ["var data = stream", "    |from()", "        .measurement('cpu')"];
while (lines.length < 1_000) {
  lines.push(
    `    |eval(lambda: "usage" * ${lines.length}.0 + "load")`,
    "        .as('value')",
    "        .keep()",
  );
}
const script = lines.join("\n");
for (const [name, run] of [
  ["parse 1,000 lines", () => parseScript(script)],
  ["format 1,000 lines", () => formatScript(script)],
] as const) {
  run();
  const start = performance.now();
  for (let i = 0; i < 20; i++) run();
  console.log(`${name}: ${((performance.now() - start) / 20).toFixed(2)} ms`);
}

function ns(value: number): string {
  return value.toFixed(1).padStart(7);
}

function sink(value: unknown): void {
  kept = value;
}
if (kept === "never") console.log(kept);
