/**
 * Turns the property calls of an inline handler (`.slack().channel('#a')`) into the options object that topic
 * handlers have, so that both end in the same code.
 */

import { Calls } from "#engine/calls.ts";
import { value } from "#engine/properties.ts";
import type { PropertyCall, PropertySpec } from "#tick/environment.ts";

/** Text properties of a kind: property name → option key and doc. */
export type TextProperties = Readonly<Record<string, readonly [option: string, doc: string]>>;

export function textProperties(properties: TextProperties): PropertySpec[] {
  return Object.entries(properties).map(([name, [, doc]]) => value(name, "string", doc));
}

/** The options of the text properties that were called. */
export function textOptions(
  call: PropertyCall,
  properties: TextProperties,
): Record<string, unknown> {
  const calls = new Calls(call.calls);
  return defined(
    Object.fromEntries(
      Object.entries(properties).map(([name, [option]]) => [option, calls.string(name)]),
    ),
  );
}

/** The object without its `undefined` members. */
export function defined(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined));
}

/** The property that opens a handler. `goType` is Go's name of the object in error texts: `*pipeline.SlackHandler`. */
export function handlerProperty(
  name: string,
  goType: string,
  doc: string,
  properties: readonly PropertySpec[],
): PropertySpec {
  return { name, params: [], opens: { goType, properties }, doc };
}

/** Pairs from repeated two-text calls (`.header('k', 'v')`), later ones winning; `undefined` when none. */
export function textPairs(call: PropertyCall, name: string): Record<string, unknown> | undefined {
  const all = new Calls(call.calls).all(name);
  if (all.length === 0) return undefined;
  return Object.fromEntries(all.map(([key, item]) => [String(scalar(key)), scalar(item)] as const));
}

/** The plain value of an argument that is text, number, flag or duration. */
export function scalar(argument: PropertyCall["args"][number] | undefined): unknown {
  if (argument === undefined) return undefined;
  switch (argument.kind) {
    case "int":
    case "float":
    case "string":
    case "bool":
    case "duration":
    case "regex":
      return argument.value;
    case "list":
      return argument.value.map(scalar);
    default:
      return undefined;
  }
}
