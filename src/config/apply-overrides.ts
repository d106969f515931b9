/**
 * Overrides laid over a section as file and environment left it; the result is a new value or a refusal.
 *
 * Nothing is changed in place: the caller tries a set of overrides on a copy, and only a copy that the section
 * itself finds valid is ever shown to a running part. Source: http-api §8.2, config §1.
 */

import { FieldError } from "./config-error.ts";
import { type Draft, decodeField, isTable } from "./decode.ts";
import { type Field, type Fields, valuesOf } from "./field.ts";
import { LIST_ELEMENTS_MAX } from "./limits.ts";
import type { Section, ValidationContext } from "./section.ts";
import type { StoredOverride } from "./stored-override.ts";
import { WeakTypeError, weakValue } from "./weak-value.ts";

/** Overrides that cannot be applied: the sender's fault, nothing was changed. */
export class OverrideError extends Error {
  override name = "OverrideError";
}

/** The elements of a section's value; a table counts as a list of one. */
export function elementsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** The name of an element: its key's value, or "" in sections that are one table. */
export function elementName(section: Section, element: unknown): string {
  const key = section.list?.key ?? "";
  return key === "" || !isTable(element) ? "" : String(element[key] ?? "");
}

/**
 * The section's value with the overrides, checked by the section. `value` is that of the file. Throws
 * `OverrideError` with the text behind `failed to override configuration …: `.
 */
export function applyOverrides(
  section: Section,
  value: unknown,
  overrides: readonly StoredOverride[],
  context: ValidationContext,
): unknown {
  const elements = elementsOf(value).map(
    (element): Draft => (isTable(element) ? { ...structuredClone(element) } : {}),
  );
  for (const override of overrides.filter(({ create }) => create))
    elements.push(addedElement(section, override, elements));
  for (const override of overrides.filter(({ create }) => !create)) {
    const element = elements.find((each) => elementName(section, each) === override.element);
    if (element === undefined) throw unknownOptions(section.name, Object.keys(override.options));
    setOptions(section, element, override);
  }
  if (elements.length > LIST_ELEMENTS_MAX)
    throw new OverrideError(`section ${section.name} has more than ${LIST_ELEMENTS_MAX} elements`);
  for (const element of elements) Object.assign(element, section.conditional(element));
  validate(section, elements, context);
  return section.list === undefined ? elements[0] : elements;
}

function addedElement(
  section: Section,
  override: StoredOverride,
  elements: readonly Draft[],
): Draft {
  if (section.list === undefined) throw new OverrideError(`section ${section.name} is not a list`);
  if (elements.some((each) => elementName(section, each) === override.element))
    throw new OverrideError(`element ${JSON.stringify(override.element)} already exists`);
  const element: Draft = { ...valuesOf(section.fields, "added") };
  element[section.list.key] = override.element;
  setOptions(section, element, override);
  return element;
}

function setOptions(section: Section, element: Draft, { options }: StoredOverride): void {
  const byName = fieldsByApiName(section.fields);
  const strange = Object.keys(options).filter((name) => !byName.has(name));
  if (strange.length > 0) throw unknownOptions(section.name, strange);
  for (const [name, raw] of Object.entries(options)) {
    const found = byName.get(name);
    if (found !== undefined) setOption(section, element, { ...found, name, raw });
  }
}

interface Option {
  readonly key: string;
  readonly spec: Field<unknown>;
  readonly name: string;
  readonly raw: unknown;
}

function setOption(section: Section, element: Draft, { key, spec, name, raw }: Option): void {
  let value: unknown;
  try {
    value = decodeField(spec, weakValue(spec, raw), element[key], [name]);
  } catch (error) {
    if (error instanceof FieldError)
      throw new OverrideError(`cannot set option ${error.path.join(".")}: ${error.message}`);
    if (error instanceof WeakTypeError)
      throw new OverrideError(`cannot set option ${name}: ${error.message}`);
    throw error;
  }
  if (key === section.list?.key && value !== element[key])
    throw new OverrideError(`cannot set option ${name}: it names the element`);
  element[key] = value;
}

/** The fields of a section as the API spells them, with their keys in the file. */
export function fieldsByApiName(
  fields: Fields,
): ReadonlyMap<string, { readonly key: string; readonly spec: Field<unknown> }> {
  return new Map(
    Object.entries(fields).map(([key, spec]) => [spec.apiName ?? key, { key, spec }] as const),
  );
}

/** The refusal of options that do not exist, or whose section or element does not. */
export function unknownOptions(section: string, names: readonly string[]): OverrideError {
  const listed = [...names].sort().join(" ");
  return new OverrideError(`unknown options [${listed}] in section ${section}`);
}

function validate(section: Section, elements: readonly Draft[], context: ValidationContext): void {
  const unbuilt = section.unavailable(elements);
  const problem =
    section.validate(elements, context) ??
    (unbuilt === undefined ? undefined : `${unbuilt} is not available yet`);
  if (problem === undefined) return;
  const prefix = `${section.name}: `;
  const text = problem.startsWith(prefix) ? problem.slice(prefix.length) : problem;
  throw new OverrideError(`failed validation: ${text}`);
}
