/**
 * The shape of a point: its field names and types, in order, shared by all points that have them.
 *
 * Values live in the point as a plain array in shape order, so a point costs one small object, and a
 * compiled lambda reads `values[i]`. Shapes are interned: two points with the same fields in the same
 * order normally share one shape. Identity is an optimisation only; compare with `sameShape` where it
 * matters.
 */

/**
 * Types of field values and how they are held:
 * float → number · int, duration → `Int64` · string → string · boolean → boolean · null → null
 * (`null` fields come from outer joins only). `uint` is line protocol's unsigned integer, an `Int64`-like
 * number or bigint up to 2^64−1.
 */
export type FieldType = "float" | "int" | "uint" | "string" | "boolean" | "duration" | "null";

export type FieldValue = number | bigint | string | boolean | null;

export class Shape {
  readonly names: readonly string[];
  readonly types: readonly FieldType[];
  readonly #index = new Map<string, number>();
  /** Field names in ascending byte order, and for each its slot: the order of result columns. */
  readonly sortedNames: readonly string[];

  constructor(names: readonly string[], types: readonly FieldType[]) {
    this.names = names;
    this.types = types;
    names.forEach((name, slot) => this.#index.set(name, slot));
    this.sortedNames = [...names].sort();
  }

  /** The slot of a field in `Point.values`, or −1. */
  slot(name: string): number {
    return this.#index.get(name) ?? -1;
  }
}

/** Interned shapes kept at most; beyond, the table starts anew (old shapes stay valid where they are used). */
export const SHAPES_MAX = 65_536;

const table = new Map<string, Shape>();

/** The shared shape for these fields. Names must be distinct. */
export function internShape(names: readonly string[], types: readonly FieldType[]): Shape {
  let key = "";
  for (let i = 0; i < names.length; i++) key += `${types[i]}${names[i]?.length}:${names[i]}`;
  let shape = table.get(key);
  if (shape === undefined) {
    if (table.size >= SHAPES_MAX) table.clear();
    shape = new Shape(names, types);
    table.set(key, shape);
  }
  return shape;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  return (
    a.names.length === b.names.length &&
    a.names.every((name, i) => name === b.names[i] && a.types[i] === b.types[i])
  );
}
