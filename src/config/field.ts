/**
 * Fields: the kinds of value a configuration key can have.
 *
 * One constructor per kind gives the TypeScript type, the TypeBox schema of the value as it is written, the
 * compiled default, and the zero that elements of longer lists start from. Reading, printing and environment
 * overrides all switch over the same closed union, so a new kind is found by the compiler everywhere.
 */

import { type TSchema, Type } from "@sinclair/typebox";
import type { DurationNs } from "#lib/int64.ts";

/** What distinguishes fields to the code that reads, prints and overrides them. */
export type FieldShape =
  | { readonly kind: "text" }
  | { readonly kind: "flag" }
  | { readonly kind: "integer" }
  | { readonly kind: "float" }
  | { readonly kind: "duration" }
  | { readonly kind: "texts" }
  | { readonly kind: "text-map" }
  | { readonly kind: "texts-map" }
  | { readonly kind: "table"; readonly fields: Fields }
  | { readonly kind: "table-map"; readonly fields: Fields };

export interface Field<T> {
  readonly shape: FieldShape;
  /** The value as users write it in TOML and JSON (durations as text). */
  readonly schema: TSchema;
  /** Compiled default, used where the configuration says nothing. */
  readonly initial: T;
  /** What an element of a list of two or more starts from. */
  readonly zero: T;
  /** What elements added through the configuration API start from. */
  readonly added: T;
  /** What must be written, as error messages say it: `a string`. */
  readonly expected: string;
  /** Shown as set or unset only, never as itself. */
  readonly redacted: boolean;
  /** Another environment variable that sets it. */
  readonly environment: string | undefined;
  /** How the configuration API spells the key, where that differs from the file. */
  readonly apiName: string | undefined;
  readonly doc: string;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of a set of fields; keys are spelled as in the file. */
export type ValuesOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

export interface FieldOptions<T> {
  readonly doc?: string;
  readonly added?: T;
  readonly redacted?: boolean;
  readonly environment?: string;
  readonly apiName?: string;
}

export interface TextOptions extends FieldOptions<string> {
  /** The only values allowed; "" stands for the default. */
  readonly oneOf?: readonly string[];
}

export interface NumberOptions extends FieldOptions<number> {
  readonly min?: number;
  readonly max?: number;
}

export interface DurationOptions extends FieldOptions<DurationNs> {
  /** Durations are refused when negative unless this is set. */
  readonly negative?: true;
}

export function text(initial = "", options: TextOptions = {}): Field<string> {
  const { oneOf } = options;
  const schema =
    oneOf === undefined
      ? Type.String({ default: initial })
      : Type.Union(
          oneOf.map((word) => Type.Literal(word)),
          { default: initial },
        );
  const expected = oneOf === undefined ? "a string" : `one of ${oneOf.map(quote).join(", ")}`;
  return field({ kind: "text" }, { schema, initial, zero: "", expected }, options);
}

const quote = (word: string): string => JSON.stringify(word);

export function flag(initial = false, options: FieldOptions<boolean> = {}): Field<boolean> {
  const schema = Type.Boolean({ default: initial });
  const known = { schema, initial, zero: false, expected: "true or false" };
  return field({ kind: "flag" }, known, options);
}

/** Whole numbers within ±2^53. */
export function integer(initial = 0, options: NumberOptions = {}): Field<number> {
  const schema = Type.Integer({
    default: initial,
    minimum: Number.MIN_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
    ...limits(options),
  });
  const expected = `an integer${rangeText(options)}`;
  return field({ kind: "integer" }, { schema, initial, zero: 0, expected }, options);
}

export function float(initial = 0, options: NumberOptions = {}): Field<number> {
  const schema = Type.Number({ default: initial, ...limits(options) });
  const expected = `a number${rangeText(options)}`;
  return field({ kind: "float" }, { schema, initial, zero: 0, expected }, options);
}

function limits({ min, max }: NumberOptions): { minimum?: number; maximum?: number } {
  return {
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  };
}

function rangeText({ min, max }: NumberOptions): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? "" : ` of at most ${max}`;
}

/** Go form (`"1m30s"`) or an integer of nanoseconds; the value is nanoseconds. */
export function duration(initial: DurationNs, options: DurationOptions = {}): Field<DurationNs> {
  const minimum = options.negative === true ? {} : { minimum: 0 };
  const schema = Type.Integer(minimum);
  const sign = options.negative === true ? "" : ", not negative";
  const expected = `a duration such as "10s" or "1m30s"${sign}`;
  return field({ kind: "duration" }, { schema, initial, zero: 0, expected }, options);
}

export function texts(
  initial: readonly string[] = [],
  options: FieldOptions<readonly string[]> = {},
): Field<readonly string[]> {
  const schema = Type.Array(Type.String(), { default: initial });
  const known = { schema, initial, zero: [], expected: "an array of strings" };
  return field({ kind: "texts" }, known, options);
}

export type TextMap = Readonly<Record<string, string>>;
export type TextsMap = Readonly<Record<string, readonly string[]>>;

export function textMap(options: FieldOptions<TextMap> = {}): Field<TextMap> {
  const schema = Type.Record(Type.String(), Type.String());
  const known = { schema, initial: {}, zero: {}, expected: "a table of strings" };
  return field({ kind: "text-map" }, known, options);
}

export function textsMap(
  initial: TextsMap = {},
  options: FieldOptions<TextsMap> = {},
): Field<TextsMap> {
  const schema = Type.Record(Type.String(), Type.Array(Type.String()));
  const known = { schema, initial, zero: {}, expected: "a table of arrays of strings" };
  return field({ kind: "texts-map" }, known, options);
}

/** A sub-table with fixed keys. */
export function table<F extends Fields>(
  fields: F,
  options: FieldOptions<ValuesOf<F>> = {},
): Field<ValuesOf<F>> {
  const known = {
    schema: schemaOf(fields),
    initial: valuesOf(fields, "initial"),
    zero: valuesOf(fields, "zero"),
    expected: "a table",
  };
  return field({ kind: "table", fields }, known, options);
}

/** Sub-tables with fixed keys under names of the user's choice. */
export function tableMap<F extends Fields>(
  fields: F,
  options: FieldOptions<Readonly<Record<string, ValuesOf<F>>>> = {},
): Field<Readonly<Record<string, ValuesOf<F>>>> {
  const schema = Type.Record(Type.String(), schemaOf(fields));
  const known = { schema, initial: {}, zero: {}, expected: "a table of tables" };
  return field({ kind: "table-map", fields }, known, options);
}

/** The closed object schema of a set of fields. */
export function schemaOf(fields: Fields): TSchema {
  const properties = Object.entries(fields).map(([key, { schema }]) => [key, schema] as const);
  return Type.Partial(Type.Object(Object.fromEntries(properties), { additionalProperties: false }));
}

/** All defaults (`initial`), zeros, or starting values of added elements. */
export function valuesOf<F extends Fields>(
  fields: F,
  which: "initial" | "zero" | "added",
): ValuesOf<F> {
  const values = Object.entries(fields).map(([key, spec]) => [key, spec[which]] as const);
  return Object.fromEntries(values) as ValuesOf<F>;
}

type Known<T> = Pick<Field<T>, "schema" | "initial" | "zero" | "expected">;

function field<T>(shape: FieldShape, known: Known<T>, options: FieldOptions<T>): Field<T> {
  return {
    shape,
    ...known,
    added: options.added ?? known.zero,
    redacted: options.redacted ?? false,
    environment: options.environment,
    apiName: options.apiName,
    doc: options.doc ?? "",
  };
}
