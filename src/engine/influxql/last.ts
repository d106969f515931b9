/** The latest point; among several of one time the one with the larger value (true for booleans). */

import { compareTime } from "#lib/time.ts";
import { selector } from "../influxql-selection.ts";
import { ANY, compareValues } from "./function.ts";

export const last = selector({
  name: "last",
  accepts: ANY,
  doc: "Selects the latest point.",
  beats(value, point, kept, keptPoint) {
    const order = compareTime(point.timeMs, point.timeNs, keptPoint.timeMs, keptPoint.timeNs);
    return order === 0 ? compareValues(value, kept) > 0 : order > 0;
  },
});
