/** Short forms of `PropertySpec` for the three usual sorts of property. */

import type { ParamType, PropertySpec } from "#tick/environment.ts";

/** An assignable value: `.period(10s)`. */
export function value(name: string, type: ParamType, doc: string): PropertySpec {
  return { name, params: [type], assignable: true, doc };
}

/** A call without arguments: `.align()`. */
export function flag(name: string, doc: string): PropertySpec {
  return { name, params: [], doc };
}

/** A method with fixed parameters, usually repeatable: `.tag('k', 'v')`. */
export function method(name: string, params: readonly ParamType[], doc: string): PropertySpec {
  return { name, params, doc };
}

/** A method taking any number of values: `.as('a', 'b')`. */
export function list(name: string, rest: ParamType, doc: string): PropertySpec {
  return { name, params: [], rest, doc };
}
