/** The time since the previous point, in whole units. */

import { timeDifference } from "#lib/time.ts";
import { argument } from "../calls.ts";
import { ANY, type Transform } from "./function.ts";

export const elapsed: Transform = {
  kind: "transform",
  name: "elapsed",
  params: ["string", "duration"],
  fieldAt: 0,
  accepts: ANY,
  doc: "Computes the time since the previous point.",
  resultType: () => "int",
  make(_input, args) {
    const unitNs = Number(argument(args, 1, "duration").value);
    let previous: { readonly ms: number; readonly ns: number } | undefined;
    return {
      add(_value, ms, ns) {
        const before = previous;
        previous = { ms, ns };
        if (before === undefined) return undefined;
        return Math.floor(Number(timeDifference(ms, ns, before.ms, before.ns)) / unitNs);
      },
      save: () => (previous === undefined ? [] : [previous.ms, previous.ns]),
      load([ms, ns]) {
        if (ms !== undefined) previous = { ms: Number(ms), ns: Number(ns) };
      },
    };
  },
};
