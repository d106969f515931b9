/**
 * What an expression remembers between evaluations.
 *
 * A node makes one root state per lambda. Where state is per group, it makes one `forGroup()` from the root
 * for every group; where all groups share state, it uses the root itself. A lambda that was nested in another
 * by name keeps its own state, shared by all states that come from one root.
 */

import type { Shape } from "#model/shape.ts";
import type { CallContext, LambdaServices } from "../functions/spec.ts";
import { FunctionState } from "../functions/state.ts";
import type { Bound } from "./bound.ts";
import type { LambdaType } from "./value.ts";

export class LambdaState {
  /** For the expression's own functions. */
  readonly context: CallContext;
  /** For those of nested lambdas, in the order in which they stand in the expression. */
  readonly nested: readonly CallContext[];
  /** Type of the last result. */
  resultType: LambdaType = "missing";
  /** The code chosen for the last point and what it was chosen by; tried first for the next point. */
  bound: Bound | undefined;
  shape: Shape | undefined;
  tagKeys: readonly string[] | undefined;

  constructor(services: LambdaServices, nested: readonly CallContext[]) {
    this.context = { services, state: new FunctionState() };
    this.nested = nested;
  }

  /** Fresh state of the expression itself, for another group; nested lambdas keep sharing theirs. */
  forGroup(): LambdaState {
    return new LambdaState(this.context.services, this.nested);
  }

  /** Plain data for snapshots. Nested state is saved with every state that shares it. */
  save(): unknown {
    return {
      own: this.context.state.save(),
      nested: this.nested.map(({ state }) => state.save()),
    };
  }

  /** Takes back what `save` gave. False, with nothing or only a part taken, when it does not fit. */
  load(saved: unknown): boolean {
    if (typeof saved !== "object" || saved === null) return false;
    const { own, nested } = saved as { own?: unknown; nested?: unknown };
    if (!Array.isArray(nested) || nested.length !== this.nested.length) return false;
    const loaded = this.nested.map(({ state }, i) => state.load(nested[i]));
    return this.context.state.load(own) && loaded.every(Boolean);
  }
}
