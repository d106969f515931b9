/**
 * Go's `fmt`: printing values (`%v`), `printf` with all its verbs and flags, `print` and `println`.
 *
 * A wrong verb never fails; it prints `%!d(string=hi)`, `%!d(MISSING)` or `%!(EXTRA …)`, as Go does. Lists and
 * maps apply the verb to their elements; times and durations are printed through their text for v, s, q, x.
 */

import type { Int64 } from "#lib/int64.ts";
import { formatFloat } from "./float-format.ts";
import { FORMAT_WIDTH_MAX, TEMPLATE_OUTPUT_MAX, VALUE_DEPTH_MAX } from "./limits.ts";
import { quoteGo, quoteRune } from "./quote.ts";
import { ValueError } from "./template-error.ts";
import { GoFloat, kindOf, mapKeys, typeName } from "./values.ts";

/** `%v` of a value: what an action prints, except that a bare nil prints `<nil>` here. */
export function display(value: unknown): string {
  if (typeof value === "string") return value;
  return formatOperand(PLAIN, value, 0);
}

/** Go's `Sprint`: a space between operands when neither is a string. */
export function sprint(args: readonly unknown[]): string {
  let out = "";
  args.forEach((arg, i) => {
    const isText = kindOf(arg).kind === "string";
    if (i > 0 && !isText && kindOf(args[i - 1]).kind !== "string") out += " ";
    out += display(arg);
  });
  return out;
}

/** Go's `Sprintln`: spaces between all operands, a newline at the end. */
export function sprintln(args: readonly unknown[]): string {
  return `${args.map(display).join(" ")}\n`;
}

/** Go's `Sprintf`. Throws `ValueError` when the result passes the output bound. */
export function sprintf(format: string, args: readonly unknown[]): string {
  const cursor: Cursor = { format, at: 0, args, next: 0, reordered: false };
  let out = "";
  while (cursor.at < format.length) {
    const percent = format.indexOf("%", cursor.at);
    if (percent < 0) {
      out += format.slice(cursor.at);
      break;
    }
    out += format.slice(cursor.at, percent);
    cursor.at = percent + 1;
    out += oneVerb(cursor);
    if (out.length > TEMPLATE_OUTPUT_MAX) throw new ValueError("output is too long");
  }
  if (!cursor.reordered && cursor.next < args.length) out += extra(args.slice(cursor.next));
  return out;
}

interface Cursor {
  readonly format: string;
  at: number;
  readonly args: readonly unknown[];
  next: number;
  /** An explicit index (`%[1]d`) was used, so unused operands are no mistake. */
  reordered: boolean;
}

interface Verb {
  readonly verb: string;
  readonly minus: boolean;
  readonly plus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

const PLAIN: Verb = {
  verb: "v",
  minus: false,
  plus: false,
  sharp: false,
  space: false,
  zero: false,
  width: undefined,
  precision: undefined,
};

function extra(args: readonly unknown[]): string {
  const shown = args.map((arg) =>
    kindOf(arg).kind === "nil" ? "<nil>" : `${typeName(arg)}=${display(arg)}`,
  );
  return `%!(EXTRA ${shown.join(", ")})`;
}

function oneVerb(cursor: Cursor): string {
  const { format } = cursor;
  const flags = takeWhile(cursor, "+-# 0");
  let minus = flags.includes("-");
  let prefix = "";
  let bad = takeIndex(cursor);
  let width: number | undefined;
  if (format[cursor.at] === "*") {
    cursor.at++;
    width = starOperand(cursor);
    if (width === undefined) prefix += "%!(BADWIDTH)";
    else if (width < 0) {
      minus = true;
      width = -width;
    }
  } else {
    width = digits(cursor);
  }
  let precision: number | undefined;
  if (format[cursor.at] === ".") {
    cursor.at++;
    bad = takeIndex(cursor) || bad;
    if (format[cursor.at] === "*") {
      cursor.at++;
      precision = starOperand(cursor);
      if (precision === undefined || precision < 0) {
        precision = undefined;
        prefix += "%!(BADPREC)";
      }
    } else {
      precision = digits(cursor) ?? 0;
    }
  }
  bad = takeIndex(cursor) || bad;
  if (cursor.at >= format.length) return `${prefix}%!(NOVERB)`;
  const verb = String.fromCodePoint(format.codePointAt(cursor.at) ?? 0);
  cursor.at += verb.length;
  if (verb === "%") return `${prefix}%`;
  if (bad) return `${prefix}%!${verb}(BADINDEX)`;
  if (cursor.next >= cursor.args.length) return `${prefix}%!${verb}(MISSING)`;
  const arg = cursor.args[cursor.next++];
  const has = (flag: string): boolean => flags.includes(flag);
  const zero = has("0") && !minus;
  const spec: Verb = {
    ...{ verb, minus, plus: has("+"), sharp: has("#"), space: has(" "), zero },
    ...{ width, precision },
  };
  return prefix + formatOperand(spec, arg, 0);
}

function takeWhile(cursor: Cursor, set: string): string {
  const start = cursor.at;
  while (cursor.at < cursor.format.length && set.includes(cursor.format.charAt(cursor.at)))
    cursor.at++;
  return cursor.format.slice(start, cursor.at);
}

function digits(cursor: Cursor): number | undefined {
  const text = takeWhile(cursor, "0123456789");
  if (text === "" || Number(text) <= FORMAT_WIDTH_MAX)
    return text === "" ? undefined : Number(text);
  // Too large: the rest of the format counts as unreadable.
  cursor.at = cursor.format.length;
  return undefined;
}

/** An explicit argument index `[n]`; true when there is one and it is wrong. */
function takeIndex(cursor: Cursor): boolean {
  if (cursor.format[cursor.at] !== "[") return false;
  cursor.reordered = true;
  const close = cursor.format.indexOf("]", cursor.at);
  const index = close < 0 ? Number.NaN : Number(cursor.format.slice(cursor.at + 1, close));
  cursor.at = close < 0 ? cursor.at + 1 : close + 1;
  if (!Number.isInteger(index) || index < 1 || index > cursor.args.length) return true;
  cursor.next = index - 1;
  return false;
}

function starOperand(cursor: Cursor): number | undefined {
  const v = kindOf(cursor.args[cursor.next++]);
  return v.kind === "int" && Math.abs(Number(v.value)) <= FORMAT_WIDTH_MAX
    ? Number(v.value)
    : undefined;
}

/** One operand under one verb. */
function formatOperand(spec: Verb, value: unknown, depth: number): string {
  if (depth > VALUE_DEPTH_MAX) throw new ValueError("value is nested too deeply");
  if (spec.verb === "T") return pad(spec, typeName(value));
  const v = kindOf(value);
  switch (v.kind) {
    case "nil":
      return spec.verb === "v" ? pad(spec, "<nil>") : `%!${spec.verb}(<nil>)`;
    case "bool":
      return "tv".includes(spec.verb) ? pad(spec, String(v.value)) : bad(spec, value);
    case "int":
      return formatInt(spec, v.value, value);
    case "float":
      return formatFloatVerb(spec, v.value);
    case "string":
      return formatText(spec, v.value, value);
    case "slice":
      return sliceText(spec, v.value, depth);
    case "map":
      return mapText(spec, v.value, v.ofStrings, depth);
    case "struct":
      return structText(spec, v.value.fields, depth);
    case "time":
      return "vsqxX".includes(spec.verb)
        ? formatText(spec, String(v.value), value)
        : bad(spec, value);
    case "duration":
      return "vsq".includes(spec.verb)
        ? formatText(spec, String(v.value), value)
        : formatInt(spec, v.value.ns, value);
  }
}

function bad(spec: Verb, value: unknown): string {
  // The operand is shown with the same width and flags.
  return `%!${spec.verb}(${typeName(value)}=${formatOperand({ ...spec, verb: "v" }, value, 0)})`;
}

function sliceText(spec: Verb, items: readonly unknown[], depth: number): string {
  return `[${items.map((item) => formatOperand(spec, item, depth + 1)).join(" ")}]`;
}

function mapText(
  spec: Verb,
  map: Readonly<Record<string, unknown>>,
  ofStrings: boolean,
  depth: number,
): string {
  if (spec.verb === "v" && spec.sharp) {
    const type = ofStrings ? "map[string]string" : "map[string]interface {}";
    const shown = mapKeys(map).map(
      (key) => `${quoteGo(key)}:${formatOperand(spec, map[key], depth + 1)}`,
    );
    return `${type}{${shown.join(", ")}}`;
  }
  const one = (key: string): string =>
    `${formatOperand(spec, key, depth + 1)}:${formatOperand(spec, map[key], depth + 1)}`;
  return `map[${mapKeys(map).map(one).join(" ")}]`;
}

function structText(spec: Verb, fields: Readonly<Record<string, unknown>>, depth: number): string {
  const named = spec.verb === "v" && (spec.plus || spec.sharp);
  const shown = Object.keys(fields).map((key) => {
    const text = formatOperand(spec, fields[key], depth + 1);
    return named ? `${key}:${text}` : text;
  });
  return `{${shown.join(" ")}}`;
}

function formatText(spec: Verb, text: string, value: unknown): string {
  switch (spec.verb) {
    case "v":
      if (spec.sharp) return pad(spec, quoteGo(text));
      return pad(spec, cut(spec, text));
    case "s":
      return pad(spec, cut(spec, text));
    case "q": {
      const shown = cut(spec, text);
      const raw = spec.sharp && !/[`\u0000-\u0008\u000a-\u001f\u007f]/.test(shown);
      return pad(spec, raw ? `\`${shown}\`` : quoteGo(shown, spec.plus));
    }
    case "x":
    case "X":
      return pad(spec, hexText(spec, text));
    default:
      return bad(spec, value);
  }
}

function cut(spec: Verb, text: string): string {
  return spec.precision === undefined ? text : [...text].slice(0, spec.precision).join("");
}

function hexText(spec: Verb, text: string): string {
  const all = new TextEncoder().encode(text);
  const bytes = spec.precision === undefined ? all : all.subarray(0, spec.precision);
  const prefix = spec.sharp ? `0${spec.verb}` : "";
  const pairs = Array.from(bytes, (byte) => upperIf(spec, byte.toString(16).padStart(2, "0")));
  if (pairs.length === 0) return "";
  return spec.space ? pairs.map((p) => prefix + p).join(" ") : prefix + pairs.join("");
}

const upperIf = (spec: Verb, text: string): string =>
  spec.verb === "X" ? text.toUpperCase() : text;

const BASES: Readonly<Record<string, number>> = { v: 10, d: 10, b: 2, o: 8, O: 8, x: 16, X: 16 };
const PREFIXES: Readonly<Record<string, string>> = { b: "0b", o: "0", x: "0x", X: "0X" };

function formatInt(spec: Verb, int: Int64, value: unknown): string {
  if (spec.verb === "c") return pad(spec, runeText(int));
  if (spec.verb === "q") return pad(spec, quoteRune(runeText(int), spec.plus));
  if (spec.verb === "U") {
    const hex = BigInt(int).toString(16).toUpperCase();
    return pad(spec, `U+${hex.padStart(Math.max(4, spec.precision ?? 0), "0")}`);
  }
  const base = BASES[spec.verb];
  if (base === undefined) return bad(spec, value);
  const negative = int < 0;
  const size = BigInt(int);
  let text = upperIf(spec, (negative ? -size : size).toString(base));
  if (spec.precision !== undefined) {
    if (spec.precision === 0 && size === 0n) return pad({ ...spec, zero: false }, "");
    text = text.padStart(spec.precision, "0");
  }
  const sign = signOf(spec, negative);
  const prefix =
    spec.verb === "O" ? "0o" : spec.sharp && spec.verb !== "v" ? (PREFIXES[spec.verb] ?? "") : "";
  return padNumber(
    spec.precision === undefined ? spec : { ...spec, zero: false },
    sign,
    prefix + text,
  );
}

function runeText(int: Int64): string {
  const code = Number(int);
  const valid = code >= 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return valid ? String.fromCodePoint(code) : "\ufffd";
}

const FLOAT_FORMS: Readonly<Record<string, "e" | "f" | "g">> = {
  ...{ v: "g", g: "g", G: "g" },
  ...{ e: "e", E: "e", f: "f", F: "f" },
};

function formatFloatVerb(spec: Verb, value: number): string {
  const form = FLOAT_FORMS[spec.verb];
  if (form === undefined) return bad(spec, new GoFloat(value));
  const negative = value < 0 || Object.is(value, -0);
  const sign = signOf(spec, negative);
  if (!Number.isFinite(value)) {
    // Infinity always shows its sign.
    const shown = Number.isNaN(value) ? `${sign}NaN` : `${sign === "" ? "+" : sign}Inf`;
    return pad({ ...spec, zero: false }, shown);
  }
  const precision = spec.precision ?? (form === "g" ? undefined : 6);
  const text = formatFloat(value, form, precision);
  return padNumber(spec, sign, /[EG]/.test(spec.verb) ? text.toUpperCase() : text);
}

function signOf(spec: Verb, negative: boolean): string {
  return negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
}

function padNumber(spec: Verb, sign: string, text: string): string {
  if (spec.zero && spec.width !== undefined) {
    return sign + text.padStart(spec.width - sign.length, "0");
  }
  return pad({ ...spec, zero: false }, sign + text);
}

/** Pads to the width, counted in characters; zeros on the left only where the caller left `zero` on. */
function pad(spec: Verb, text: string): string {
  if (spec.width === undefined) return text;
  const missing = spec.width - [...text].length;
  if (missing <= 0) return text;
  if (spec.minus) return text + " ".repeat(missing);
  return (spec.zero ? "0" : " ").repeat(missing) + text;
}
