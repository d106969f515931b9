/**
 * A compiled lambda tied to the places where one shape, tag set and extra scope keep the values it needs.
 */

import type { Point } from "#model/point.ts";
import type { ExtraScope } from "./scope.ts";
import type { LambdaState } from "./state.ts";
import type { LambdaError, LambdaType, LambdaValue } from "./value.ts";

/** Evaluates for a point of the right shape. Throws `LambdaError`. */
export type Run = (point: Point, state: LambdaState, extra: ExtraScope | undefined) => LambdaValue;

/** Where a reference was found; slots and indexes are in the order of `Lambda.references`. */
export interface Places {
  /** Slot in the shape, or −1. */
  readonly slots: readonly number[];
  /** Index among the series' tags, or −1. */
  readonly tags: readonly number[];
  /** Index in the extra scope, or −1. Only for what is neither field nor tag. */
  readonly extras: readonly number[];
}

export interface Bound extends Places {
  readonly run: Run;
  /** Type of the results; "missing" when every evaluation throws before it has one. */
  readonly resultType: LambdaType;
  /** Thrown by `test` because the result is no boolean. */
  readonly predicateError: LambdaError | undefined;
  /** Thrown by `evaluate` because the result is of no use to a node. */
  readonly valueError: LambdaError | undefined;
  /** The names that `extras` index, compared by identity; `undefined` when there was no extra scope. */
  readonly extraNames: readonly string[] | undefined;
  /** Types of the extra results that this code was made for, parallel to `extras`. */
  readonly extraTypes: readonly (LambdaType | undefined)[];
}
