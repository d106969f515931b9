/** `opsgenie2`: version 2 of the alert API; a recovery adds a note or closes the alert. */

import type { Static } from "@sinclair/typebox";
import { resultData } from "#alert/data.ts";
import type { AlertEvent } from "#alert/event.ts";
import { defineHandler } from "#alert/handler.ts";
import { CRITICAL, type Level, levelName, OK, WARNING } from "#alert/level.ts";
import { flagOption, optionsSchema, textOption, textsOption } from "#alert/options.ts";
import { Calls } from "#engine/calls.ts";
import { flag, value } from "#engine/properties.ts";
import { encodeJson, sorted } from "#lib/json.ts";
import { OPSGENIE_PROPERTIES, opsgenieOptions, opsgenieTestOptions } from "./opsgenie-options.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import {
  firstList,
  firstText,
  joinUrl,
  serviceHandler,
  sortedJsonBody,
} from "./service-handler.ts";
import { defined, handlerProperty } from "./tick-options.ts";

const options = optionsSchema({
  "teams-list": textsOption("Teams; default the section's."),
  "recipients-list": textsOption("Recipients; default the section's."),
  recovery_action: textOption("notes or close; default the section's."),
  details: flagOption("Describe the alert with the event's details instead of its data."),
});

export const opsgenie2 = defineHandler<Static<typeof options>>({
  kind: "opsgenie2",
  doc: "Creates and closes OpsGenie alerts (alert API v2).",
  options,
  external: true,
  test: {
    options: (services) => opsgenieTestOptions(services, "opsgenie2"),
    run: sendsEvent((given) => ({
      options: {
        "teams-list": given.texts("teams"),
        "recipients-list": given.texts("recipients"),
        recovery_action: given.text("recovery_action"),
      },
      event: {
        id: given.text("entity-id"),
        message: given.text("message"),
        level: testLevel(given.text("message-type")),
      },
    })),
  },
  globalSection: "opsgenie2",
  tick: {
    property: handlerProperty(
      "opsGenie2",
      "*pipeline.OpsGenie2Handler",
      "Sends events to OpsGenie (alert API v2).",
      [
        ...OPSGENIE_PROPERTIES,
        value("recoveryAction", "string", "notes or close."),
        flag("details", "Describe the alert with the event's details."),
      ],
    ),
    optionsOf(call) {
      const calls = new Calls(call.calls);
      const own = {
        recovery_action: calls.string("recoveryAction"),
        details: calls.flag("details") || undefined,
      };
      return { ...opsgenieOptions(call), ...defined(own) };
    },
  },
  open: (given, services) =>
    serviceHandler(services, "opsgenie2", (section, { event }) => {
      const apiKey = section.text("api-key");
      const alias = Buffer.from(event.id)
        .toString("base64")
        .replaceAll("+", "-")
        .replaceAll("/", "_");
      const common = {
        service: "OpsGenie2",
        accepts: [202],
        headers: { "Content-Type": "application/json", Authorization: `GenieKey ${apiKey}` },
        secrets: [apiKey],
      };
      const url = section.text("url");
      if (event.level === OK) {
        const action = recoveryAction(given.recovery_action, section.text("recovery_action"));
        return {
          ...common,
          url: joinUrl(url, `${alias}/${action}?identifierType=alias`),
          body: sortedJsonBody({ note: event.message }),
        };
      }
      const teams = firstList(given["teams-list"], section.texts("teams"));
      const users = firstList(given["recipients-list"], section.texts("recipients"));
      const responders = [
        ...teams.map((name) => ({ name, type: "team" })),
        ...users.map((username) => ({ username, type: "user" })),
      ];
      const withDetails = given.details ?? section.flag("details");
      return {
        ...common,
        url,
        body: sortedJsonBody({
          alias,
          description: withDetails ? event.details : encodeJson(resultData(event)),
          details: detailsOf(event),
          entity: event.id,
          message: event.message,
          note: "",
          priority: priorityOf(event.level),
          responders: responders.length === 0 ? undefined : responders,
        }),
      };
    }),
});

function recoveryAction(...wanted: readonly (string | undefined)[]): string {
  return firstText(...wanted.filter((action) => action === "notes" || action === "close"), "notes");
}

function detailsOf(event: AlertEvent): Readonly<Record<string, string>> {
  const tags = Object.assign({}, ...(event.series ?? []).map((row) => row.tags ?? {}));
  return sorted({
    ...tags,
    // The receiver's users know this under "task", although it is the measurement.
    "Kapacitor Task Name": event.name,
    Level: levelName(event.level),
    "Monitoring Tool": "Kapacitor",
  });
}

function priorityOf(level: Level): string {
  return level === CRITICAL ? "P1" : level === WARNING ? "P3" : "P5";
}
