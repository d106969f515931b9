/** The value of `-dbrp`: `db.rp`, each part maybe in double quotes with `\"` inside. Source: cli §2. */

import type { Dbrp } from "#model/dbrp.ts";
import { UsageError } from "./command.ts";

/** Throws `UsageError` in the words of a bad flag value. */
export function parseDbrp(value: string): Dbrp {
  const db = readPart(value, 0);
  if (db.text === "") throw bad(value, "database name must not be empty");
  if (value[db.end] !== ".") {
    const form = `it must be in the form "dbname"."rpname" where the quotes are optional.`;
    throw bad(value, `does not contain a '.', ${form}`);
  }
  const rp = readPart(value, db.end + 1, "");
  if (rp.end !== value.length) throw bad(value, "retention policy has text behind its quotes");
  return { db: db.text, rp: rp.text };
}

/** One part from `at`; an unquoted one ends before `until` or with the value. */
function readPart(value: string, at: number, until = "."): { text: string; end: number } {
  if (value[at] !== '"') {
    const found = until === "" ? -1 : value.indexOf(until, at);
    const end = found < 0 ? value.length : found;
    return { text: value.slice(at, end), end };
  }
  let text = "";
  for (let i = at + 1; i < value.length; i++) {
    if (value[i] === '"') return { text, end: i + 1 };
    if (value[i] === "\\" && value[i + 1] === '"') i++;
    text += value[i];
  }
  throw bad(value, "quotes are not closed");
}

function bad(value: string, why: string): UsageError {
  return new UsageError(`invalid value ${JSON.stringify(value)} for flag -dbrp: ${why}`);
}
