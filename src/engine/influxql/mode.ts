/**
 * The most frequent value. Between equally frequent ones the one seen earliest; when all are different, the
 * smallest.
 */

import { compareTime } from "#lib/time.ts";
import type { FieldValue } from "#model/shape.ts";
import { type Aggregate, compareValues, NUMBERS } from "./function.ts";

interface Seen {
  readonly value: FieldValue;
  times: number;
  ms: number;
  ns: number;
}

export const mode: Aggregate = {
  kind: "aggregate",
  name: "mode",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Finds the most frequent value.",
  singleKeepsTime: true,
  resultType: (input) => input,
  make() {
    const seen = new Map<FieldValue, Seen>();
    return {
      add(value, ms, ns) {
        const known = seen.get(value);
        if (known === undefined) {
          seen.set(value, { value, times: 1, ms, ns });
          return;
        }
        known.times++;
        if (compareTime(ms, ns, known.ms, known.ns) < 0) {
          known.ms = ms;
          known.ns = ns;
        }
      },
      result: () => best([...seen.values()])?.value,
    };
  },
};

function best(seen: readonly Seen[]): Seen | undefined {
  let most = 0;
  for (const { times } of seen) most = Math.max(most, times);
  const top = seen.filter(({ times }) => times === most);
  return most <= 1
    ? top.sort((a, b) => compareValues(a.value, b.value))[0]
    : top.sort((a, b) => compareTime(a.ms, a.ns, b.ms, b.ns))[0];
}
