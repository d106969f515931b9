/** Counts the consecutive points for which a lambda holds: 1, 2, …; −1 while it does not. */

import type { Expression } from "#tick/ast.ts";
import { argument, Calls } from "../calls.ts";
import { withReferences } from "../field-needs.ts";
import { defineNode, QUIET } from "../node.ts";
import { value } from "../properties.ts";
import { StateTracker } from "../state-tracker.ts";

interface Options {
  readonly predicate: Expression;
  readonly as: string;
}

export const stateCount = defineNode<Options>({
  method: "stateCount",
  desc: "state_count",
  goType: "*pipeline.StateCountNode",
  wants: "either",
  provides: "same",
  params: ["lambda"],
  doc: "Adds the number of consecutive points in a state.",
  properties: [value("as", "string", "Name of the result; state_count when not given."), QUIET],

  options: ({ args, calls }) => ({
    predicate: argument(args, 0, "lambda").value,
    as: new Calls(calls).string("as") ?? "state_count",
  }),

  needs: ({ predicate }, below) => withReferences(below, [predicate]),
  start: ({ predicate, as }, context) =>
    new StateTracker(
      {
        predicate,
        as,
        type: "int",
        fresh: () => ({ count: 0 }),
        save: ({ count }) => [count],
        load: ([count = 0]) => ({ count }),
        track(state, inState) {
          state.count = inState ? state.count + 1 : 0;
          return inState ? state.count : -1;
        },
      },
      context,
    ),
});
