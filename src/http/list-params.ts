/**
 * The query parameters that all lists share: pattern, fields, offset, limit.
 *
 * Source: http-api §1.7, with the texts of Go's number parser, which clients show to people.
 */

import type { Page } from "#tasks/task-store.ts";
import { badRequest } from "./errors.ts";

export const LIST_QUERY = {
  pattern: "Glob over IDs; empty takes all.",
  fields: "Repeatable; the members to give. All when absent.",
  offset: "How many to skip, default 0.",
  limit: "How many to give, default 100; -1 for all.",
} as const;

const LIMIT_DEFAULT = 100;

export interface ListParams extends Page {
  /** Empty means all. */
  readonly fields: readonly string[];
}

/** Throws 400 for an offset or limit that is not an integer. */
export function readListParams(query: URLSearchParams): ListParams {
  return {
    pattern: query.get("pattern") ?? "",
    fields: query.getAll("fields").filter((field) => field !== ""),
    offset: integer(query, "offset", 0),
    limit: integer(query, "limit", LIMIT_DEFAULT),
  };
}

function integer(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name) ?? "";
  if (text === "") return fallback;
  const value = Number(text);
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  const why = /^[+-]?\d+$/.test(text) ? "value out of range" : "invalid syntax";
  throw badRequest(
    `invalid ${name} parameter "${text}" must be an integer: strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`,
  );
}

/** One of a list of words, or the default when empty. Throws 400 `invalid NAME parameter "x"`. */
export function choice<T extends string>(
  query: URLSearchParams,
  name: string,
  words: readonly [T, ...T[]],
): T {
  const text = query.get(name) ?? "";
  const found = text === "" ? words[0] : words.find((word) => word === text);
  if (found === undefined) throw badRequest(`invalid ${name} parameter "${text}"`);
  return found;
}

/**
 * List items: each row's wanted fields, keys in ascending order. `always` are given in any case; a field
 * whose value is `undefined` is left out. Throws 400 for an unknown field, but only when there is a row.
 */
export function listItems<T>(
  rows: readonly T[],
  params: ListParams,
  spec: {
    readonly fields: Readonly<Record<string, (row: T) => unknown>>;
    readonly always: readonly string[];
    /** Given only when asked for. */
    readonly onRequest?: readonly string[];
  },
): Record<string, unknown>[] {
  const all = Object.keys(spec.fields).filter((field) => !spec.onRequest?.includes(field));
  const wanted =
    params.fields.length === 0 ? all : [...new Set([...spec.always, ...params.fields])];
  wanted.sort();
  return rows.map((row) => {
    const item: Record<string, unknown> = {};
    for (const field of wanted) {
      const read = Object.hasOwn(spec.fields, field) ? spec.fields[field] : undefined;
      if (read === undefined) throw badRequest(`unsupported field "${field}"`);
      item[field] = read(row);
    }
    return item;
  });
}
