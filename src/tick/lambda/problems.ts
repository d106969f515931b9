/** The exact texts of everything that can be wrong with an expression beyond its operators. */

import type { Call } from "../ast.ts";
import { formatExpression } from "../format.ts";
import type { FunctionSpec } from "../functions/spec.ts";
import type { LambdaType } from "./value.ts";

export function undefinedFunction(name: string): string {
  return `undefined function: "${name}"`;
}

export function missingValue(name: string): string {
  return `missing value: "${name}"`;
}

export function missingUnder(name: string): string {
  return `reference "${name}" is missing value`;
}

export function argumentProblem(index: number, problem: string): string {
  return `Failed to handle ${index + 1} argument: ${problem}`;
}

export function callProblem(name: string, problem: string): string {
  return `error calling "${name}": ${problem}`;
}

/** A call whose argument types fit no signature. */
export function badSignature(call: Call, spec: FunctionSpec, types: readonly LambdaType[]): string {
  const args = call.args.map((arg, i) => `${formatExpression(arg)}: ${types[i]}`).join(",");
  const available = spec.signatures.map(({ params }) => `(${params.join(",")})`).join(",");
  const head = `Cannot call function "${call.name}" with args (${args})`;
  return `${head}, available signatures are [${available}].`;
}

/** A call that was given missing values it does not take. `present` are the other referenced names. */
export function missingArguments(
  name: string,
  missing: readonly string[],
  present: readonly string[],
): string {
  const quote = (names: readonly string[]): string => names.map((n) => `"${n}"`).join(", ");
  const what = missing.length === 1 ? "argument" : "arguments";
  const verb = missing.length === 1 ? "is" : "are";
  const head = `Cannot call function "${name}" ${what} ${quote(missing)} ${verb} missing`;
  return `${head}, values in scope are [${quote(present)}]`;
}

/** A result that no node can use. */
export function unusableResult(type: LambdaType): string {
  return `expression returned unexpected type ${type}`;
}

/** A part of an expression that has no value in lambdas. */
export function unusableNode(kind: string): string {
  return `unsupported ${kind} in expression`;
}
