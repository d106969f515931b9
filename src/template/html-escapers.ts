/**
 * What makes a value safe in one place of an HTML document: one function per sort of place.
 *
 * An escaper gets a value and returns text. A value that can never be safe in its place becomes
 * `ZgotmplZ`, which is harmless and easy to search for (source: package html/template, "Security model").
 */

import { encodeJson, JsonValueError } from "#lib/json.ts";
import { escapeHtml, percentEncode } from "./escapes.ts";
import { sprint } from "./format.ts";
import { plainJson } from "./functions.ts";
import { ValueError } from "./template-error.ts";
import { SafeJs } from "./values.ts";

/** Applied to a printed value; the last one of a list returns the text that is written. */
export type Escaper = (value: unknown) => string;

export const UNSAFE = "ZgotmplZ";

/** A value as text; nil is the empty string in HTML. */
function text(value: unknown): string {
  if (typeof value === "string") return value;
  return value === null || value === undefined ? "" : sprint([value]);
}

export const htmlText: Escaper = (value) => escapeHtml(text(value)).replaceAll("+", "&#43;");

/** Quoted attribute values, `<title>` and `<textarea>` need the same as text. */
export const htmlAttribute: Escaper = htmlText;

const NOSPACE: Readonly<Record<string, string>> = {
  ...{ "\t": "&#9;", "\n": "&#10;", "\v": "&#11;", "\f": "&#12;", "\r": "&#13;" },
  ...{ " ": "&#32;", "=": "&#61;", "`": "&#96;" },
};

/** Unquoted attribute values: nothing may end them, and they may not be empty. */
export const htmlUnquoted: Escaper = (value) => {
  const plain = text(value);
  if (plain === "") return UNSAFE;
  return htmlText(plain).replace(/[\t\n\v\f\r =`]/g, (c) => NOSPACE[c] ?? c);
};

/** A whole attribute name: only plain ones, never one that holds script, style or an address. */
export function htmlName(isPlain: (name: string) => boolean): Escaper {
  return (value) => {
    const name = text(value).toLowerCase();
    return /^[a-z0-9]+$/.test(name) && isPlain(name) ? name : UNSAFE;
  };
}

/** Inside a comment nothing is written. */
export const comment: Escaper = () => "";

const UNRESERVED = /[A-Za-z0-9\-._~]/;
const RESERVED = /[A-Za-z0-9\-._~!#$&*+,/:;=?@[\]]/;

/** The start of an address: only http, https, mailto and relative ones pass. */
export const urlFilter: Escaper = (value) => {
  const address = text(value);
  return safeScheme(address) ? address : `#${UNSAFE}`;
};

function safeScheme(address: string): boolean {
  const colon = address.indexOf(":");
  if (colon < 0 || address.slice(0, colon).includes("/")) return true;
  return /^(https?|mailto)$/i.test(address.slice(0, colon));
}

/** Part of an address before `?`: keeps what has a meaning there, and escapes already made. */
export const urlNormalize: Escaper = (value) =>
  text(value).replace(/%[0-9A-Fa-f]{2}|[\s\S]/gu, (piece) =>
    piece.length === 3 && piece.startsWith("%") ? piece : lowerPercent(piece, RESERVED),
  );

/** A value after `?` or `#`: escapes everything with a meaning. */
export const urlEscape: Escaper = (value) => lowerPercent(text(value), UNRESERVED);

/** In documents escapes are written in lower case, other than by the function `urlquery`. */
function lowerPercent(plain: string, keep: RegExp): string {
  return percentEncode(plain, keep).replace(/%[0-9A-F]{2}/g, (digits) => digits.toLowerCase());
}

/** A list of addresses with sizes. */
export const srcset: Escaper = (value) =>
  text(value)
    .split(",")
    .map((entry) => {
      const [, before = "", address = "", rest = ""] = /^(\s*)(\S*)([\s\S]*)$/.exec(entry) ?? [];
      const sizes = /^\s*([0-9.]*[a-zA-Z]*\s*)*$/.test(rest.slice(0, 200));
      return safeScheme(address) && sizes && rest.length <= 200
        ? `${before}${urlNormalize(address)}${rest}`
        : `#${UNSAFE}`;
    })
    .join(",");

const IDENTIFIER_PART = /[\p{L}\p{Nd}_$]/u;

/** A value where JavaScript expects an expression. */
export const jsValue: Escaper = (value) => {
  if (value instanceof SafeJs) return value.text;
  const json = encode(value);
  const padded = IDENTIFIER_PART.test(json.charAt(0)) || IDENTIFIER_PART.test(json.slice(-1));
  return padded ? ` ${json} ` : json;
};

function encode(value: unknown): string {
  try {
    return encodeJson(plainJson(value));
  } catch (error) {
    if (error instanceof JsonValueError) throw new ValueError(error.message);
    throw error;
  }
}

const JS_STRING: Readonly<Record<string, string>> = {
  ...{ "\0": "\\u0000", "\t": "\\t", "\n": "\\n", "\v": "\\u000b", "\f": "\\f", "\r": "\\r" },
  ...{ '"': "\\u0022", "`": "\\u0060", "&": "\\u0026", "'": "\\u0027", "+": "\\u002b" },
  ...{ "/": "\\/", "<": "\\u003c", ">": "\\u003e", "\\": "\\\\" },
  ...{ "\u2028": "\\u2028", "\u2029": "\\u2029" },
};

/** Inside a quoted JavaScript string. */
export const jsString: Escaper = (value) =>
  text(value).replace(/[\0\t\n\v\f\r"`&'+/<>\\\u2028\u2029]/g, (c) => JS_STRING[c] ?? c);

/** Inside a JavaScript regular expression: matches itself. */
export const jsRegexp: Escaper = (value) => {
  const plain = text(value);
  if (plain === "") return "(?:)";
  return plain.replace(/[\0\t\n\v\f\r"`&'+/<>\\\u2028\u2029$()*.?[\]^{|}-]/g, (c) =>
    "$()*.?[]^{|}-".includes(c) ? `\\${c}` : c === "+" ? "\\u002b" : (JS_STRING[c] ?? c),
  );
};

/** A CSS value: a number, length, colour or word; anything that could do more is refused. */
export const cssValue: Escaper = (value) => {
  const plain = text(value);
  if (/[\0"'()/;@[\\\]`{}<>]/.test(plain) || plain.includes("--")) return UNSAFE;
  const word = plain.toLowerCase().replace(/[^a-z0-9_-]/g, "");
  return word.includes("expression") || word.includes("mozbinding") ? UNSAFE : plain;
};

/** Inside a CSS string: hexadecimal escapes, with a space where what follows might join them. */
export const cssString: Escaper = (value) =>
  text(value).replace(
    /([\0\t\n\f\r"&'()+/:;<>\\{}])(?=([\s\S]?))/g,
    (_all, c: string, next: string) => {
      if (c === "\\") return "\\\\";
      const hex = c.charCodeAt(0).toString(16);
      return `\\${hex}${/^$|[0-9A-Fa-f \t\n\f\r]/.test(next) ? " " : ""}`;
    },
  );
