/** The difference between the greatest and the least value. */

import { type Int64, sub } from "#lib/int64.ts";
import type { FieldValue } from "#model/shape.ts";
import { type Aggregate, compareValues, NUMBERS } from "./function.ts";

export const spread: Aggregate = {
  kind: "aggregate",
  name: "spread",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Computes the difference between the greatest and the least value.",
  resultType: (input) => input,
  make(input) {
    let least: FieldValue | undefined;
    let greatest: FieldValue | undefined;
    return {
      add(value) {
        if (least === undefined || compareValues(value, least) < 0) least = value;
        if (greatest === undefined || compareValues(value, greatest) > 0) greatest = value;
      },
      result() {
        if (least === undefined || greatest === undefined) return undefined;
        return input === "int"
          ? sub(greatest as Int64, least as Int64)
          : (greatest as number) - (least as number);
      },
    };
  },
};
