/** For how long a lambda has held, in units, measured on data time: 0.0 at first; −1.0 while it does not. */

import { type DurationNs, toFloat } from "#lib/int64.ts";
import { timeDifference } from "#lib/time.ts";
import type { Expression } from "#tick/ast.ts";
import { argument, Calls } from "../calls.ts";
import { withReferences } from "../field-needs.ts";
import { defineNode, QUIET } from "../node.ts";
import { value } from "../properties.ts";
import { StateTracker } from "../state-tracker.ts";

interface Options {
  readonly predicate: Expression;
  readonly as: string;
  readonly unit: DurationNs;
}

export const stateDuration = defineNode<Options>({
  method: "stateDuration",
  desc: "state_duration",
  goType: "*pipeline.StateDurationNode",
  wants: "either",
  provides: "same",
  params: ["lambda"],
  doc: "Adds the time for which consecutive points have been in a state.",
  properties: [
    value("as", "string", "Name of the result; state_duration when not given."),
    value("unit", "duration", "Unit of the result; 1s when not given."),
    QUIET,
  ],

  options({ args, calls: made }) {
    const calls = new Calls(made);
    return {
      predicate: argument(args, 0, "lambda").value,
      as: calls.string("as") ?? "state_duration",
      unit: calls.duration("unit") ?? 1_000_000_000,
    };
  },

  needs: ({ predicate }, below) => withReferences(below, [predicate]),

  start({ predicate, as, unit }, context) {
    const unitNs = toFloat(unit);
    return new StateTracker(
      {
        predicate,
        as,
        type: "float",
        fresh: () => ({ since: false, ms: 0, ns: 0 }),
        save: ({ since, ms, ns }) => [since ? 1 : 0, ms, ns],
        load: ([since = 0, ms = 0, ns = 0]) => ({ since: since === 1, ms, ns }),
        track(state, inState, { timeMs, timeNs }) {
          if (!inState) {
            state.since = false;
            return -1;
          }
          if (!state.since) {
            state.since = true;
            state.ms = timeMs;
            state.ns = timeNs;
          }
          return Number(timeDifference(timeMs, timeNs, state.ms, state.ns)) / unitNs;
        },
      },
      context,
    );
  },
});
