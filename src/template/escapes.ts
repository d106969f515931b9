/**
 * Character escapes of the functions `html`, `js` and `urlquery`, shared with the HTML contexts.
 */

const HTML_SPECIAL = /[\0"&'<>]/;

/** The function `html`. */
export function escapeHtml(text: string): string {
  if (!HTML_SPECIAL.test(text)) return text;
  // Passes of the runtime's own beat a call per character: event details are JSON, full of quotes.
  let escaped = text.replaceAll("&", "&amp;").replaceAll('"', "&#34;");
  if (escaped.includes("'")) escaped = escaped.replaceAll("'", "&#39;");
  if (escaped.includes("<")) escaped = escaped.replaceAll("<", "&lt;");
  if (escaped.includes(">")) escaped = escaped.replaceAll(">", "&gt;");
  return escaped.includes("\0") ? escaped.replaceAll("\0", "\ufffd") : escaped;
}

const JS: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  '"': '\\"',
  "<": "\\u003C",
  ">": "\\u003E",
  "&": "\\u0026",
  "=": "\\u003D",
};

/** The function `js`: safe inside a quoted JavaScript string. */
export function escapeJs(text: string): string {
  return text.replace(/[\\'"<>&=\p{C}\p{Zl}\p{Zp}]/gu, (c) => {
    const short = JS[c];
    if (short !== undefined) return short;
    const hex = (c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return `\\u${hex}`;
  });
}

/** The function `urlquery`: spaces become `+`. */
export function escapeQuery(text: string): string {
  return percentEncode(text, /[A-Za-z0-9\-_.~]/).replaceAll("%20", "+");
}

/** Percent-encodes the UTF-8 bytes of every character that `keep` does not match, in upper-case digits. */
export function percentEncode(text: string, keep: RegExp): string {
  let out = "";
  for (const char of text) {
    if (keep.test(char)) out += char;
    else {
      for (const byte of new TextEncoder().encode(char)) {
        out += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
      }
    }
  }
  return out;
}
