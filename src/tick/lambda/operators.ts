/**
 * The operators of lambda expressions: which type pairs are legal, and the exact complaint about all others.
 *
 * This table is the whole truth of TICKscript's typing: there are no conversions, except that int and float
 * compare with each other.
 */

import type { BinaryOperator } from "../ast.ts";
import type { LambdaType } from "./value.ts";

type Pairs = Readonly<
  Partial<Record<LambdaType, Readonly<Partial<Record<LambdaType, LambdaType>>>>>
>;

const EQUALITY: Pairs = {
  boolean: { boolean: "boolean" },
  int: { int: "boolean", float: "boolean" },
  float: { int: "boolean", float: "boolean" },
  string: { string: "boolean" },
  duration: { duration: "boolean" },
};

const ORDER: Pairs = {
  int: { int: "boolean", float: "boolean" },
  float: { int: "boolean", float: "boolean" },
  string: { string: "boolean" },
  duration: { duration: "boolean" },
};

const MATCH: Pairs = { string: { regex: "boolean" } };
const LOGIC: Pairs = { boolean: { boolean: "boolean" } };

const PAIRS: Readonly<Record<BinaryOperator, Pairs>> = {
  AND: LOGIC,
  OR: LOGIC,
  "==": EQUALITY,
  "!=": EQUALITY,
  "<": ORDER,
  "<=": ORDER,
  ">": ORDER,
  ">=": ORDER,
  "=~": MATCH,
  "!~": MATCH,
  "+": {
    float: { float: "float" },
    int: { int: "int" },
    string: { string: "string" },
    duration: { duration: "duration" },
  },
  "-": { float: { float: "float" }, int: { int: "int" }, duration: { duration: "duration" } },
  "*": {
    float: { float: "float", duration: "duration" },
    int: { int: "int", duration: "duration" },
    duration: { int: "duration", float: "duration" },
  },
  "/": {
    float: { float: "float" },
    int: { int: "int" },
    duration: { int: "duration", float: "duration", duration: "int" },
  },
  "%": { int: { int: "int" } },
};

/** The result type of an operator on two types, or `undefined` when they do not go together. */
export function binaryType(
  operator: BinaryOperator,
  left: LambdaType,
  right: LambdaType,
): LambdaType | undefined {
  return PAIRS[operator][left]?.[right];
}

export type OperatorFamily = "math" | "comparison" | "logical";

export function familyOf(operator: BinaryOperator): OperatorFamily {
  switch (operator) {
    case "AND":
    case "OR":
      return "logical";
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return "math";
    default:
      return "comparison";
  }
}

/** True when the operator accepts the type on its left at all. */
export function acceptsLeft(operator: BinaryOperator, left: LambdaType): boolean {
  return PAIRS[operator][left] !== undefined;
}

/** Why the operator cannot work on these (present) types. */
export function binaryProblem(
  operator: BinaryOperator,
  left: LambdaType,
  right: LambdaType,
): string {
  if (!acceptsLeft(operator, left)) return operatorProblem(operator, left);
  const got = `${left} ${operator} ${right}`;
  const functions = "bool(), int(), float(), string(), duration()";
  return `mismatched type to binary operator. got ${got}. see ${functions}`;
}

/** An operator that its left side's type does not have. */
export function operatorProblem(operator: BinaryOperator, left: LambdaType): string {
  return `invalid ${familyOf(operator)} operator ${operator} for type ${left}`;
}

export function missingOperand(side: "left" | "right", name: string): string {
  return `${side} reference value "${name}" is missing value`;
}

/** A value that has the wrong type for where it stands. */
export function wrongType(actual: LambdaType | "invalid type", expected: LambdaType): string {
  return `TypeGuard: expression returned unexpected type ${actual}, expected ${expected}`;
}

export const DIVIDE_BY_ZERO = "runtime error: integer divide by zero";
