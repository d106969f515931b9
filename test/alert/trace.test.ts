/** The bounds of the trace: what is forgotten first, and that what remains is whole. */

import { expect, test } from "bun:test";
import { CRITICAL, OK } from "#alert/level.ts";
import { TRACE_EVALUATIONS_MAX, TRACE_STEPS_MAX } from "#alert/limits.ts";
import { Trace, type TracedEvent } from "#alert/trace.ts";

const evaluation = (id: string, ms = 0, topic = "t"): TracedEvent => ({
  ...{ topic, id, level: CRITICAL },
  time: { ms, ns: 0 },
});

function step(trace: Trace, event: TracedEvent, reason = "wanted"): void {
  const at = { ms: 0, ns: 0 };
  trace.step(event, { stage: "own", handler: "h", verdict: "passed", reason, at });
}

test("beyond the number of IDs the first seen is forgotten", () => {
  const trace = new Trace(2);
  for (const id of ["a", "b", "a", "c"]) trace.begin(evaluation(id), OK);
  expect(["a", "b", "c"].map((id) => trace.of("t", id).length)).toEqual([0, 1, 1]);
  trace.begin(evaluation("a", 1, "u"), OK);
  expect(["b", "c"].map((id) => trace.of("t", id).length)).toEqual([0, 1]);
  expect(trace.of("u", "a").length).toBe(1);
});

test("beyond the number of steps whole IDs are forgotten, and their late steps are ignored", () => {
  const trace = new Trace(100, 3);
  const [a, b] = [evaluation("a"), evaluation("b")];
  trace.begin(a, OK);
  trace.begin(b, OK);
  for (const event of [a, a, b]) step(trace, event);
  expect(trace.of("t", "a")[0]?.steps.length).toBe(2);
  step(trace, b);
  expect(trace.of("t", "a")).toEqual([]);
  step(trace, a);
  expect(trace.of("t", "b")[0]?.steps.length).toBe(2);
  step(trace, b);
  expect(trace.of("t", "b")[0]?.steps.length).toBe(3);
});

test("steps that went with their evaluation make room", () => {
  const trace = new Trace(100, TRACE_EVALUATIONS_MAX);
  for (let ms = 0; ms < 3 * TRACE_EVALUATIONS_MAX; ms++) {
    trace.begin(evaluation("a", ms), OK);
    step(trace, evaluation("a", ms));
  }
  expect(trace.of("t", "a").length).toBe(TRACE_EVALUATIONS_MAX);
});

test("one evaluation keeps its first steps", () => {
  const trace = new Trace();
  trace.begin(evaluation("a"), OK);
  for (let i = 0; i <= TRACE_STEPS_MAX; i++) step(trace, evaluation("a"), String(i));
  const steps = trace.of("t", "a")[0]?.steps;
  expect([steps?.length, steps?.at(-1)?.reason]).toEqual([TRACE_STEPS_MAX, "63"]);
});

test("steps find their evaluation by time and level", () => {
  const trace = new Trace();
  const first = evaluation("a", 1);
  trace.begin(first, OK);
  trace.begin({ ...first, level: OK }, CRITICAL);
  trace.begin(evaluation("a", 2), OK);
  step(trace, first, "one");
  expect(trace.of("t", "a").map(({ steps }) => steps.length)).toEqual([1, 0, 0]);
  expect(trace.previousLevel({ ...first, level: OK })).toBe(CRITICAL);
  expect(trace.previousLevel(evaluation("a", 3))).toBeUndefined();
});
