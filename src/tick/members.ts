/**
 * Finds what a name means on a node or on an object that a property opened, and says what is wrong if it
 * means nothing there.
 *
 * Only the first letter's case is free. An object's own properties hide those of what it was opened on. A name
 * called with the wrong operator gets an error that shows the right one.
 */

import type { Chain, ChainOperator } from "./ast.ts";
import { nearestName } from "./diagnostic.ts";
import type {
  NodeDefinition,
  NodeType,
  ObjectSpec,
  PropertySpec,
  TickEnvironment,
} from "./environment.ts";
import type { OpenedObject } from "./scope.ts";

/** A node, or an object opened on one: what chains apply to. */
export type Target = NodeDefinition | OpenedObject;

export function isObject(target: Target): target is OpenedObject {
  return "kind" in target;
}

export function nodeOf(target: Target): NodeDefinition {
  return isObject(target) ? target.node : target;
}

export function specOf(target: Target): ObjectSpec {
  return isObject(target) ? target.spec : target.type;
}

export interface FoundProperty {
  readonly spec: PropertySpec;
  /** The target itself, or what it was opened on. */
  readonly owner: Target;
}

/** The property of a target, own ones first. */
export function findProperty(target: Target, name: string): FoundProperty | undefined {
  const folded = foldFirst(name);
  let owner: Target | undefined = target;
  while (owner !== undefined) {
    const spec = specOf(owner).properties.find((property) => property.name === folded);
    if (spec !== undefined) return { spec, owner };
    owner = isObject(owner) ? (owner.on ?? owner.node) : undefined;
  }
  return undefined;
}

/** The node type that a chain method makes from this parent. */
export function findChainMethod(
  environment: TickEnvironment,
  parent: NodeType,
  name: string,
): NodeType | undefined {
  const type = environment.nodes.get(foldFirst(name));
  return type !== undefined && mayFollow(type, parent) ? type : undefined;
}

/** The node type of a UDF; its name is matched exactly. */
export function findDynamic(environment: TickEnvironment, name: string): NodeType | undefined {
  return environment.dynamic.get(name);
}

function mayFollow(type: NodeType, parent: NodeType): boolean {
  if (type.hidden === true || type.method === "stream" || type.method === "batch") return false;
  if (type.onlyParents !== undefined && !type.onlyParents.includes(parent.method)) return false;
  if (parent.onlyChildren !== undefined) return parent.onlyChildren.includes(type.method);
  const watches = type.observesParent === true || type.expand !== undefined;
  return parent.provides !== "none" || watches;
}

const KINDS: Readonly<Record<ChainOperator, string>> = {
  "|": "chaining method",
  ".": "property method",
  "@": "dynamic method",
};

export interface Complaint {
  readonly message: string;
  readonly hint: string | undefined;
}

/** Why `operator name(…)` means nothing on the target. */
export function unknownMember(
  environment: TickEnvironment,
  target: Target,
  operator: ChainOperator,
  name: string,
): Complaint {
  const { goType } = specOf(target);
  const right = rightOperator(environment, target, name);
  if (right !== undefined && right.operator !== operator) {
    const use = `node${right.operator}${name}(..)`;
    const message =
      `no ${KINDS[operator]} "${name}" on ${goType}, but ${right.what} does exist. ` +
      `Use '${right.operator}' operator instead: '${use}'.`;
    return { message, hint: `write ${right.operator}${name}(…) instead of ${operator}${name}(…)` };
  }
  const near = nearestName(name, memberNames(environment, target));
  const hint = near === undefined ? undefined : `did you mean ${near}?`;
  return { message: `no method or property "${name}" on ${goType}`, hint };
}

function rightOperator(
  environment: TickEnvironment,
  target: Target,
  name: string,
): { readonly operator: Chain["operator"]; readonly what: string } | undefined {
  if (findProperty(target, name) !== undefined) return { operator: ".", what: "property" };
  if (findChainMethod(environment, nodeOf(target).type, name) !== undefined) {
    return { operator: "|", what: "chaining method" };
  }
  if (findDynamic(environment, name) !== undefined) {
    return { operator: "@", what: "dynamic method" };
  }
  return undefined;
}

function memberNames(environment: TickEnvironment, target: Target): readonly string[] {
  const names = specOf(target).properties.map((property) => property.name);
  if (isObject(target)) names.push(...memberNames(environment, target.on ?? target.node));
  else {
    for (const type of environment.nodes.values()) {
      if (mayFollow(type, target.type)) names.push(type.method);
    }
  }
  return names;
}

/** The name as specifications spell it: they begin with a small letter. */
function foldFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
