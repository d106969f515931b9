/** The earliest point; among several of one time the one with the larger value (false for booleans). */

import { compareTime } from "#lib/time.ts";
import { selector } from "../influxql-selection.ts";
import { ANY, compareValues } from "./function.ts";

export const first = selector({
  name: "first",
  accepts: ANY,
  doc: "Selects the earliest point.",
  beats(value, point, kept, keptPoint) {
    const order = compareTime(point.timeMs, point.timeNs, keptPoint.timeMs, keptPoint.timeNs);
    if (order !== 0) return order < 0;
    return typeof value === "boolean" ? !value && kept === true : compareValues(value, kept) > 0;
  },
});
