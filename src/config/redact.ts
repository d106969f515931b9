/**
 * A section as the configuration API shows it: every option, secrets only as "is one set".
 *
 * Options are sorted by name, durations are Go text, lists and tables with nothing in them are null.
 * Source: http-api §8.1.
 */

import { formatGoDuration } from "#lib/duration.ts";
import { isInt64 } from "#lib/int64.ts";
import { compareBytes, sorted } from "#lib/json.ts";
import { elementName, elementsOf, fieldsByApiName } from "./apply-overrides.ts";
import { isTable } from "./decode.ts";
import type { Field, Fields } from "./field.ts";
import type { Section } from "./section.ts";

export interface ElementView {
  /** "" in sections that are one table. */
  readonly element: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Names of the options shown as true or false; null when there are none. */
  readonly redacted: readonly string[] | null;
}

/** The elements of a section's value, in the order of the file. */
export function viewSection(section: Section, value: unknown): readonly ElementView[] {
  const redacted = [...fieldsByApiName(section.fields)]
    .filter(([, { spec }]) => spec.redacted)
    .map(([name]) => name);
  return elementsOf(value).map((element) => ({
    element: elementName(section, element),
    options: viewOptions(section.fields, element),
    redacted: redacted.length === 0 ? null : redacted,
  }));
}

function viewOptions(fields: Fields, element: unknown): Readonly<Record<string, unknown>> {
  const options = [...fieldsByApiName(fields)]
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([name, { key, spec }]) => {
      const value = isTable(element) ? element[key] : undefined;
      return [name, spec.redacted ? isSet(value) : viewValue(spec, value)] as const;
    });
  return Object.fromEntries(options);
}

/** Whether a secret holds anything: text, or a list or table with any text in it. */
function isSet(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).some(isSet);
  return value !== undefined && value !== null && value !== "";
}

function viewValue(spec: Field<unknown>, value: unknown): unknown {
  switch (spec.shape.kind) {
    case "text":
    case "flag":
    case "integer":
    case "float":
      return value;
    case "duration":
      return isInt64(value) ? formatGoDuration(value) : value;
    case "texts":
      return Array.isArray(value) && value.length > 0 ? value : null;
    case "text-map":
    case "texts-map":
    case "table-map":
      return isTable(value) && Object.keys(value).length > 0 ? sorted(value) : null;
    case "table":
      return viewOptions(spec.shape.fields, value);
  }
}
