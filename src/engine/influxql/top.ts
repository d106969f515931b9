/** The points with the greatest values. */

import { extremes } from "../influxql-extremes.ts";

export const top = extremes("top", -1, "Selects the points with the greatest values.");
