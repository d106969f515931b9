/**
 * What `top` and `bottom` share: the n points with the most extreme values, most extreme first, the
 * earliest first among equal ones. Extra names are accepted and have no effect, as in the original since 1.6.5.
 */

import { compareTime } from "#lib/time.ts";
import type { Point } from "#model/point.ts";
import type { FieldValue } from "#model/shape.ts";
import { argument } from "./calls.ts";
import { compareValues, type Multi, NUMBERS } from "./influxql/function.ts";

/** `sign` +1 puts the least values first, −1 the greatest. */
export function extremes(name: string, sign: 1 | -1, doc: string): Multi {
  return {
    kind: "multi",
    name,
    params: ["int", "string"],
    rest: "string",
    fieldAt: 1,
    accepts: NUMBERS,
    doc,
    keepsTags: true,
    resultType: (input) => input,
    make(_input, args) {
      const n = Number(argument(args, 0, "int").value);
      const items: { readonly value: FieldValue; readonly point: Point }[] = [];
      return {
        add(value, point) {
          items.push({ value, point });
        },
        results() {
          items.sort(
            (a, b) =>
              sign * compareValues(a.value, b.value) ||
              compareTime(a.point.timeMs, a.point.timeNs, b.point.timeMs, b.point.timeNs),
          );
          return items
            .slice(0, Math.max(0, n))
            .map(({ value, point }) => ({ value, point, ms: point.timeMs, ns: point.timeNs }));
        },
      };
    },
  };
}
