/**
 * Environment variables over the file: `KAPACITOR_<SECTION>_<KEY>`, with indexes into what exists already.
 *
 * A variable that names nothing is ignored, so is an empty one; lists cannot be grown. Tables of strings take
 * new keys. The error texts are the original's, Go type and field names included, because people search for
 * them.
 */

import { parseGoDuration } from "#lib/duration.ts";
import { ConfigError, FieldError } from "./config-error.ts";
import { type Draft, decodeField, isTable } from "./decode.ts";
import type { Field, Fields } from "./field.ts";
import { goFieldName, parseGoBool, parseGoFloat, parseGoInt } from "./go-values.ts";
import type { ConfigDraft } from "./read-file.ts";
import type { Section } from "./section.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "KAPACITOR";

/** Changes the draft in place. Throws `ConfigError` with the line for the operator. */
export function applyEnvironment(
  draft: ConfigDraft,
  environment: Environment,
  declared: { readonly globals: Section; readonly sections: readonly Section[] },
): void {
  for (const section of [declared.globals, ...declared.sections]) {
    const prefix = section.name === "" ? PREFIX : `${PREFIX}_${variable(section.name)}`;
    const value = draft.get(section.name);
    if (value === undefined) continue;
    if (!Array.isArray(value)) {
      applyFields(section.fields, value, prefix, environment);
      continue;
    }
    for (const [i, element] of value.entries())
      applyFields(section.fields, element, `${prefix}_${i}`, environment);
    const [only] = value;
    if (section.list?.implicitIndex === true && value.length === 1 && only !== undefined)
      applyFields(section.fields, only, prefix, environment);
  }
}

function variable(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}

function applyFields(fields: Fields, draft: Draft, prefix: string, environment: Environment): void {
  for (const [key, spec] of Object.entries(fields))
    draft[key] = applyField(spec, draft[key], {
      key,
      name: `${prefix}_${variable(key)}`,
      environment,
    });
}

interface Target {
  /** As in the file. */
  readonly key: string;
  /** The variable. */
  readonly name: string;
  readonly environment: Environment;
}

function applyField(spec: Field<unknown>, value: unknown, target: Target): unknown {
  const { environment, name } = target;
  const { shape } = spec;
  switch (shape.kind) {
    case "text":
    case "flag":
    case "integer":
    case "float":
    case "duration": {
      const alias = spec.environment === undefined ? undefined : environment[spec.environment];
      const given = environment[name] || alias;
      return given === undefined || given === "" ? value : parseScalar(spec, given, target);
    }
    case "texts":
      return Array.isArray(value)
        ? value.map((item, i) => environment[`${name}_${i}`] || item)
        : value;
    case "text-map":
      return { ...(isTable(value) ? value : {}), ...mapEntries(`${name}_`, environment) };
    case "texts-map":
      return value;
    case "table": {
      const draft: Draft = { ...(isTable(value) ? value : {}) };
      applyFields(shape.fields, draft, name, environment);
      return draft;
    }
    case "table-map":
      return applyTableMap(shape.fields, value, target);
  }
}

/** Sub-tables keep the case of their names; only existing ones are changed. */
function applyTableMap(fields: Fields, value: unknown, target: Target): unknown {
  const draft: Draft = {};
  for (const [key, table] of Object.entries(isTable(value) ? value : {})) {
    const element: Draft = { ...(isTable(table) ? table : {}) };
    applyFields(fields, element, `${target.name}_${key}`, target.environment);
    draft[key] = element;
  }
  return draft;
}

function mapEntries(prefix: string, environment: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment))
    if (
      name.startsWith(prefix) &&
      name.length > prefix.length &&
      value !== undefined &&
      value !== ""
    )
      found[name.slice(prefix.length)] = value;
  return found;
}

function parseScalar(spec: Field<unknown>, given: string, target: Target): unknown {
  const parsed = scalar(spec, given, target);
  try {
    return decodeField(spec, parsed, undefined, [target.key]);
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    throw new ConfigError(`apply env config: ${target.name}: ${error.message}`, {
      key: target.key,
      source: target.name,
    });
  }
}

function scalar(spec: Field<unknown>, given: string, target: Target): unknown {
  switch (spec.shape.kind) {
    case "flag":
      return parseGoBool(given) ?? refuse(target, "bool", given);
    case "integer":
      return parseGoInt(given) ?? refuse(target, "int", given);
    case "float":
      return parseGoFloat(given) ?? refuse(target, "float64", given);
    case "duration":
      if (parseGoDuration(given) !== undefined) return given;
      throw new ConfigError(
        `apply env config: failed to unmarshal env var: time: invalid duration ${JSON.stringify(given)}`,
        { key: target.key, source: target.name },
      );
    default:
      return given;
  }
}

function refuse(target: Target, type: string, given: string): never {
  const field = goFieldName(target.key);
  throw new ConfigError(
    `apply env config: failed to apply ${target.name} to ${field} using type ${type} and value '${given}'`,
    { key: target.key, source: target.name },
  );
}
