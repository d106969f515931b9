/**
 * Values of lambda expressions and how they are held: the same way as field values, plus times and regexes.
 */

import type { Int64 } from "#lib/int64.ts";
import type { Time } from "#lib/time.ts";
import type { Regex } from "./regex.ts";

/** Type names as error texts print them. `missing` is the type of a reference that the point lacks. */
export type LambdaType =
  | "float"
  | "int"
  | "string"
  | "boolean"
  | "regex"
  | "time"
  | "duration"
  | "missing";

/** float → number · int, duration → `Int64` · missing → null */
export type LambdaValue = number | bigint | string | boolean | Regex | Time | null;

/** The representation of each type. */
export interface LambdaValues {
  readonly float: number;
  readonly int: Int64;
  readonly string: string;
  readonly boolean: boolean;
  readonly regex: Regex;
  readonly time: Time;
  readonly duration: Int64;
  readonly missing: null;
}

/**
 * An expression met a point that it cannot be evaluated on. `message` is the text that users see as `err="…"`.
 * The point's or the expression's fault; the state of functions that ran before it has advanced. Instances are
 * shared between points, so that a stream of bad points costs no stack traces: never change one.
 */
export class LambdaError extends Error {
  override name = "LambdaError";
}
