/** The points with the least values. */

import { extremes } from "../influxql-extremes.ts";

export const bottom = extremes("bottom", 1, "Selects the points with the least values.");
