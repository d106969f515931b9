/** A var's value as tables show it: durations in Go's form, lists in brackets, none as `<nil>`. */

import { formatGoDuration } from "#lib/duration.ts";
import { isInt64 } from "#lib/int64.ts";
import { type JsonRecord, record, text } from "./api.ts";

export function formatVar(entry: JsonRecord): string {
  const value = entry["value"];
  const type = text(entry, "type");
  if (type === "star" || value === null || value === undefined) return "<nil>";
  if (type === "duration" && isInt64(value)) return formatGoDuration(value);
  if (type === "list" && Array.isArray(value)) {
    return `[${value.map((item) => listItem(record(item))).join(", ")}]`;
  }
  return String(value);
}

function listItem(item: JsonRecord): string {
  return text(item, "type") === "star" ? "*" : text(item, "value");
}
