/**
 * Which fields a task looks at, found by walking its nodes from the ends to the source.
 *
 * Most tasks read one or two fields of ten. What no task reads is checked but not converted when a line is
 * parsed, which is a large part of the cost of a point. A node that shows whole points to the outside
 * (events, endpoints, logs) needs all fields; so does every node that does not say otherwise.
 */

import type { Expression } from "#tick/ast.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import { referencesOf } from "#tick/inspect.ts";
import { Calls } from "./calls.ts";
import type { AnyNodeSpec } from "./node.ts";
import type { EngineServices } from "./ports.ts";

export type FieldNeeds = "all" | ReadonlySet<string>;

export const NO_FIELDS: FieldNeeds = new Set<string>();

/** What one `from` directly below the source needs. */
export interface SourceNeeds {
  /** "" = any. */
  readonly measurement: string;
  readonly fields: FieldNeeds;
}

export function unionOf(a: FieldNeeds, b: FieldNeeds | readonly string[]): FieldNeeds {
  if (a === "all" || b === "all") return "all";
  return new Set([...a, ...b]);
}

/** The needs, and what the expressions refer to. */
export function withReferences(
  below: FieldNeeds,
  expressions: readonly (Expression | undefined)[],
): FieldNeeds {
  const names = expressions.flatMap((e) => (e === undefined ? [] : [...referencesOf(e)]));
  return unionOf(below, names);
}

/** The needs of every `from` directly below the source. */
export function sourceNeeds(
  nodes: readonly NodeDefinition[],
  specs: ReadonlyMap<string, AnyNodeSpec>,
  services: EngineServices,
): readonly SourceNeeds[] {
  const below = new Map<NodeDefinition, FieldNeeds>();
  const found: SourceNeeds[] = [];
  for (const node of nodes.toReversed()) {
    const spec = specs.get(node.type.method);
    if (spec?.observesParent === true) continue;
    const options = spec?.options(node);
    node.parents.forEach((parent, input) => {
      const own = below.get(node) ?? NO_FIELDS;
      const needs = spec?.needs === undefined ? "all" : spec.needs(options, own, input, services);
      below.set(parent, unionOf(below.get(parent) ?? NO_FIELDS, needs));
      if (parent !== nodes[0]) return;
      const measurement = new Calls(node.calls).string("measurement") ?? "";
      found.push({ measurement, fields: needs });
    });
  }
  return found;
}
