/**
 * Builds what scripts may call out of the node registry and the alert handlers.
 *
 * Every node gets `|stats` and `|deadman` by being in the same table. The alert node gets a property per
 * handler kind; each opens an object that inherits all properties of the alert, the handler's own hiding
 * those of the same name. `alert-options.ts` takes the calls apart again.
 */

import type { DurationNs } from "#lib/int64.ts";
import type { AppendedCall, NodeType, PropertySpec, TickEnvironment } from "#tick/environment.ts";
import type { AnyNodeSpec } from "./node.ts";
import { type DeadmanTexts, makeDeadman } from "./nodes/deadman.ts";
import { NODE_SPECS } from "./nodes/registry.ts";

export interface TickEnvironmentOptions {
  /** The `tick.property` of every handler kind that has one. */
  readonly handlers: readonly PropertySpec[];
  /** The `[deadman]` section; the original's defaults when not given. */
  readonly deadman?: DeadmanSettings;
  /** Node specs by method; the registry when not given. */
  readonly specs?: ReadonlyMap<string, AnyNodeSpec>;
}

export interface DeadmanSettings extends DeadmanTexts {
  /** True adds a deadman to the source of every script. */
  readonly global?: boolean;
  /** Points per interval, for the global one; 0 when not given. */
  readonly threshold?: number;
  /** For the global one; 10 s when not given. */
  readonly interval?: DurationNs;
}

const DEADMAN_INTERVAL_NS = 10_000_000_000;

export function makeTickEnvironment(options: TickEnvironmentOptions): TickEnvironment {
  const { handlers, deadman, specs = NODE_SPECS } = options;
  const nodes = new Map<string, NodeType>();
  for (const [method, spec] of specs) {
    const used = method === "deadman" && deadman !== undefined ? makeDeadman(deadman) : spec;
    const type = nodeTypeOf(used);
    nodes.set(method, method === "alert" ? withHandlers(type, handlers) : type);
  }
  const appended = deadman?.global === true ? [globalDeadman(deadman)] : [];
  return { nodes, dynamic: new Map(), appended };
}

function globalDeadman({ threshold, interval }: DeadmanSettings): AppendedCall {
  return {
    method: "deadman",
    args: [
      { kind: "float", value: threshold ?? 0 },
      { kind: "duration", value: interval ?? DEADMAN_INTERVAL_NS },
    ],
  };
}

/** What the language needs to know of a node. */
export function nodeTypeOf(spec: AnyNodeSpec): NodeType {
  return {
    method: spec.method,
    desc: spec.desc ?? spec.method,
    goType: spec.goType,
    params: spec.params ?? [],
    ...(spec.rest === undefined ? {} : { rest: spec.rest }),
    ...(spec.optional === undefined ? {} : { optional: spec.optional }),
    properties: spec.properties ?? [],
    wants: spec.wants,
    provides: spec.provides,
    ...(spec.onlyChildren === undefined ? {} : { onlyChildren: spec.onlyChildren }),
    ...(spec.onlyParents === undefined ? {} : { onlyParents: spec.onlyParents }),
    joinsArguments: spec.joinsArguments === true,
    observesParent: spec.observesParent === true,
    hidden: spec.hidden === true,
    ...(spec.expand === undefined ? {} : { expand: spec.expand }),
    validate: (definition) => void spec.options(definition),
    doc: spec.doc,
  };
}

/** The alert's type with one property per handler. Objects refer to each other, so lists are filled last. */
function withHandlers(type: NodeType, handlers: readonly PropertySpec[]): NodeType {
  const properties: PropertySpec[] = [...type.properties];
  for (const handler of handlers) {
    if (handler.opens === undefined) {
      properties.push(handler);
      continue;
    }
    const opened: PropertySpec[] = [...handler.opens.properties];
    properties.push({ ...handler, opens: { goType: handler.opens.goType, properties: opened } });
  }
  for (const handler of properties) {
    const opened = handler.opens?.properties;
    if (opened === undefined) continue;
    const own = new Set(opened.map(({ name }) => name));
    const inherited = properties.filter(({ name }) => !own.has(name));
    (opened as PropertySpec[]).push(...inherited);
  }
  return { ...type, properties };
}
