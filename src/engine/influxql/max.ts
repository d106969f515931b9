/** The point with the greatest value; among equal ones the earliest. */

import { compareTime } from "#lib/time.ts";
import { selector } from "../influxql-selection.ts";
import { compareValues, NUMBERS } from "./function.ts";

export const max = selector({
  name: "max",
  accepts: NUMBERS,
  doc: "Selects the point with the greatest value.",
  beats(value, point, kept, keptPoint) {
    const order = compareValues(value, kept);
    if (order !== 0) return order > 0;
    return compareTime(point.timeMs, point.timeNs, keptPoint.timeMs, keptPoint.timeNs) < 0;
  },
});
