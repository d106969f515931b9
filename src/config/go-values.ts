/** Scalars as Go's standard library reads them from text, for environment variables and flags. */

const TRUE: ReadonlySet<string> = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE: ReadonlySet<string> = new Set(["0", "f", "F", "FALSE", "false", "False"]);

export function parseGoBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

/** Base by prefix: `0x`, `0o` or a leading zero, `0b`; single underscores between digits. Safe integers only. */
export function parseGoInt(text: string): number | undefined {
  const match =
    /^([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/.exec(
      text,
    );
  const [, sign, literal = ""] = match ?? [];
  if (match === null) return undefined;
  const digits = literal.replaceAll("_", "").toLowerCase();
  const octal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const value = Number(octal) * (sign === "-" ? -1 : 1);
  return Number.isSafeInteger(value) ? value + 0 : undefined;
}

/** Decimal floats; infinities and NaN are refused, no setting has a use for them. */
export function parseGoFloat(text: string): number | undefined {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

const INITIALISMS: Readonly<Record<string, string>> = {
  api: "API",
  ca: "CA",
  db: "DB",
  http: "HTTP",
  https: "HTTPS",
  id: "ID",
  json: "JSON",
  rp: "RP",
  ssl: "SSL",
  tls: "TLS",
  udp: "UDP",
  url: "URL",
  urls: "URLs",
};

/** `log-enabled` → `LogEnabled`, `https-enabled` → `HTTPSEnabled`: how error texts name a key. */
export function goFieldName(key: string): string {
  return key
    .split(/[-_]/)
    .map((word) => INITIALISMS[word] ?? word.slice(0, 1).toUpperCase() + word.slice(1))
    .join("");
}
