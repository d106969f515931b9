/** Points, services and printing for tests of lambdas. */

import { formatTime } from "#lib/time.ts";
import { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";
import type { LambdaServices } from "#tick/functions/spec.ts";
import { plainFloat } from "#tick/go-text.ts";
import { compileLambda } from "#tick/lambda/lambda.ts";
import { Regex } from "#tick/lambda/regex.ts";
import type { LambdaType, LambdaValue } from "#tick/lambda/value.ts";
import { parseExpression } from "#tick/parser.ts";

/** 2020-09-13T12:26:40.5Z, a Sunday. */
export const TIME_MS = 1_600_000_000_500;

export const SERVICES: LambdaServices = { now: () => ({ ms: TIME_MS, ns: 0 }) };

export type Fields = Readonly<Record<string, readonly [FieldType, FieldValue]>>;

export function makePoint(fields: Fields, tags: Readonly<Record<string, string>>): Point {
  const names = Object.keys(fields);
  const shape = internShape(
    names,
    names.map((name) => fields[name]?.[0] ?? "null"),
  );
  const values = names.map((name) => fields[name]?.[1] ?? null);
  return new Point(makeSeries("db", "rp", "m", tags), shape, values, TIME_MS, 0);
}

/** The point of the reference's observed vectors. */
export const VECTOR_POINT = makePoint(
  {
    a: ["float", 1.5],
    b: ["float", 2],
    i: ["int", 7],
    s: ["string", "abc"],
    bt: ["boolean", true],
  },
  { host: "h1" },
);

/** Value or error of an expression on a point, compiled. */
export function evaluated(text: string, point = VECTOR_POINT, services = SERVICES): Outcome {
  const lambda = compileLambda(parseExpression(text));
  const state = lambda.newState(services);
  return outcome(() => shown(lambda.evaluate(point, state), state.resultType));
}

/** The same by the interpreter, with the checks that `evaluate` adds left out. */
export function interpreted(text: string, point = VECTOR_POINT, services = SERVICES): Outcome {
  const lambda = compileLambda(parseExpression(text));
  return outcome(() => {
    const { type, value } = lambda.interpret(point, lambda.newState(services));
    return shown(value, type);
  });
}

export type Outcome =
  | { readonly type: LambdaType; readonly result: string }
  | { readonly error: string };

function outcome(run: () => Outcome): Outcome {
  try {
    return run();
  } catch (error) {
    if (error instanceof Error && error.name === "LambdaError") return { error: error.message };
    throw error;
  }
}

export function shown(value: LambdaValue, type: LambdaType): Outcome {
  if (value instanceof Regex) return { type, result: value.pattern };
  if (typeof value === "object" && value !== null) {
    return { type, result: formatTime(value.ms, value.ns) };
  }
  return { type, result: type === "float" ? plainFloat(Number(value)) : String(value) };
}
