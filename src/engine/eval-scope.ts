/**
 * The names and values that the expressions of one `eval` make, point by point.
 *
 * Entries are the results by name, and names that the output keeps although only a tag has them. Arrays are
 * reused for every point. After the last expression, a result whose name a later expression refers to takes
 * the value of the point's own field or tag of that name, if it has one (a quirk of the original).
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue, Shape } from "#model/shape.ts";
import type { Expression } from "#tick/ast.ts";
import type { ExtraScope } from "#tick/lambda/scope.ts";
import type { LambdaType } from "#tick/lambda/value.ts";
import { GroupLambdas } from "./group-lambdas.ts";
import type { NodeContext } from "./node.ts";

export class EvalScope {
  readonly names: readonly string[];
  /** `undefined` = not set for this point. Parallel to `names`. */
  readonly types: (FieldType | undefined)[];
  readonly values: FieldValue[];
  /** The same as later expressions see it; the values are shared. */
  readonly #extra: ExtraScope & { readonly types: (LambdaType | undefined)[] };
  readonly #lambdas: GroupLambdas;
  /** For each expression, the index of its result. */
  readonly #targets: readonly number[];
  /** Indexes of entries that take the point's own value where it has one. */
  readonly #reverting: readonly number[];
  /** Where the entries of `#reverting` are in points of the last shape, −1 = no such field. */
  #slots: readonly number[] = [];
  #shape: Shape | undefined;

  /** `kept` are names that the output keeps, whether results or not. */
  constructor(
    expressions: readonly Expression[],
    as: readonly string[],
    kept: readonly string[],
    context: NodeContext,
  ) {
    this.#lambdas = new GroupLambdas(expressions, context);
    const { lambdas } = this.#lambdas;
    const referenced = kept.filter((name) =>
      lambdas.some(({ references }) => references.includes(name)),
    );
    const names = [...new Set([...as, ...referenced])];
    this.names = names;
    this.types = names.map(() => undefined);
    this.values = names.map(() => null);
    this.#extra = { names, types: names.map(() => undefined), values: this.values };
    this.#targets = as.map((name) => names.indexOf(name));
    this.#reverting = names.flatMap((name, index) => {
      const last = as.lastIndexOf(name);
      const later = lambdas.slice(last + 1).some(({ references }) => references.includes(name));
      return later ? [index] : [];
    });
  }

  indexOf(name: string): number {
    return this.names.indexOf(name);
  }

  /** True when the group was known. */
  delete(group: Group): boolean {
    return this.#lambdas.delete(group);
  }

  /** Fills `types` and `values` for a point. Throws when an expression fails. */
  evaluate(group: Group, point: Point): void {
    const { types, values } = this;
    const extraTypes = this.#extra.types;
    // They are short: the runtime's `fill` takes longer.
    for (let i = 0; i < types.length; i++) {
      types[i] = undefined;
      extraTypes[i] = undefined;
    }
    const states = this.#lambdas.of(group);
    const { lambdas } = this.#lambdas;
    for (let i = 0; i < lambdas.length; i++) {
      const lambda = lambdas[i];
      const state = states[i];
      if (lambda === undefined || state === undefined) break;
      const value = lambda.evaluate(point, state, this.#extra);
      const target = this.#targets[i] as number;
      types[target] = fieldTypeOf(state.resultType);
      extraTypes[target] = state.resultType;
      values[target] = value as FieldValue;
    }
    if (this.#reverting.length > 0) this.#revertAll(point);
  }

  #revertAll(point: Point): void {
    if (point.shape !== this.#shape) {
      this.#shape = point.shape;
      this.#slots = this.#reverting.map((index) => point.shape.slot(this.names[index] as string));
    }
    for (let i = 0; i < this.#reverting.length; i++) {
      this.#revert(point, this.#reverting[i] as number, this.#slots[i] as number);
    }
  }

  #revert(point: Point, index: number, slot: number): void {
    const name = this.names[index] as string;
    if (slot >= 0) {
      this.types[index] = point.shape.types[slot];
      this.values[index] = point.values[slot] as FieldValue;
      return;
    }
    const tag = point.series.tag(name);
    if (tag === undefined) return;
    this.types[index] = "string";
    this.values[index] = tag;
  }
}

function fieldTypeOf(type: LambdaType): FieldType {
  if (type === "time" || type === "regex" || type === "missing") {
    throw new Error(`expression returned unexpected type ${type}`);
  }
  return type;
}
