/** The sample standard deviation (n − 1); 0.0 for a single point. */

import type { Int64 } from "#lib/int64.ts";
import { toFloat } from "#lib/int64.ts";
import { type Aggregate, NUMBERS } from "./function.ts";

export const stddev: Aggregate = {
  kind: "aggregate",
  name: "stddev",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Computes the standard deviation of a sample.",
  resultType: () => "float",
  make() {
    const values: number[] = [];
    return {
      add(value) {
        values.push(toFloat(value as Int64));
      },
      result() {
        if (values.length === 0) return undefined;
        if (values.length === 1) return 0;
        let mean = 0;
        values.forEach((value, i) => {
          mean += (value - mean) / (i + 1);
        });
        let squares = 0;
        for (const value of values) squares += (value - mean) ** 2;
        return Math.sqrt(squares / (values.length - 1));
      },
    };
  },
};
