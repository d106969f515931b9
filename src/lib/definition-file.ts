/**
 * YAML and JSON files that define tasks, handlers and vars, for the command line and the load directory.
 * Source: cli §2, storage-and-influx §7.
 */

import { parseDocument } from "yaml";
import { parseJson } from "./json.ts";

/** Uses of YAML aliases in one file; more could blow a small file up without end. */
const ALIASES_MAX = 100;

/** Members as written; who uses them checks them. */
export type DefinitionFile = Readonly<Record<string, unknown>>;

/** Reads by the file's extension. Throws `Error` for another extension or a file that is not an object. */
export function readDefinition(path: string, content: string): DefinitionFile {
  if (/\.ya?ml$/i.test(path)) return object(path, readYaml(path, content));
  if (/\.json$/i.test(path)) return object(path, readJson(path, content));
  throw new Error("bad file extension. Must be YAML or JSON");
}

export type VarsFile =
  | { readonly kind: "vars"; readonly vars: DefinitionFile }
  | { readonly kind: "definition"; readonly definition: DefinitionFile };

/** A JSON file of vars: a map of them, or an object whose `vars` holds them. */
export function readVars(path: string, content: string): VarsFile {
  const whole = object(path, readJson(path, content));
  const inner = whole["vars"];
  // A var named "vars" has a type; a definition's vars do not.
  const isVar =
    typeof inner === "object" && inner !== null && typeof Reflect.get(inner, "type") === "string";
  return inner === undefined || isVar
    ? { kind: "vars", vars: whole }
    : { kind: "definition", definition: whole };
}

function readYaml(path: string, content: string): unknown {
  const document = parseDocument(content, { intAsBigInt: true });
  const [error] = document.errors;
  if (error !== undefined) throw new Error(`${path}: ${firstLine(error.message)}`);
  return plain(document.toJS({ maxAliasCount: ALIASES_MAX }));
}

/** The library's message goes on with an excerpt of the file. */
function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/:$/, "");
}

/** Whole numbers come as bigints so that none loses digits; small ones become numbers again. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

function readJson(path: string, content: string): unknown {
  const parsed = parseJson(content);
  if (!parsed.ok) throw new Error(`${path}: ${parsed.error}`);
  return parsed.value;
}

function object(path: string, value: unknown): DefinitionFile {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw new Error(`${path}: must be an object`);
}
