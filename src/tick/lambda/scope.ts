/**
 * Where references of an expression get their values from.
 */

import { INT64_MAX } from "#lib/int64.ts";
import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import { LambdaError, type LambdaType, type LambdaValue } from "./value.ts";

/** Values by name, for the interpreter. `typeOf` is asked first, `valueOf` only for what is not missing. */
export interface Scope {
  typeOf(name: string): LambdaType;
  valueOf(name: string): LambdaValue;
}

/**
 * Named results that an expression sees beside the point: those of the earlier expressions of an `eval`.
 * The point's own field or tag of the same name wins. The three arrays are parallel; the owner may change
 * `types` and `values` between evaluations, never `names`.
 */
export interface ExtraScope {
  readonly names: readonly string[];
  /** `undefined` = no result yet. */
  readonly types: readonly (LambdaType | undefined)[];
  readonly values: readonly LambdaValue[];
}

/** The reference that means the point's time. */
export const TIME_NAME = "time";

/** The scope without names: expressions of a script outside of lambdas. */
export const EMPTY_SCOPE: Scope = {
  typeOf: () => "missing",
  valueOf: () => null,
};

/** Fields, then tags, then extra results of a point. */
export class PointScope implements Scope {
  readonly #point: Point;
  readonly #extra: ExtraScope | undefined;

  constructor(point: Point, extra: ExtraScope | undefined) {
    this.#point = point;
    this.#extra = extra;
  }

  typeOf(name: string): LambdaType {
    if (name === TIME_NAME) return "time";
    const field = this.#point.fieldType(name);
    if (field !== undefined) return lambdaTypeOf(field);
    if (this.#point.series.tag(name) !== undefined) return "string";
    const at = this.#extra?.names.lastIndexOf(name) ?? -1;
    return this.#extra?.types[at] ?? "missing";
  }

  valueOf(name: string): LambdaValue {
    if (name === TIME_NAME) return { ms: this.#point.timeMs, ns: this.#point.timeNs };
    const type = this.#point.fieldType(name);
    if (type !== undefined) return fieldValue(type, this.#point.field(name) ?? null);
    const tag = this.#point.series.tag(name);
    if (tag !== undefined) return tag;
    const at = this.#extra?.names.lastIndexOf(name) ?? -1;
    return this.#extra?.values[at] ?? null;
  }
}

/** The complaint about a name that is both field and tag of the point, or `undefined`. */
export function conflictOf(point: Point, references: readonly string[]): string | undefined {
  for (const name of references) {
    if (name === TIME_NAME || point.shape.slot(name) < 0) continue;
    if (point.series.tag(name) !== undefined) return conflictText(name);
  }
  return undefined;
}

export function conflictText(name: string): string {
  return `cannot have field and tags with same name "${name}"`;
}

/** The type of a field in expressions. A null field (outer join) is missing, an unsigned one an int. */
export function lambdaTypeOf(type: FieldType): LambdaType {
  switch (type) {
    case "uint":
      return "int";
    case "null":
      return "missing";
    default:
      return type;
  }
}

/** A field's value in expressions. Throws `LambdaError` for unsigned integers beyond int64. */
export function fieldValue(type: FieldType, value: FieldValue): LambdaValue {
  return type === "uint" ? checkedUint(value) : value;
}

const UINT_ERROR = new LambdaError("unsigned integer value is out of range of int");

export function checkedUint(value: FieldValue): FieldValue {
  if (typeof value === "bigint" && value > INT64_MAX) throw UINT_ERROR;
  return value;
}
