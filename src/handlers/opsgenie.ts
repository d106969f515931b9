/** `opsgenie`: version 1 of the alert API; a recovery adds a note. */

import type { Static } from "@sinclair/typebox";
import { resultData } from "#alert/data.ts";
import { defineHandler } from "#alert/handler.ts";
import { levelName, OK } from "#alert/level.ts";
import { optionsSchema, textsOption } from "#alert/options.ts";
import { encodeJson } from "#lib/json.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { OPSGENIE_PROPERTIES, opsgenieOptions, opsgenieTestOptions } from "./opsgenie-options.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { firstList, joinUrl, serviceHandler, sortedJsonBody } from "./service-handler.ts";
import { handlerProperty } from "./tick-options.ts";

const options = optionsSchema({
  "teams-list": textsOption("Teams; default the section's."),
  "recipients-list": textsOption("Recipients; default the section's."),
});

export const opsgenie = defineHandler<Static<typeof options>>({
  kind: "opsgenie",
  doc: "Creates OpsGenie alerts (alert API v1).",
  options,
  external: true,
  test: {
    options: (services) => opsgenieTestOptions(services, "opsgenie"),
    run: sendsEvent((given) => ({
      options: {
        "teams-list": given.texts("teams"),
        "recipients-list": given.texts("recipients"),
      },
      event: {
        id: given.text("entity-id"),
        message: given.text("message"),
        level: testLevel(given.text("message-type")),
      },
    })),
  },
  globalSection: "opsgenie",
  tick: {
    property: handlerProperty(
      "opsGenie",
      "*pipeline.OpsGenieHandler",
      "Sends events to OpsGenie (alert API v1).",
      OPSGENIE_PROPERTIES,
    ),
    optionsOf: opsgenieOptions,
  },
  open: (given, services) =>
    serviceHandler(services, "opsgenie", (section, { event }) => {
      const recovers = event.level === OK;
      const apiKey = section.text("api-key");
      const teams = firstList(given["teams-list"], section.texts("teams"));
      const recipients = firstList(given["recipients-list"], section.texts("recipients"));
      return {
        service: "OpsGenie",
        accepts: [200],
        url: joinUrl(section.text(recovers ? "recovery_url" : "url"), ""),
        headers: JSON_HEADERS,
        body: sortedJsonBody({
          alias: event.id,
          apiKey,
          description: encodeJson(resultData(event)),
          details: {
            Level: recovers ? "RECOVERY" : levelName(event.level),
            "Monitoring Tool": "Kapacitor",
          },
          entity: event.id,
          message: event.message,
          monitoring_tool: "kapacitor",
          note: recovers ? event.message : "",
          recipients: recipients.length === 0 ? undefined : recipients,
          teams: teams.length === 0 ? undefined : teams,
        }),
        secrets: [apiKey],
      };
    }),
});
