/** The mean of the last n values; nothing until there are n. A float also for ints. */

import { argument } from "../calls.ts";
import { NUMBERS, type Transform } from "./function.ts";

/** Values that one moving average may hold. */
const WINDOW_MAX = 1_000_000;

export const movingAverage: Transform = {
  kind: "transform",
  name: "movingAverage",
  params: ["string", "int"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Averages the last values.",
  resultType: () => "float",
  make(_input, args) {
    const size = Number(argument(args, 1, "int").value);
    if (size < 1 || size > WINDOW_MAX) {
      throw new Error(`movingAverage window must be between 1 and ${WINDOW_MAX}, got ${size}`);
    }
    const values: number[] = [];
    let next = 0;
    return {
      add(value) {
        values[next] = Number(value);
        next = (next + 1) % size;
        if (values.length < size) return undefined;
        let sum = 0;
        for (const held of values) sum += held;
        return sum / size;
      },
      save: () => [next, ...values],
      load([at, ...held]) {
        next = Number(at ?? 0);
        values.push(...held.map(Number));
      },
    };
  },
};
