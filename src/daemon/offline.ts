/**
 * What scripts may call, without a running daemon: for tools that read scripts on their own.
 *
 * The same tables as a daemon's, with the texts of the default configuration: every node, and the property of
 * every handler kind, whether it is enabled somewhere or not.
 */

import { makeTickEnvironment } from "#engine/tick-environment.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import type { TickEnvironment } from "#tick/environment.ts";

/** Built anew on each call. */
export function offlineEnvironment(): TickEnvironment {
  const handlers = HANDLER_KINDS.flatMap((kind) =>
    kind.tick === undefined ? [] : [kind.tick.property],
  );
  return makeTickEnvironment({ handlers });
}
