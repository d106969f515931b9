/**
 * The nodes a script makes, in order, with their numbers.
 *
 * The source has number 0. Every link takes the next number, so a node with several parents consumes one per
 * parent and is known by the last. A node that only watches its parent gives a childless parent a hidden
 * `noop` child, so that there is an edge to watch.
 */

import type {
  NodeDefinition,
  NodeType,
  Position,
  PropertyCall,
  TickEnvironment,
  TickValue,
} from "./environment.ts";

/** Hidden node type that gives a watched parent an edge. */
const NOOP = "noop";

export class Graph {
  readonly #environment: TickEnvironment;
  readonly #nodes: NodeDefinition[] = [];
  readonly #withChildren = new Set<NodeDefinition>();
  #nextId = 0;

  constructor(environment: TickEnvironment) {
    this.#environment = environment;
  }

  /** In creation order, the source first. */
  get nodes(): readonly NodeDefinition[] {
    return this.#nodes;
  }

  addSource(type: NodeType): NodeDefinition {
    return this.#push(type, [], [], undefined, this.#nextId++);
  }

  /** Adds the node that a chain method makes, or the last of the nodes it stands for. */
  add(
    type: NodeType,
    parent: NodeDefinition,
    args: readonly TickValue[],
    position: Position | undefined,
  ): NodeDefinition {
    if (type.expand !== undefined) return this.#expand(type, type.expand, parent, args);
    const joined = type.joinsArguments === true ? args.flatMap(nodesOf) : [];
    const parents = [parent, ...joined];
    const id = this.#nextId + parents.length - 1;
    this.#nextId = id + 1;
    const node = this.#push(type, args, parents, position, id);
    if (type.observesParent === true) this.#giveChild(parent);
    else for (const each of parents) this.#withChildren.add(each);
    return node;
  }

  #expand(
    type: NodeType,
    expand: NonNullable<NodeType["expand"]>,
    parent: NodeDefinition,
    args: readonly TickValue[],
  ): NodeDefinition {
    return expand({
      parent,
      args,
      add: (method, above, nodeArgs, calls) => {
        const part = this.#environment.nodes.get(method);
        if (part === undefined) throw new Error(`${type.method} needs the unknown node ${method}`);
        const node = this.add(part, above, nodeArgs, undefined);
        node.calls.push(...calls);
        return node;
      },
    });
  }

  #giveChild(parent: NodeDefinition): void {
    const noop = this.#environment.nodes.get(NOOP);
    if (noop === undefined || this.#withChildren.has(parent)) return;
    this.add(noop, parent, [], undefined);
  }

  #push(
    type: NodeType,
    args: readonly TickValue[],
    parents: readonly NodeDefinition[],
    position: Position | undefined,
    id: number,
  ): NodeDefinition {
    const calls: PropertyCall[] = [];
    const node = { id, name: `${type.desc}${id}`, type, args, parents, calls, position };
    this.#nodes.push(node);
    return node;
  }
}

function nodesOf(value: TickValue): readonly NodeDefinition[] {
  return value.kind === "node" ? [value.value] : [];
}
