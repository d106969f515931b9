/**
 * Checks call arguments against parameter types. There are no conversions; the complaints are those of Go's
 * reflection, which is what clients have always seen.
 */

import type { ParamType, TickValue } from "./environment.ts";
import { goTypeOf, goTypeOfParam } from "./values.ts";

export interface Parameters {
  readonly params: readonly ParamType[];
  readonly rest?: ParamType | undefined;
  /** Number of trailing `params` that may be left out. */
  readonly optional?: number | undefined;
}

/** What is wrong with the arguments of a method, or `undefined`. */
export function methodProblem(
  { params, rest, optional = 0 }: Parameters,
  args: readonly TickValue[],
): string | undefined {
  if (args.length < params.length - optional) return "reflect: Call with too few input arguments";
  if (args.length > params.length && rest === undefined) {
    return "reflect: Call with too many input arguments";
  }
  for (const [i, arg] of args.entries()) {
    const wanted = params[i] ?? rest ?? "any";
    if (accepts(wanted, arg)) continue;
    const [got, type] = [goTypeOf(arg), goTypeOfParam(wanted)];
    return i < params.length
      ? `reflect: Call using ${got} as type ${type}`
      : `reflect: cannot use ${got} as type ${type} in Call`;
  }
  return undefined;
}

/** What is wrong with the one argument of a plain property, or `undefined`. */
export function assignmentProblem(wanted: ParamType, arg: TickValue): string | undefined {
  if (accepts(wanted, arg)) return undefined;
  const [got, type] = [goTypeOf(arg), goTypeOfParam(wanted)];
  return `reflect.Set: value of type ${got} is not assignable to type ${type}`;
}

function accepts(wanted: ParamType, arg: TickValue): boolean {
  return wanted === "any" || wanted === arg.kind;
}
