/**
 * What a lambda function is: one object carries signature, documentation, examples and code.
 *
 * Arguments must have exactly the types of one signature. `mayFail` functions throw plain `Error`s, which
 * callers turn into `error calling "name": …`; the others never throw. Functions that are not `pure` depend
 * on more than their arguments: on their state, the clock or chance.
 */

import type { Random } from "#lib/random.ts";
import type { Time } from "#lib/time.ts";
import type { LambdaType, LambdaValue, LambdaValues } from "../lambda/value.ts";
import type { FunctionState } from "./state.ts";

/** What lambdas need from the world. */
export interface LambdaServices {
  /** Wall-clock time, for `now()`. */
  now(): Time;
  /** For `rand()`; without it the function is an error. */
  readonly random?: Random;
  /** Milliseconds that local time is ahead of UTC at an instant; UTC when absent. */
  zoneOffsetMs?(ms: number): number;
}

/** What a call sees beside its arguments. */
export interface CallContext {
  readonly services: LambdaServices;
  readonly state: FunctionState;
}

interface SignatureBase {
  readonly params: readonly LambdaType[];
  readonly result: LambdaType;
}

/** A signature whose code looks at its arguments alone; compiled lambdas call it directly. */
export interface PlainSignature extends SignatureBase {
  readonly kind: "plain";
  readonly call: (...args: readonly LambdaValue[]) => LambdaValue;
}

/** A signature whose code uses its state or the world. */
export interface ContextSignature extends SignatureBase {
  readonly kind: "context";
  readonly call: (context: CallContext, ...args: readonly LambdaValue[]) => LambdaValue;
}

export type Signature = PlainSignature | ContextSignature;

export interface Example {
  readonly expression: string;
  /** The result as `string()` would print it; times as nanoseconds. */
  readonly result: string;
}

export interface FunctionSpec {
  readonly name: string;
  readonly doc: string;
  readonly examples: readonly Example[];
  readonly signatures: readonly Signature[];
  readonly mayFail: boolean;
  readonly pure: boolean;
}

type ValuesOf<P extends readonly LambdaType[]> = { [I in keyof P]: LambdaValues[P[I]] };

/** Builds a `PlainSignature`; the compiler checks the code against the parameter types. */
export function signature<const P extends readonly LambdaType[], R extends LambdaType>(
  params: P,
  result: R,
  call: (...args: ValuesOf<P>) => LambdaValues[R],
): Signature {
  // The one spot where parameter types are forgotten; `findSignature` proves them again per call.
  return { kind: "plain", params, result, call: call as unknown as PlainSignature["call"] };
}

/** Builds a `ContextSignature`. */
export function contextSignature<const P extends readonly LambdaType[], R extends LambdaType>(
  params: P,
  result: R,
  call: (context: CallContext, ...args: ValuesOf<P>) => LambdaValues[R],
): Signature {
  return { kind: "context", params, result, call: call as unknown as ContextSignature["call"] };
}

/** The signature whose parameters are exactly these types. */
export function findSignature(
  spec: FunctionSpec,
  types: readonly LambdaType[],
): Signature | undefined {
  return spec.signatures.find(
    ({ params }) => params.length === types.length && params.every((type, i) => type === types[i]),
  );
}

/** True when some signature takes a missing value at this place. */
export function acceptsMissing(spec: FunctionSpec, index: number): boolean {
  return spec.signatures.some(({ params }) => params[index] === "missing");
}
