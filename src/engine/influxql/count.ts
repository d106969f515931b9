/** The number of points that have the field. */

import { type Aggregate, ANY } from "./function.ts";

export const count: Aggregate = {
  kind: "aggregate",
  name: "count",
  params: ["string"],
  fieldAt: 0,
  accepts: ANY,
  doc: "Counts the points.",
  empty: { type: "int", value: 0 },
  resultType: () => "int",
  ofSum: (_sum, points) => points,
  make() {
    let points = 0;
    return {
      add() {
        points++;
      },
      result: () => points,
    };
  },
};
