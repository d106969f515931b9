/** The sum of all values so far. */

import { add, type Int64 } from "#lib/int64.ts";
import { NUMBERS, type Transform } from "./function.ts";

export const cumulativeSum: Transform = {
  kind: "transform",
  name: "cumulativeSum",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Adds up all values so far.",
  resultType: (input) => input,
  make(input) {
    let total: Int64 = 0;
    return {
      add(value) {
        total = input === "int" ? add(total, value as Int64) : Number(total) + Number(value);
        return total;
      },
      save: () => [total],
      load([saved]) {
        if (typeof saved === "number" || typeof saved === "bigint") total = saved;
      },
    };
  },
};
