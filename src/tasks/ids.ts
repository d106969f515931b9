/** IDs of things users define: which are allowed, and how a refusal reads. Source: http-api §1.8. */

import { invalid } from "./task-error.ts";

/** Longest ID in UTF-16 units. IDs become keys, URL paths and topic names. */
export const ID_LENGTH_MAX = 1024;

const ALLOWED = /^[-._\p{L}0-9]+$/u;

export type IdNoun = "task" | "template" | "recording" | "replay" | "handler";

export function isAllowedId(id: string): boolean {
  return id.length <= ID_LENGTH_MAX && ALLOWED.test(id);
}

/** Throws an `invalid` `TaskError` for an ID with other characters than letters, digits, `-`, `.` and `_`. */
export function checkId(noun: IdNoun, id: string): void {
  if (id.length > ID_LENGTH_MAX) {
    throw invalid(`${noun} ID must not be longer than ${ID_LENGTH_MAX} characters`);
  }
  if (!ALLOWED.test(id)) {
    throw invalid(`${noun} ID must contain only letters, numbers, '-', '.' and '_'. "${id}"`);
  }
}
