/** What offline runs need to know of a script before they start it. */

import type { ScriptResult } from "#tick/environment.ts";

/** Number of queries of a batch task. */
export function queriesOf({ nodes }: ScriptResult): number {
  return nodes.filter(({ parents }) => parents[0]?.type.method === "batch").length;
}
