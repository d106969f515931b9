/** The first point of each distinct value, in order of time. */

import { compareTime } from "#lib/time.ts";
import type { FieldValue } from "#model/shape.ts";
import { ANY, type Item, type Multi } from "./function.ts";

export const distinct: Multi = {
  kind: "multi",
  name: "distinct",
  params: ["string"],
  fieldAt: 0,
  accepts: ANY,
  doc: "Selects each distinct value once.",
  resultType: (input) => input,
  make() {
    const seen = new Map<FieldValue, Item>();
    return {
      add(value, { timeMs: ms, timeNs: ns }) {
        const known = seen.get(value);
        if (known === undefined || compareTime(ms, ns, known.ms, known.ns) < 0) {
          seen.set(value, { value, ms, ns });
        }
      },
      results: () => [...seen.values()].sort((a, b) => compareTime(a.ms, a.ns, b.ms, b.ns)),
    };
  },
};
