/**
 * Sets one field of points: a new values array, the series shared, the new shape found once per old shape.
 *
 * A node that adds the same field to every point sees the same few shapes again and again; the last one
 * is remembered, so the usual point costs one array copy and no look-up.
 */

import { Point } from "#model/point.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";

export class FieldWriter {
  readonly #name: string;
  readonly #type: FieldType;
  #from: Shape | undefined;
  #to: Shape | undefined;
  #slot = 0;

  constructor(name: string, type: FieldType) {
    this.#name = name;
    this.#type = type;
  }

  /** The point with the field added or replaced. `value` must be of the writer's type. */
  write(point: Point, value: FieldValue): Point {
    const { shape } = point;
    if (shape !== this.#from) this.#learn(shape);
    const values = point.values.slice();
    values[this.#slot] = value;
    return new Point(point.series, this.#to ?? shape, values, point.timeMs, point.timeNs);
  }

  #learn(shape: Shape): void {
    const known = shape.slot(this.#name);
    this.#from = shape;
    if (known < 0) {
      this.#slot = shape.names.length;
      this.#to = internShape([...shape.names, this.#name], [...shape.types, this.#type]);
      return;
    }
    this.#slot = known;
    this.#to =
      shape.types[known] === this.#type
        ? shape
        : internShape(
            shape.names,
            shape.types.map((type, i) => (i === known ? this.#type : type)),
          );
  }
}

/** Finds one field in points; remembers where it was in the last shape. */
export class FieldReader {
  readonly name: string;
  #shape: Shape | undefined;
  #slot = -1;
  /** Type of the field in the last point read. */
  type: FieldType | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** The value, or `undefined` when the point has no such field; `type` is set to match. */
  read(point: Point): FieldValue | undefined {
    if (point.shape !== this.#shape) {
      this.#shape = point.shape;
      this.#slot = point.shape.slot(this.name);
      this.type = this.#slot < 0 ? undefined : point.shape.types[this.#slot];
    }
    return this.#slot < 0 ? undefined : point.values[this.#slot];
  }
}
