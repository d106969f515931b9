/**
 * Answers in the three spellings clients expect: indented JSON, compact JSON, nothing.
 *
 * The content type and all common headers are added by `app.ts`. Source: http-api §1.4.
 */

import type { TaskStats } from "#engine/ports.ts";
import { compareBytes, encodeJson, sorted } from "#lib/json.ts";

/** Indented by four spaces, no line feed at the end. Key order is the given one. */
export function answerJson(value: unknown, status = 200): Response {
  return new Response(encodeJson(value, 4), { status });
}

/** One line, no line feed at the end. */
export function answerCompact(value: unknown): Response {
  return new Response(encodeJson(value));
}

export function answerNothing(): Response {
  return new Response(null, { status: 204 });
}

/** Marks an answer that must never be packed because it has no end (log sessions); `app.ts` removes it. */
export const UNPACKED = "X-Unpacked";

export const API_ROOT = "/kapacitor/v1";
export const PREVIEW_ROOT = "/kapacitor/v1preview";

export interface Link {
  readonly rel: string;
  readonly href: string;
}

/** A link below the API root: path only, not escaped. */
export function link(path: string, rel = "self"): Link {
  return { rel, href: `${API_ROOT}${path}` };
}

/** A copy with the keys of all objects in ascending byte order, as maps of the original are printed. */
export function sortedDeep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedDeep);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, sortedDeep(member)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => compareBytes(a, b)));
}

/** The statistics of a task or replay, names in ascending order. */
export function statsJson(stats: TaskStats): unknown {
  return {
    "task-stats": sorted(stats.taskStats),
    "node-stats": sortedDeep(stats.nodeStats),
  };
}
