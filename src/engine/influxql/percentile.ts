/** The point at a percentile: rank ⌊n·p/100 + 0.5⌋ of the values in order; none when that is out of range. */

import type { Point } from "#model/point.ts";
import type { FieldValue } from "#model/shape.ts";
import { argument } from "../calls.ts";
import { compareValues, NUMBERS, type Selector } from "./function.ts";

export const percentile: Selector = {
  kind: "selector",
  name: "percentile",
  params: ["string", "float"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Selects the point at a percentile.",
  make(_input, args) {
    const percent = argument(args, 1, "float").value;
    const items: { readonly value: FieldValue; readonly point: Point }[] = [];
    return {
      add(value, point) {
        items.push({ value, point });
      },
      selected() {
        items.sort((a, b) => compareValues(a.value, b.value));
        return items[Math.floor((items.length * percent) / 100 + 0.5) - 1]?.point;
      },
    };
  },
};
