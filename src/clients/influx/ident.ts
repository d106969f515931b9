/**
 * InfluxQL words: identifiers quoted only when needed, and string literals.
 *
 * The list of reserved words was taken from InfluxDB 1.6.7, by asking it to parse each as a measurement.
 */

const RESERVED: ReadonlySet<string> = new Set(
  (
    "ALL ALTER ANALYZE AND ANY AS ASC BEGIN BY CARDINALITY CREATE CONTINUOUS DATABASE DATABASES DEFAULT " +
    "DELETE DESC DESTINATIONS DIAGNOSTICS DISTINCT DROP DURATION END EVERY EXACT EXPLAIN FALSE FIELD FOR " +
    "FROM GRANT GRANTS GROUP GROUPS IN INF INSERT INTO KEY KEYS KILL LIMIT MEASUREMENT MEASUREMENTS NAME " +
    "OFFSET ON OR ORDER PASSWORD POLICIES POLICY PRIVILEGES QUERIES QUERY READ REPLICATION RESAMPLE " +
    "RETENTION REVOKE SELECT SERIES SET SHARD SHARDS SHOW SLIMIT SOFFSET STATS SUBSCRIPTION SUBSCRIPTIONS " +
    "TAG TO TRUE USER USERS VALUES WHERE WITH WRITE"
  ).split(" "),
);

/** True for words that InfluxQL reads as something else than a name. */
export function isReserved(word: string): boolean {
  return RESERVED.has(word.toUpperCase());
}

/** A name as InfluxDB prints it: bare when it can be, else in double quotes. */
export function quoteIdent(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !isReserved(name)) return name;
  return `"${escapeText(name).replaceAll('"', '\\"')}"`;
}

/** A string literal in single quotes. */
export function quoteString(text: string): string {
  return `'${escapeText(text).replaceAll("'", "\\'")}'`;
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
