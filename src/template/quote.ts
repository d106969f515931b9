/**
 * Go's quoted strings and characters (`%q`, error texts), and reading them back from template source.
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

/** A double-quoted Go string; `ascii` escapes everything beyond ASCII (`%+q`). */
export function quoteGo(text: string, ascii = false): string {
  return `"${escapeWith(text, '"', ascii)}"`;
}

/** A single-quoted Go character (`%q` of an integer). */
export function quoteRune(text: string, ascii: boolean): string {
  return `'${escapeWith(text, "'", ascii)}'`;
}

function escapeWith(text: string, quote: string, ascii: boolean): string {
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const short = SHORT[char];
    if (char === quote) out += `\\${quote}`;
    else if (short !== undefined) out += short;
    else if (code < 0x20 || code === 0x7f) out += `\\x${hex(code, 2)}`;
    else if ((ascii && code > 0x7e) || UNPRINTABLE.test(char)) {
      out += code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
    } else out += char;
  }
  return out;
}

const hex = (code: number, width: number): string => code.toString(16).padStart(width, "0");

const SIMPLE: Readonly<Record<string, number>> = {
  ...{ a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 },
  ...{ "\\": 92, "'": 39, '"': 34 },
};

/**
 * The text of a Go string or character literal with its quotes; `undefined` when an escape is wrong. `\x` and octal
 * escapes are bytes; bytes that are not UTF-8 become U+FFFD.
 */
export function unquoteGo(literal: string): string | undefined {
  const quote = literal.charAt(0);
  const body = literal.slice(1, -1);
  if (quote === "`") return body.replaceAll("\r", "");
  if (!body.includes("\\")) return body;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  const piece =
    /\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|[^\\]+/gy;
  while (piece.lastIndex < body.length) {
    const match = piece.exec(body);
    if (match === null) return undefined;
    const [whole, simple, byte, octal, small, large] = match;
    const other = quote === '"' ? "'" : '"';
    if (simple !== undefined) {
      if (simple === other) return undefined;
      bytes.push(SIMPLE[simple] ?? 0);
    } else if (byte !== undefined || octal !== undefined) {
      const value =
        byte === undefined ? Number.parseInt(octal ?? "", 8) : Number.parseInt(byte, 16);
      if (value > 255) return undefined;
      bytes.push(value);
    } else if (small !== undefined || large !== undefined) {
      const code = Number.parseInt(small ?? large ?? "", 16);
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
      bytes.push(...encoder.encode(String.fromCodePoint(code)));
    } else {
      for (const b of encoder.encode(whole)) bytes.push(b);
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
