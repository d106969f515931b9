/** Keeps the one point that beats all others: what first, last, min and max have in common. */

import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import type { Selection, Selector } from "./influxql/function.ts";

/** True when the new value and point beat the ones kept. */
export type Beats = (
  value: FieldValue,
  point: Point,
  kept: FieldValue,
  keptPoint: Point,
) => boolean;

export interface SelectorOptions {
  readonly name: string;
  readonly accepts: readonly FieldType[];
  readonly doc: string;
  readonly beats: Beats;
}

export function selector({ name, accepts, doc, beats }: SelectorOptions): Selector {
  return {
    kind: "selector",
    name,
    params: ["string"],
    fieldAt: 0,
    accepts,
    doc,
    make: () => new Best(beats),
  };
}

class Best implements Selection {
  readonly #beats: Beats;
  #value: FieldValue = null;
  #point: Point | undefined;

  constructor(beats: Beats) {
    this.#beats = beats;
  }

  add(value: FieldValue, point: Point): void {
    if (this.#point === undefined || this.#beats(value, point, this.#value, this.#point)) {
      this.#value = value;
      this.#point = point;
    }
  }

  selected(): Point | undefined {
    return this.#point;
  }
}
