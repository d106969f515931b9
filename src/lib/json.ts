/**
 * JSON as Kapacitor's clients expect it on the wire.
 *
 * Differences from `JSON.stringify`: `<`, `>`, `&`, U+2028 and U+2029 are escaped, bigints are written as
 * exact integers, NaN and infinities are an error instead of `null`, and `undefined` members are
 * left out. Object keys keep their insertion order; `sorted` is for maps.
 */

export class JsonValueError extends Error {
  override name = "JsonValueError";
}

/** Anything that is not written as it is; of surrogates only lone ones are escaped, which is left to the runtime. */
const SPECIAL = /[\u0000-\u001f"\\<>&\u2028\u2029\ud800-\udfff]/;

/** One string literal with the escapes above. */
export function encodeJsonString(text: string): string {
  // Nearly all strings are plain: one test costs a third of asking the runtime.
  if (!SPECIAL.test(text)) return `"${text}"`;
  return withEscapes(JSON.stringify(text));
}

/**
 * A value that holds nothing but strings, booleans, null, numbers that `isPlainNumber` and records and lists of those, as
 * `encodeJson` writes it, in half of the time.
 */
export function encodePlainJson(value: unknown): string {
  return withEscapes(JSON.stringify(value));
}

/** Does the runtime write this number as `encodeJson` does? */
export function isPlainNumber(value: number): boolean {
  return value === 0 ? Object.is(value, 0) : Number.isFinite(value);
}

/** What escapes in text that the runtime wrote: these characters are in strings only. */
function withEscapes(plain: string): string {
  let json = plain;
  // Passes of the runtime's own beat a call per character: event details are full of "&#34;".
  if (json.includes("&")) json = json.replaceAll("&", "\\u0026");
  if (json.includes("<")) json = json.replaceAll("<", "\\u003c");
  if (json.includes(">")) json = json.replaceAll(">", "\\u003e");
  if (json.includes("\u2028")) json = json.replaceAll("\u2028", "\\u2028");
  return json.includes("\u2029") ? json.replaceAll("\u2029", "\\u2029") : json;
}

/** Encodes compactly, or with `indent` spaces. Throws `JsonValueError` for NaN and ±Inf. */
export function encodeJson(value: unknown, indent = 0): string {
  if (indent === 0) return compact(value);
  return encode(value, " ".repeat(indent), "\n");
}

/** Without indentation, which is nearly always: added up as it goes, no lists of parts. */
function compact(value: unknown): string {
  switch (typeof value) {
    case "string":
      return encodeJsonString(value);
    case "number":
      return encodeNumber(value);
    case "bigint":
    case "boolean":
      return String(value);
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? compactList(value) : compactRecord(value);
    default:
      return "null";
  }
}

function compactList(items: readonly unknown[]): string {
  let text = "[";
  for (let i = 0; i < items.length; i++) text += (i === 0 ? "" : ",") + compact(items[i]);
  return `${text}]`;
}

function compactRecord(value: object): string {
  const toJson = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJson === "function") return compact(toJson.call(value));
  const members = value as Readonly<Record<string, unknown>>;
  let text = "";
  for (const key of Object.keys(members)) {
    const member = members[key];
    if (member === undefined) continue;
    text += `${text === "" ? "{" : ","}${encodeJsonString(key)}:${compact(member)}`;
  }
  return text === "" ? "{}" : `${text}}`;
}

function encode(value: unknown, step: string, line: string): string {
  if (typeof value !== "object" || value === null) return compact(value);
  return Array.isArray(value) ? list(value, step, line) : record(value, step, line);
}

/** Throws `JsonValueError` for NaN and ±Inf. */
export function encodeNumber(value: number): string {
  if (!Number.isFinite(value)) {
    const name = Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    throw new JsonValueError(`json: unsupported value: ${name}`);
  }
  return Object.is(value, -0) ? "-0" : String(value);
}

function list(items: readonly unknown[], step: string, line: string): string {
  if (items.length === 0) return "[]";
  const inner = line + step;
  return `[${inner}${items.map((item) => encode(item, step, inner)).join(`,${inner}`)}${line}]`;
}

function record(value: object, step: string, line: string): string {
  const toJson = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJson === "function") return encode(toJson.call(value), step, line);
  const inner = line + step;
  const parts: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    parts.push(`${encodeJsonString(key)}: ${encode(member, step, inner)}`);
  }
  return parts.length === 0 ? "{}" : `{${inner}${parts.join(`,${inner}`)}${line}}`;
}

/** A copy with keys in ascending byte order, as Go prints maps. Not recursive. */
export function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  const out: Record<string, T> = {};
  for (const key of Object.keys(map).sort(compareBytes)) out[key] = map[key] as T;
  return out;
}

/** Orders strings by their UTF-8 bytes, which differs from `<` for characters beyond U+FFFF. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xs = x >= 0xd800 && x <= 0xdfff;
    const ys = y >= 0xd800 && y <= 0xdfff;
    return xs === ys ? x - y : xs ? 1 : -1;
  }
  return a.length - b.length;
}

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: string };

/** `JSON.parse` as a result; integers beyond 2^53 stay exact as bigint. */
export function parseJson(text: string): ParsedJson {
  try {
    return { ok: true, value: /\d{16}/.test(text) ? parseExact(text) : JSON.parse(text) };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

function parseExact(text: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined)
      return value;
    return /^-?\d+$/.test(source) ? BigInt(source) : value;
  };
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
}
