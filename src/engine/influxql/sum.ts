/** The sum of a field; int64 sums wrap around. An empty bucket gives 0.0. */

import { add, type Int64 } from "#lib/int64.ts";
import { type Aggregate, NUMBERS } from "./function.ts";

export const sum: Aggregate = {
  kind: "aggregate",
  name: "sum",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Adds up the values.",
  empty: { type: "float", value: 0 },
  resultType: (input) => input,
  ofSum: (sum) => sum,
  make(input) {
    let total: Int64 = 0;
    if (input === "int") {
      return {
        add(value) {
          total = add(total, value as Int64);
        },
        result: () => total,
      };
    }
    let floats = 0;
    return {
      add(value) {
        floats += value as number;
      },
      result: () => floats,
    };
  },
};
