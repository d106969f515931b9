/**
 * Configuration text into a draft of every section: parse, lay over defaults, point at mistakes.
 *
 * The original ignores what it does not know; here an unknown section or key is an error, because a setting
 * that silently does nothing is found only when an alert does not come. Every mistake is one line:
 * `parse config: FILE:LINE: section [S], key K: expected …, found …`.
 */

import { parse, TomlError } from "smol-toml";
import { ConfigError, type ConfigPath, FieldError } from "./config-error.ts";
import { type Draft, decodeTable, describe, isTable, suggest } from "./decode.ts";
import { valuesOf } from "./field.ts";
import { LIST_ELEMENTS_MAX } from "./limits.ts";
import { KeyLines } from "./locate.ts";
import type { Section } from "./section.ts";

/** A configuration under construction: a table, or a list of tables, per section; the top level under "". */
export type ConfigDraft = Map<string, Draft | Draft[]>;

export interface ConfigText {
  /** As the operator named it; shown in errors. */
  readonly path: string;
  readonly text: string;
}

/** The compiled defaults: one element where a section has a lone default, else none. */
export function defaultDraft(globals: Section, sections: readonly Section[]): ConfigDraft {
  const draft: ConfigDraft = new Map();
  for (const section of [globals, ...sections]) {
    const initial: Draft = { ...valuesOf(section.fields, "initial") };
    draft.set(section.name, section.list === undefined ? initial : loneElement(section, initial));
  }
  return draft;
}

function loneElement(section: Section, initial: Draft): Draft[] {
  return section.list?.lone === true ? [initial] : [];
}

/**
 * Lays a file over the draft and returns the names of the sections it mentions. Throws `ConfigError` for the
 * first mistake in the order of the file.
 */
export function readConfigText(
  draft: ConfigDraft,
  file: ConfigText,
  declared: { readonly globals: Section; readonly sections: readonly Section[] },
): ReadonlySet<string> {
  const raw = parseToml(file);
  const byName = new Map(declared.sections.map((section) => [section.name, section]));
  const names = [...byName.keys(), ...Object.keys(declared.globals.fields)];
  const mentioned = new Set<string>();
  try {
    for (const [name, value] of Object.entries(raw)) {
      const section = byName.get(name);
      if (section !== undefined) {
        mentioned.add(name);
        draft.set(name, readSection(section, value, draft.get(name)));
      } else if (Object.hasOwn(declared.globals.fields, name)) {
        const top = decodeTable(declared.globals.fields, { [name]: value }, draft.get(""), []);
        draft.set("", top);
      } else {
        const what = isTable(value) || describe(value) === "a list of tables" ? "section" : "key";
        throw new FieldError([name], `unknown ${what}, ${suggest(name, names)}`);
      }
    }
  } catch (error) {
    if (error instanceof FieldError) throw located(error, file, byName);
    throw error;
  }
  return mentioned;
}

function parseToml(file: ConfigText): Record<string, unknown> {
  try {
    return parse(file.text, { integersAsBigInt: "asNeeded" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const first = error.message.split("\n")[0] ?? "";
    const what = first.replace(/^Invalid TOML document: /, "");
    throw new ConfigError(`parse config: ${file.path}:${error.line}: invalid TOML: ${what}`, {
      source: `${file.path}:${error.line}`,
    });
  }
}

function readSection(
  section: Section,
  value: unknown,
  base: Draft | Draft[] | undefined,
): Draft | Draft[] {
  const path = [section.name];
  if (section.list === undefined) {
    if (Array.isArray(value) && value.every(isTable))
      throw new FieldError(path, `expected one table [${section.name}], found a list of tables`);
    return decodeTable(section.fields, value, base, path);
  }
  if (!Array.isArray(value)) return [decodeTable(section.fields, value, lone(section), path)];
  if (value.length > LIST_ELEMENTS_MAX)
    throw new FieldError(path, `expected at most ${LIST_ELEMENTS_MAX} elements`);
  if (value.length === 1)
    return [decodeTable(section.fields, value[0], lone(section), [...path, 0])];
  const zero = valuesOf(section.fields, "zero");
  return value.map((element, i) => decodeTable(section.fields, element, zero, [...path, i]));
}

/** What a single block is laid over: the default element where there is one, else zero values. */
function lone(section: Section): unknown {
  return valuesOf(section.fields, section.list?.lone === true ? "initial" : "zero");
}

function located(
  error: FieldError,
  file: ConfigText,
  sections: ReadonlyMap<string, Section>,
): ConfigError {
  const line = new KeyLines(file.text).lineOf(error.path) ?? 1;
  const source = `${file.path}:${line}`;
  const [first, ...rest] = error.path;
  const section = sections.get(String(first));
  const keyPath = section === undefined ? error.path : rest.filter((p) => typeof p === "string");
  const key = keyPath.join(".");
  const where = section === undefined ? "" : `section ${header(section, error.path)}`;
  const what = unknownSection(error) || key === "" ? "" : `key ${key}`;
  const place = [where, what].filter((part) => part !== "").join(", ");
  const about = place === "" ? `section [${String(first)}]` : place;
  return new ConfigError(`parse config: ${source}: ${about}: ${error.message}`, {
    source,
    key,
    ...(section === undefined ? {} : { section: section.name }),
  });
}

function unknownSection(error: FieldError): boolean {
  return error.message.startsWith("unknown section");
}

/** `[http]`, `[[slack]]`, or `[[slack]] #2` where there are more elements. */
function header(section: Section, path: ConfigPath): string {
  if (section.list === undefined || typeof path[1] !== "number") return `[${section.name}]`;
  return `[[${section.name}]]${path[1] > 0 ? ` #${path[1] + 1}` : ""}`;
}
