/**
 * The layout of a line's fields: the raw bytes of their keys, their order and types.
 *
 * A line with the layout of its series' last line needs no strings: the reader compares key bytes and
 * parses values straight into slots. A layout belongs to one `Shape`; several layouts (different escapes)
 * may share one.
 */

import { type FieldType, internShape, type Shape } from "./shape.ts";

/** Type codes in the order of how often they are met. */
export const FLOAT = 0;
export const INT = 1;
export const STRING = 2;
export const BOOLEAN = 3;
export const UINT = 4;

const CODES: Readonly<Record<string, number>> = {
  float: FLOAT,
  int: INT,
  string: STRING,
  boolean: BOOLEAN,
  uint: UINT,
};

/** Which fields to convert, and the shape they make. `slots[i]` is −1 for a field that is only checked. */
export interface Selection {
  readonly shape: Shape;
  readonly slots: Int8Array | Int32Array;
}

export class FieldLayout {
  readonly shape: Shape;
  /** Bytes of `key=` of all fields, one after the other. */
  readonly keys: DataView;
  readonly bytes: Uint8Array;
  /** `ends[i]` is where field i's key ends in `keys`. */
  readonly ends: Int32Array;
  readonly codes: Uint8Array;
  readonly #all: Selection;
  readonly #none: Selection;
  #lastWanted: readonly string[] | undefined;
  #lastSelection: Selection;

  /** `keys` are the raw bytes of each key with its `=`; names in `shape` are in the same order. */
  constructor(shape: Shape, keys: readonly Uint8Array[]) {
    this.shape = shape;
    this.bytes = new Uint8Array(keys.reduce((sum, key) => sum + key.length, 0));
    this.keys = new DataView(this.bytes.buffer);
    this.ends = new Int32Array(keys.length);
    this.codes = Uint8Array.from(shape.types, (type) => CODES[type] ?? FLOAT);
    let at = 0;
    keys.forEach((key, i) => {
      this.bytes.set(key, at);
      at += key.length;
      this.ends[i] = at;
    });
    this.#all = { shape, slots: Int32Array.from(keys, (_, i) => i) };
    this.#none = { shape: internShape([], []), slots: new Int32Array(keys.length).fill(-1) };
    this.#lastSelection = this.#none;
  }

  /**
   * What to convert for `wanted`: everything, nothing, or these names (in line order). The last list is
   * remembered by identity, so callers pass the same array while their wish stays the same.
   */
  select(wanted: boolean | readonly string[]): Selection {
    if (wanted === true) return this.#all;
    if (wanted === false) return this.#none;
    if (wanted === this.#lastWanted) return this.#lastSelection;
    this.#lastSelection = selectFields(this.shape, wanted);
    this.#lastWanted = wanted;
    return this.#lastSelection;
  }

  /** True when this layout has exactly these keys and types. */
  matches(shape: Shape, keys: readonly Uint8Array[]): boolean {
    if (shape !== this.shape || keys.length !== this.ends.length) return false;
    let at = 0;
    return keys.every((key, i) => {
      const same =
        at + key.length === this.ends[i] && key.every((byte, j) => byte === this.bytes[at + j]);
      at += key.length;
      return same;
    });
  }
}

/** The part of a shape that is wanted, in the shape's order. */
export function selectFields(shape: Shape, wanted: readonly string[]): Selection {
  const names: string[] = [];
  const types: FieldType[] = [];
  const slots = Int32Array.from(shape.names, (name, i) => {
    if (!wanted.includes(name)) return -1;
    types.push(shape.types[i] as FieldType);
    return names.push(name) - 1;
  });
  return { shape: internShape(names, types), slots };
}
