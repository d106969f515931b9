/** The difference to the previous point's value. Points of the same time as the last are skipped. */

import { type Int64, sub } from "#lib/int64.ts";
import type { FieldValue } from "#model/shape.ts";
import { NUMBERS, type Transform } from "./function.ts";

export const difference: Transform = {
  kind: "transform",
  name: "difference",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Computes the difference to the previous value.",
  resultType: (input) => input,
  make(input) {
    let previous: { value: FieldValue; ms: number; ns: number } | undefined;
    return {
      add(value, ms, ns) {
        const before = previous;
        if (before !== undefined && before.ms === ms && before.ns === ns) return undefined;
        previous = { value, ms, ns };
        if (before === undefined) return undefined;
        return input === "int"
          ? sub(value as Int64, before.value as Int64)
          : (value as number) - (before.value as number);
      },
      save: () => (previous === undefined ? [] : [previous.value, previous.ms, previous.ns]),
      load([value, ms, ns]) {
        if (value !== undefined) previous = { value, ms: Number(ms), ns: Number(ns) };
      },
    };
  },
};
