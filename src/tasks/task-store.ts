/**
 * Tasks and templates as they are stored, and the reads both services share.
 *
 * Values are JSON with exact integers (vars may hold any int64). Times are RFC 3339 text in UTC with up
 * to nine fractional digits, exactly as the API shows them; `NEVER` is the unset time. A stored task
 * of a template carries the template's script, so a task runs even when its template is gone.
 */

import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { Value } from "@sinclair/typebox/value";
import { compileGlob, GlobError } from "#lib/glob.ts";
import { encodeJson, parseJson } from "#lib/json.ts";
import { formatTime, type Time, ZERO_TIME } from "#lib/time.ts";
import { type Kind, StorageError, type Store, type Table } from "#storage/store.ts";

const Text = Type.String();
const Dbrps = Type.Array(Type.Object({ db: Text, rp: Text }));
const TypeWord = Type.Union([Type.Literal("stream"), Type.Literal("batch")]);

export const StoredTaskSchema = Type.Object({
  id: Text,
  templateId: Text,
  type: TypeWord,
  dbrps: Dbrps,
  script: Text,
  status: Type.Union([Type.Literal("enabled"), Type.Literal("disabled")]),
  /** In the API's form; durations are nanoseconds. */
  vars: Type.Record(Text, Type.Unknown()),
  /** Why it last failed; empty while it runs well. */
  error: Text,
  created: Text,
  modified: Text,
  lastEnabled: Text,
  /** Present on a cluster task. `run` is another one after every start that was asked for. */
  cluster: Type.Optional(Type.Object({ run: Text })),
});
export type StoredTask = Readonly<Static<typeof StoredTaskSchema>>;

export const StoredTemplateSchema = Type.Object({
  id: Text,
  type: TypeWord,
  script: Text,
  error: Text,
  created: Text,
  modified: Text,
  /** Present when cluster tasks use it. */
  cluster: Type.Optional(Type.Literal(true)),
});
export type StoredTemplate = Readonly<Static<typeof StoredTemplateSchema>>;

export const taskKind: Kind<StoredTask> = exactJsonKind("tasks", StoredTaskSchema);
export const templateKind: Kind<StoredTemplate> = exactJsonKind("templates", StoredTemplateSchema);

/** The unset time, `0001-01-01T00:00:00Z`. */
export const NEVER = formatTime(ZERO_TIME.ms, ZERO_TIME.ns);

export function stamp(time: Time): string {
  return formatTime(time.ms, time.ns);
}

/** A JSON kind whose integers beyond 2^53 survive. `decode` throws `StorageError` for another shape. */
export function exactJsonKind<T extends TSchema>(name: string, schema: T): Kind<Static<T>> {
  // Walking the schema for each entry took longer than parsing it; compiled when there is an entry at all.
  let check: TypeCheck<T> | undefined;
  return {
    name,
    encode: (value) => encodeJson(value),
    decode(text) {
      const parsed = parseJson(text);
      check ??= TypeCompiler.Compile(schema);
      if (parsed.ok && check.Check(parsed.value)) return parsed.value;
      const why = parsed.ok ? Value.Errors(schema, parsed.value).First()?.message : parsed.error;
      throw new StorageError(`stored ${name} entry cannot be read: ${why ?? "unknown shape"}`);
    },
  };
}

/** Which part of a sorted collection a list request wants. */
export interface Page {
  /** A glob over IDs; "" takes all. A malformed one takes none. Source: http-api §1.7. */
  readonly pattern: string;
  /** Negative counts as 0. */
  readonly offset: number;
  /** −1 means no limit. */
  readonly limit: number;
}

/** The entries of one page, by ascending ID. */
export function readPage<T>(store: Store, kind: Kind<T>, page: Page): T[] {
  const table = store.table(kind);
  const matching = page.pattern === "" ? entriesOf(table) : matchingEntries(table, page.pattern);
  const start = Math.max(0, page.offset);
  return matching.slice(start, page.limit < 0 ? undefined : start + page.limit);
}

function entriesOf<T>(table: Table<T>): T[] {
  return table.entries().map(([, value]) => value);
}

function matchingEntries<T>(table: Table<T>, pattern: string): T[] {
  try {
    const glob = compileGlob(pattern);
    return table
      .entries()
      .filter(([key]) => glob(key))
      .map(([, value]) => value);
  } catch (error) {
    if (error instanceof GlobError) return [];
    throw error;
  }
}
