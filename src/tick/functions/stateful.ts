/**
 * Functions that remember: their state belongs to the expression and usually to the group, see
 * `lambda/state.ts`. They advance only when they are evaluated, so short-circuited calls do not count.
 */

import { fromBigInt, INT64_MAX, type Int64 } from "#lib/int64.ts";
import type { Random } from "#lib/random.ts";
import { type CallContext, contextSignature, type FunctionSpec } from "./spec.ts";

export const statefulFunctions: readonly FunctionSpec[] = [
  {
    name: "count",
    doc: "How often it has been called, this call included.",
    examples: [{ expression: "count() + count()", result: "3" }],
    mayFail: false,
    pure: false,
    signatures: [contextSignature([], "int", ({ state }) => ++state.count)],
  },
  {
    name: "sigma",
    doc: "Standard deviations between the value and the running mean; 0 until two values differ.",
    examples: [{ expression: "sigma(5.0)", result: "0" }],
    mayFail: false,
    pure: false,
    signatures: [contextSignature(["float"], "float", sigma)],
  },
  {
    name: "spread",
    doc: "Largest minus smallest value so far.",
    examples: [{ expression: "spread(5.0)", result: "0" }],
    mayFail: false,
    pure: false,
    signatures: [contextSignature(["float"], "float", spread)],
  },
  {
    name: "rand",
    doc: "A random integer: below 2^63, or below the argument.",
    examples: [{ expression: "rand(1)", result: "0" }],
    mayFail: true,
    pure: false,
    signatures: [
      contextSignature([], "int", ({ services }) => random63(given(services.random))),
      contextSignature(["int"], "int", ({ services }, n) => randomBelow(given(services.random), n)),
    ],
  },
];

/** Welford's algorithm; the mean already includes the value. */
function sigma({ state }: CallContext, x: number): number {
  state.sigmaCount++;
  const difference = x - state.sigmaMean;
  state.sigmaMean += difference / state.sigmaCount;
  state.sigmaSquares += difference * (x - state.sigmaMean);
  if (state.sigmaCount < 2) return 0;
  const variance = state.sigmaSquares / (state.sigmaCount - 1);
  return variance === 0 ? 0 : Math.abs(x - state.sigmaMean) / Math.sqrt(variance);
}

function spread({ state }: CallContext, x: number): number {
  if (x < state.spreadMin) state.spreadMin = x;
  if (x > state.spreadMax) state.spreadMax = x;
  return state.spreadMax - state.spreadMin;
}

function given(random: Random | undefined): Random {
  if (random === undefined) throw new Error("no source of randomness here");
  return random;
}

function random63(random: Random): Int64 {
  const high = BigInt(random.u32() & 0x7fffffff);
  return fromBigInt((high << 32n) | BigInt(random.u32()));
}

/** Uniform: draws in the incomplete last stretch of the range are repeated. */
function randomBelow(random: Random, n: Int64): Int64 {
  if (n <= 0) throw new Error(`invalid argument ${n}, must be positive`);
  const range = BigInt(n);
  const usable = ((INT64_MAX + 1n) / range) * range;
  for (;;) {
    const draw = BigInt(random63(random));
    if (draw < usable) return fromBigInt(draw % range);
  }
}
