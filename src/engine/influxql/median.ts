/** The middle value; between two middle ones, their mean. A float also for ints. */

import { type Int64, sub, toFloat } from "#lib/int64.ts";
import type { FieldValue } from "#model/shape.ts";
import { type Aggregate, compareValues, NUMBERS } from "./function.ts";

export const median: Aggregate = {
  kind: "aggregate",
  name: "median",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Finds the middle value.",
  singleKeepsTime: true,
  resultType: () => "float",
  make(input) {
    const values: FieldValue[] = [];
    return {
      add(value) {
        values.push(value);
      },
      result() {
        if (values.length === 0) return undefined;
        values.sort(compareValues);
        const middle = values.length >> 1;
        const high = values[middle] as Int64;
        if (values.length % 2 === 1) return toFloat(high);
        const low = values[middle - 1] as Int64;
        if (input === "int") return toFloat(low) + toFloat(sub(high, low)) / 2;
        return (low as number) + ((high as number) - (low as number)) / 2;
      },
    };
  },
};
