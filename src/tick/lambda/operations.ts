/**
 * What operators do to values whose types have been found legal. Shared meaning of interpreter and compiled
 * code for everything that is more than one JavaScript operator.
 */

import type { Int64 } from "#lib/int64.ts";
import { add, div, fromFloat, mul, neg, rem, sub, toFloat } from "#lib/int64.ts";
import { compareBytes } from "#lib/json.ts";
import type { BinaryOperator } from "../ast.ts";
import { DIVIDE_BY_ZERO } from "./operators.ts";
import type { Regex } from "./regex.ts";
import { LambdaError, type LambdaType, type LambdaValue } from "./value.ts";

const DIVISION_ERROR = new LambdaError(DIVIDE_BY_ZERO);

/** Truncating int64 division; throws `LambdaError` for 0. */
export function divide(a: Int64, b: Int64): Int64 {
  if (b === 0) throw DIVISION_ERROR;
  return div(a, b);
}

/** Remainder with the sign of the dividend; throws `LambdaError` for 0. */
export function remainder(a: Int64, b: Int64): Int64 {
  if (b === 0) throw DIVISION_ERROR;
  return rem(a, b);
}

/** A duration times a float, truncated to nanoseconds. */
export function scale(duration: Int64, factor: number): Int64 {
  return fromFloat(toFloat(duration) * factor);
}

/** A duration divided by a float, truncated to nanoseconds. */
export function shrink(duration: Int64, divisor: number): Int64 {
  return fromFloat(toFloat(duration) / divisor);
}

/** A binary operator on values; `AND` and `OR` are control flow and not here. */
export function applyBinary(
  operator: Exclude<BinaryOperator, "AND" | "OR">,
  left: LambdaType,
  right: LambdaType,
  a: LambdaValue,
  b: LambdaValue,
): LambdaValue {
  switch (operator) {
    case "==":
      return order(left, right, a, b) === 0;
    case "!=":
      return order(left, right, a, b) !== 0;
    case "<":
      return order(left, right, a, b) < 0;
    case "<=":
      return order(left, right, a, b) <= 0;
    case ">":
      return order(left, right, a, b) > 0;
    case ">=":
      return order(left, right, a, b) >= 0;
    case "=~":
      return (b as Regex).test(a as string);
    case "!~":
      return !(b as Regex).test(a as string);
    default:
      return calculate(operator, left, right, a, b);
  }
}

/** Negative, 0 or positive; NaN when a float is NaN, for which every comparison but != is false. */
function order(left: LambdaType, right: LambdaType, a: LambdaValue, b: LambdaValue): number {
  if (left === "string") return compareBytes(a as string, b as string);
  if (left === "boolean") return a === b ? 0 : 1;
  const mixed = left !== right || left === "float";
  const x = mixed ? Number(a) : (a as Int64);
  const y = mixed ? Number(b) : (b as Int64);
  return x === y ? 0 : x < y ? -1 : x > y ? 1 : Number.NaN;
}

function calculate(
  operator: "+" | "-" | "*" | "/" | "%",
  left: LambdaType,
  right: LambdaType,
  a: LambdaValue,
  b: LambdaValue,
): LambdaValue {
  if (left === "string") return `${a as string}${b as string}`;
  if (left === "float" && right === "float") return onFloats(operator, a as number, b as number);
  if (left === "float") return scale(b as Int64, a as number);
  if (right === "float") {
    return (operator === "*" ? scale : shrink)(a as Int64, b as number);
  }
  return onIntegers(operator, a as Int64, b as Int64);
}

function onFloats(operator: "+" | "-" | "*" | "/" | "%", a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
  }
}

/** Integers and durations behave alike. */
function onIntegers(operator: "+" | "-" | "*" | "/" | "%", a: Int64, b: Int64): Int64 {
  switch (operator) {
    case "+":
      return add(a, b);
    case "-":
      return sub(a, b);
    case "*":
      return mul(a, b);
    case "/":
      return divide(a, b);
    case "%":
      return remainder(a, b);
  }
}

/** Unary minus. */
export function negate(type: LambdaType, value: LambdaValue): LambdaValue {
  return type === "float" ? -(value as number) : neg(value as Int64);
}
