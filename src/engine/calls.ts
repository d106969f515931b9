/**
 * Reads the arguments and property calls that the language recorded for a node.
 *
 * The language has already checked names, counts and types against the node's `PropertySpec`s, so a value of
 * another kind here is a bug. `undefined` means that a property was not called; the caller gives the default.
 */

import { assert } from "#lib/assert.ts";
import type { DurationNs, Int64 } from "#lib/int64.ts";
import type { Expression } from "#tick/ast.ts";
import type { PropertyCall, TickValue } from "#tick/environment.ts";

export type KindOf<K extends TickValue["kind"]> = Extract<TickValue, { readonly kind: K }>;

/** The value at an index, of one kind. */
export function argument<K extends TickValue["kind"]>(
  args: readonly TickValue[],
  index: number,
  kind: K,
): KindOf<K> {
  const value = args[index];
  assert(value !== undefined && value.kind === kind, `argument ${index} is of type ${kind}`);
  return value as KindOf<K>;
}

/** All values as texts; the language has checked that they are strings. */
export function strings(args: readonly TickValue[]): readonly string[] {
  return args.map((_, i) => argument(args, i, "string").value);
}

export function lambdas(args: readonly TickValue[]): readonly Expression[] {
  return args.map((_, i) => argument(args, i, "lambda").value);
}

export class Calls {
  readonly #calls: readonly PropertyCall[];

  constructor(calls: readonly PropertyCall[]) {
    this.#calls = calls;
  }

  /** Arguments of the last call, or `undefined`. */
  last(name: string): readonly TickValue[] | undefined {
    return this.#calls.findLast((call) => call.name === name)?.args;
  }

  /** Arguments of every call, in script order. */
  all(name: string): readonly (readonly TickValue[])[] {
    return this.#calls.filter((call) => call.name === name).map((call) => call.args);
  }

  flag(name: string): boolean {
    return this.last(name) !== undefined;
  }

  string(name: string): string | undefined {
    return this.#value(name, "string");
  }

  strings(name: string): readonly string[] | undefined {
    const args = this.last(name);
    return args === undefined ? undefined : strings(args);
  }

  int(name: string): Int64 | undefined {
    return this.#value(name, "int");
  }

  /** An int that a program can count with; beyond 2^53 it is the nearest number. */
  count(name: string): number | undefined {
    const value = this.int(name);
    return value === undefined ? undefined : Number(value);
  }

  bool(name: string): boolean | undefined {
    return this.#value(name, "bool");
  }

  duration(name: string): DurationNs | undefined {
    return this.#value(name, "duration");
  }

  lambda(name: string): Expression | undefined {
    return this.#value(name, "lambda");
  }

  #value<K extends Simple>(name: string, kind: K): ValueOf<K> | undefined {
    const args = this.last(name);
    return args === undefined
      ? undefined
      : (argument(args, 0, kind) as { value: ValueOf<K> }).value;
  }
}

type Simple = "string" | "int" | "bool" | "duration" | "lambda";
type ValueOf<K extends Simple> = { [S in Simple]: KindOf<S>["value"] }[K];

/** Go's name of a value's type, for texts such as `invalid dimension object of type float64`. */
export function goTypeOf(value: TickValue): string {
  switch (value.kind) {
    case "int":
      return "int64";
    case "float":
      return "float64";
    case "string":
      return "string";
    case "bool":
      return "bool";
    case "duration":
      return "time.Duration";
    case "regex":
      return "*regexp.Regexp";
    case "lambda":
      return "*ast.LambdaNode";
    case "star":
      return "*ast.StarNode";
    case "list":
      return "[]interface {}";
    case "timeDimension":
      return "pipeline.TimeDimension";
    default:
      return value.value.type.goType;
  }
}

/** Milliseconds (with fractions) of a duration, for timers. */
export function timerMs(duration: DurationNs): number {
  return Number(duration) / 1e6;
}
