/** The TICKscript properties and the options of the self-test that both OpsGenie kinds share. */

import type { HandlerServices } from "#alert/handler.ts";
import { Calls } from "#engine/calls.ts";
import { list } from "#engine/properties.ts";
import type { PropertyCall, PropertySpec } from "#tick/environment.ts";
import { sectionElements } from "./section-reader.ts";
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

export function opsgenieTestOptions(
  services: HandlerServices,
  kind: "opsgenie" | "opsgenie2",
): Readonly<Record<string, unknown>> {
  const [section] = sectionElements(services, kind);
  const listOf = (key: string): readonly string[] | null => {
    const list = section?.texts(key) ?? [];
    return list.length === 0 ? null : list;
  };
  return {
    teams: listOf("teams"),
    recipients: listOf("recipients"),
    ...(kind === "opsgenie2" ? { recovery_action: "notes" } : {}),
    "message-type": "CRITICAL",
    message: "test opsgenie message",
    "entity-id": "testEntityID",
  };
}
