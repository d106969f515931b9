/**
 * The configuration as TOML, in the original's order and layout; reading it back gives the same configuration.
 *
 * Lists and tables that are empty are left out, unless the default is not empty: then leaving out would bring
 * the default back.
 */

import { formatGoDuration } from "#lib/duration.ts";
import type { Int64 } from "#lib/int64.ts";
import type { DaemonConfig } from "./daemon-config.ts";
import { isTable } from "./decode.ts";
import type { Field, Fields } from "./field.ts";
import { valuesOf } from "./field.ts";
import { declaredGlobals, declaredSections } from "./load.ts";
import type { Section } from "./section.ts";

/** The complete text, ending in a newline. */
export function printConfig(config: DaemonConfig): string {
  const blocks = [scalars(declaredGlobals().fields, config, "")];
  for (const section of declaredSections()) {
    const value: unknown = Reflect.get(config, section.name);
    if (section.list === undefined) blocks.push(printTable(section, value));
    else if (Array.isArray(value)) blocks.push(...value.map((e) => printElement(section, e)));
  }
  return `${blocks.filter((block) => block !== "").join("\n")}`;
}

function printTable(section: Section, value: unknown): string {
  if (section.ignored !== undefined && isDefault(section, value)) return "";
  return `[${section.name}]\n${body(section.fields, value, [section.name])}`;
}

function isDefault(section: Section, value: unknown): boolean {
  return Bun.deepEquals(value, valuesOf(section.fields, "initial"));
}

function printElement(section: Section, value: unknown): string {
  return `[[${section.name}]]\n${body(section.fields, value, [section.name])}`;
}

function body(fields: Fields, value: unknown, path: readonly string[]): string {
  const indent = "  ".repeat(path.length);
  return scalars(fields, value, indent) + tables(fields, value, path);
}

function scalars(fields: Fields, value: unknown, indent: string): string {
  let out = "";
  for (const [key, spec] of Object.entries(fields)) {
    const shown = scalarText(spec, memberOf(value, key));
    if (shown !== undefined) out += `${indent}${keyText(key)} = ${shown}\n`;
  }
  return out;
}

function memberOf(value: unknown, key: string): unknown {
  return isTable(value) ? value[key] : undefined;
}

/** A value on one line; `undefined` for tables and for what is left out. */
function scalarText(spec: Field<unknown>, value: unknown): string | undefined {
  switch (spec.shape.kind) {
    case "text":
      return stringText(String(value));
    case "flag":
    case "integer":
      return String(value);
    case "float":
      return floatText(Number(value));
    case "duration":
      return stringText(formatGoDuration(value as Int64));
    case "texts": {
      const items: readonly unknown[] = Array.isArray(value) ? value : [];
      const leftOut = items.length === 0 && Bun.deepEquals(spec.initial, []);
      return leftOut ? undefined : listText(items);
    }
    case "text-map":
    case "texts-map":
    case "table":
    case "table-map":
      return undefined;
  }
}

function tables(fields: Fields, value: unknown, path: readonly string[]): string {
  let out = "";
  for (const [key, spec] of Object.entries(fields)) {
    const member = memberOf(value, key);
    const inner = [...path, key];
    if (spec.shape.kind === "table") out += headed(inner, body(spec.shape.fields, member, inner));
    else if (spec.shape.kind === "text-map" || spec.shape.kind === "texts-map")
      out += mapText(spec, member, inner);
    else if (spec.shape.kind === "table-map" && isTable(member))
      for (const [name, element] of Object.entries(member))
        out += headed([...inner, name], body(spec.shape.fields, element, [...inner, name]));
  }
  return out;
}

function mapText(spec: Field<unknown>, value: unknown, path: readonly string[]): string {
  const entries = Object.entries(isTable(value) ? value : {});
  if (entries.length === 0 && Bun.deepEquals(spec.initial, {})) return "";
  const indent = "  ".repeat(path.length);
  const lines = entries.map(([key, item]) => {
    const shown = Array.isArray(item) ? listText(item) : stringText(String(item));
    return `${indent}${keyText(key)} = ${shown}\n`;
  });
  return headed(path, lines.join(""));
}

function headed(path: readonly string[], content: string): string {
  return `${"  ".repeat(path.length - 1)}[${path.map(keyText).join(".")}]\n${content}`;
}

function keyText(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : stringText(key);
}

function listText(items: readonly unknown[]): string {
  return `[${items.map((item) => stringText(String(item))).join(", ")}]`;
}

/** A basic string. JSON's escapes are TOML's; DEL must be escaped too. */
function stringText(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007F");
}

function floatText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed(1) : String(value);
}
