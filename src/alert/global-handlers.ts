/**
 * Handlers that the configuration adds to every alert node: kinds whose section says `global = true` and that the
 * node does not name itself. `state-changes-only` beside it makes the whole node report changes only.
 *
 * Source: reference alerts.md §12. Evaluated when a task starts.
 */

import type { PropertyCall } from "#tick/environment.ts";
import type { HandlerKind, HandlerServices } from "./handler.ts";
import type { HandlerKinds } from "./handler-kinds.ts";

export interface GlobalHandlers {
  readonly kinds: readonly HandlerKind[];
  readonly stateChangesOnly: boolean;
}

export function globalHandlers(
  kinds: HandlerKinds,
  services: HandlerServices,
  calls: readonly PropertyCall[],
): GlobalHandlers {
  const named = new Set(calls.map((call) => call.name));
  const added: HandlerKind[] = [];
  let stateChangesOnly = false;
  for (const kind of kinds.kinds()) {
    const flags =
      kind.globalSection === undefined ? undefined : flagsOf(services, kind.globalSection);
    if (flags === undefined || kind.tick === undefined) continue;
    // The node as a whole is switched, also when it names the kind itself.
    stateChangesOnly ||= flags.stateChangesOnly;
    if (!named.has(kind.tick.property.name)) added.push(kind);
  }
  return { kinds: added, stateChangesOnly };
}

/** The flags of an enabled section with `global`, or `undefined`. In a list only the default element counts. */
function flagsOf(
  services: HandlerServices,
  name: string,
): { readonly stateChangesOnly: boolean } | undefined {
  const section = services.section(name);
  const elements: readonly unknown[] = Array.isArray(section) ? section : [section];
  for (const element of elements) {
    if (!isRecord(element)) continue;
    if (element["enabled"] !== true || element["global"] !== true) continue;
    if (elements.length > 1 && element["default"] !== true) continue;
    return { stateChangesOnly: element["state-changes-only"] === true };
  }
  return undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
