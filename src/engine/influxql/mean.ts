/** The arithmetic mean, a float also for ints. */

import { add, type Int64, toFloat } from "#lib/int64.ts";
import { type Aggregate, type Aggregator, NUMBERS } from "./function.ts";

export const mean: Aggregate = {
  kind: "aggregate",
  name: "mean",
  params: ["string"],
  fieldAt: 0,
  accepts: NUMBERS,
  doc: "Averages the values.",
  resultType: () => "float",
  ofSum: (sum, points) => toFloat(sum) / points,
  make: (input) => (input === "int" ? new IntMean() : new FloatMean()),
};

class FloatMean implements Aggregator {
  #sum = 0;
  #count = 0;

  add(value: number): void {
    this.#sum += value;
    this.#count++;
  }

  result(): number | undefined {
    return this.#count === 0 ? undefined : this.#sum / this.#count;
  }
}

class IntMean implements Aggregator {
  #sum: Int64 = 0;
  #count = 0;

  add(value: Int64): void {
    this.#sum = add(this.#sum, value);
    this.#count++;
  }

  result(): number | undefined {
    return this.#count === 0 ? undefined : toFloat(this.#sum) / this.#count;
  }
}
