/** The TICKscript properties that both OpsGenie kinds share. */

import { Calls } from "#engine/calls.ts";
import { list } from "#engine/properties.ts";
import type { PropertyCall, PropertySpec } from "#tick/environment.ts";
import { defined } from "./tick-options.ts";

export const OPSGENIE_PROPERTIES: readonly PropertySpec[] = [
  list("teams", "string", "Teams."),
  list("recipients", "string", "Recipients."),
];

export function opsgenieOptions(call: PropertyCall): Record<string, unknown> {
  const calls = new Calls(call.calls);
  return defined({
    "teams-list": calls.strings("teams"),
    "recipients-list": calls.strings("recipients"),
  });
}
