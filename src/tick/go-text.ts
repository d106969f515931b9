/**
 * Values as error texts and `string()` show them: Go's quoting and Go's spellings of floats.
 *
 * Clients and log searches compare these texts, so they follow Go where JavaScript's own forms differ
 * (exponents, signs of infinity, escapes).
 */

const SHORT: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** A double-quoted Go string. */
export function quoted(text: string): string {
  return `"${escapeFor(text, '"')}"`;
}

/** A single-quoted Go character; `char` is one code point. */
export function quotedChar(char: string): string {
  return `'${escapeFor(char, "'")}'`;
}

function escapeFor(text: string, quote: string): string {
  if (/^[ !#-&(-[\]-~]*$/.test(text)) return text;
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const short = SHORT[char];
    if (char === quote) out += `\\${quote}`;
    else if (short !== undefined) out += short;
    else if (code < 0x20 || code === 0x7f) out += `\\x${hex(code, 2)}`;
    else if (UNPRINTABLE.test(char)) {
      out += code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
    } else out += char;
  }
  return out;
}

const hex = (code: number, width: number): string => code.toString(16).padStart(width, "0");

/** Shortest digits that read back to the same float, never with an exponent (`1`, `0.00001`, `+Inf`). */
export function plainFloat(value: number): string {
  if (!Number.isFinite(value)) return notFinite(value);
  if (Object.is(value, -0)) return "-0";
  const text = String(value);
  const at = text.indexOf("e");
  if (at < 0) return text;
  const sign = text.startsWith("-") ? "-" : "";
  const digits = text.slice(sign.length, at).replace(".", "");
  const exponent = Number(text.slice(at + 1));
  return exponent < 0
    ? `${sign}0.${"0".repeat(-exponent - 1)}${digits}`
    : `${sign}${digits.padEnd(exponent + 1, "0")}`;
}

/** Go's `%v`: shortest digits, with an exponent below 1e-4 and from 1e21 on. */
export function displayFloat(value: number): string {
  if (!Number.isFinite(value)) return notFinite(value);
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e21)) return plainFloat(value);
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  const sign = exponent.charAt(0);
  return `${mantissa}e${sign}${exponent.slice(1).padStart(2, "0")}`;
}

function notFinite(value: number): string {
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
