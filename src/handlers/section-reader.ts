/**
 * Reads a handler's configuration section at the moment of sending, so that overrides count at once.
 *
 * The section arrives as a plain object whose shape the config room guarantees; here each value is asked for by key
 * with its zero value when absent, and no file of this room needs to know the config room.
 */

import type { HandlerServices } from "#alert/handler.ts";
import type { Outcome } from "#alert/outcome.ts";

/** What a kind answers while its section is switched off. */
export const NOT_ENABLED: Exclude<Outcome, { readonly kind: "sent" }> = {
  kind: "rejected",
  error: "service is not enabled",
};

export class SectionReader {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(values: object) {
    this.#values = new Map(Object.entries(values));
  }

  text(key: string): string {
    const value = this.#values.get(key);
    return typeof value === "string" ? value : "";
  }

  flag(key: string): boolean {
    return this.#values.get(key) === true;
  }

  /** An integer or a duration in nanoseconds. */
  number(key: string): number {
    const value = this.#values.get(key);
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : 0;
  }

  texts(key: string): readonly string[] {
    const value = this.#values.get(key);
    return Array.isArray(value)
      ? value.filter((item): item is string => typeof item === "string")
      : [];
  }

  textMap(key: string): Readonly<Record<string, string>> {
    const value = this.#values.get(key);
    if (typeof value !== "object" || value === null) return {};
    return Object.fromEntries(
      Object.entries(value).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      ),
    );
  }

  table(key: string): SectionReader {
    const value = this.#values.get(key);
    return new SectionReader(typeof value === "object" && value !== null ? value : {});
  }

  /** The tables of a list. */
  tables(key: string): readonly SectionReader[] {
    const value = this.#values.get(key);
    const items: readonly unknown[] = Array.isArray(value) ? value : [];
    return items.flatMap((item) =>
      typeof item === "object" && item !== null ? [new SectionReader(item)] : [],
    );
  }

  /** A table with values of any kind. */
  map(key: string): Readonly<Record<string, unknown>> {
    const value = this.#values.get(key);
    return typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value))
      : {};
  }
}

/** The elements of a section, whether it is a table or a list. Empty when it is not configured. */
export function sectionElements(services: HandlerServices, name: string): readonly SectionReader[] {
  const section = services.section(name);
  const elements: readonly unknown[] = Array.isArray(section) ? section : [section];
  return elements.flatMap((element) =>
    typeof element === "object" && element !== null ? [new SectionReader(element)] : [],
  );
}

/** The section when it is enabled; else `undefined`, and the kind answers `NOT_ENABLED`. */
export function enabledSection(services: HandlerServices, name: string): SectionReader | undefined {
  const [section] = sectionElements(services, name);
  return section?.flag("enabled") === true ? section : undefined;
}

/** The element of a list that a handler names, or the default one (the only one, when there is one). */
export function namedElement(
  elements: readonly SectionReader[],
  key: string,
  name: string,
): SectionReader | undefined {
  if (name !== "") return elements.find((element) => element.text(key) === name);
  return elements.length === 1 ? elements[0] : elements.find((element) => element.flag("default"));
}
