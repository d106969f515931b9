/** Live logs of the server until interrupted. Source: cli §7. */

import type { CommandContext } from "./command.ts";

/**
 * Streams entries that match all `key=value` pairs: logfmt, or one JSON object a line. Throws `Error` for a
 * word that is not a pair.
 */
export async function streamLogs(
  pairs: readonly string[],
  { api, environment, output }: CommandContext,
): Promise<void> {
  const query: Record<string, string[]> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new Error(`bad keyvalue pair: '${pair}'`);
    const key = pair.slice(0, equals);
    query[key] = [...(query[key] ?? []), pair.slice(equals + 1)];
  }
  const path = "/kapacitor/v1preview/logs";
  const accept = output === "json" ? "application/json" : undefined;
  const options = { query, accept, signal: environment.interrupted() };
  await api.stream(path, options, (text) => environment.out(text));
}
