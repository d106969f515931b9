/**
 * A configuration section, declared once: its keys, defaults, rules, and who may override it.
 *
 * Reading the file, the environment, printing, validation and the configuration API all come from this one
 * object. A section is a table, or a list of tables (`[[influxdb]]`) whose elements have a key of their own.
 */

import type { TSchema } from "@sinclair/typebox";
import { type Field, type Fields, schemaOf, type ValuesOf } from "./field.ts";

export interface ListRule {
  /** The element's identifying key: `name`, `id`, `workspace`; "" where elements have none. */
  readonly key: string;
  /** True when a file that does not name the section has one default element. */
  readonly lone: boolean;
  /** Environment variables may leave out the index while there is exactly one element. */
  readonly implicitIndex?: true;
}

/** What the whole configuration tells a section that judges itself. */
export interface ValidationContext {
  readonly hostname: string;
}

/** A declared section; `L` tells whether its value is one element or a list. */
export interface Section<N extends string = string, T = unknown, L extends boolean = boolean> {
  readonly name: N;
  readonly isList: L;
  readonly list: ListRule | undefined;
  readonly fields: Fields;
  readonly schema: TSchema;
  readonly doc: string;
  /** May be changed at run time through the configuration API. */
  readonly overridable: boolean;
  /** Keys whose values are secrets. */
  readonly redacted: readonly string[];
  /** Fills in what depends on other values; gets a draft of one element. */
  conditional(element: T): Partial<T>;
  /** The complete message of what contradicts, or undefined. Gets all elements. */
  validate(elements: readonly T[], context: ValidationContext): string | undefined;
  /** What is not built yet and switched on by these elements: `the collectd listener`; or undefined. */
  unavailable(elements: readonly T[]): string | undefined;
  /** A line for the log when the file mentions a section that has no effect here. */
  readonly ignored: string | undefined;
}

export interface SectionOptions<N extends string, F extends Fields> {
  readonly name: N;
  readonly doc: string;
  readonly fields: F;
  readonly overridable?: true;
  readonly ignored?: string;
  conditional?(element: ValuesOf<F>): Partial<ValuesOf<F>>;
  validate?(elements: readonly ValuesOf<F>[], context: ValidationContext): string | undefined;
  unavailable?(elements: readonly ValuesOf<F>[]): string | undefined;
}

/** Declares a section that is one table. */
export function defineSection<N extends string, F extends Fields>(
  options: SectionOptions<N, F>,
): Section<N, ValuesOf<F>, false> {
  return { ...complete(options), isList: false, list: undefined };
}

/** Declares a section that is a list of tables. */
export function defineListSection<N extends string, F extends Fields>(
  options: SectionOptions<N, F> & { readonly list: ListRule },
): Section<N, ValuesOf<F>, true> {
  return { ...complete(options), isList: true, list: options.list };
}

function complete<N extends string, F extends Fields>(
  options: SectionOptions<N, F>,
): Omit<Section<N, ValuesOf<F>>, "isList" | "list"> {
  return {
    name: options.name,
    fields: options.fields,
    schema: schemaOf(options.fields),
    doc: options.doc,
    overridable: options.overridable ?? false,
    redacted: redactedKeys(options.fields),
    ignored: options.ignored,
    conditional: (element) => options.conditional?.(element) ?? {},
    validate: (elements, context) => options.validate?.(elements, context),
    unavailable: (elements) => options.unavailable?.(elements),
  };
}

function redactedKeys(fields: Fields): readonly string[] {
  return Object.entries(fields)
    .filter(([, spec]: [string, Field<unknown>]) => spec.redacted)
    .map(([key]) => key);
}

/** The value a section has in the configuration. */
export type SectionValue<S> =
  S extends Section<string, infer T, infer L> ? (L extends true ? readonly T[] : T) : never;
