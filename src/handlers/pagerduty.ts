/** `pagerduty`: version 1 of the events API; a recovery resolves the incident. INFO is not an incident. */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { INFO, OK } from "#alert/level.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { clientUrl, firstText, serviceHandler, sortedJsonBody } from "./service-handler.ts";
import {
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";

const options = optionsSchema({
  "service-key": textOption("Service key; default the section's."),
});

const PROPERTIES: TextProperties = {
  serviceKey: ["service-key", "Service key."],
};

export const pagerduty = defineHandler<Static<typeof options>>({
  kind: "pagerduty",
  doc: "Triggers and resolves PagerDuty incidents (events API v1).",
  options,
  external: true,
  test: {
    options: () => ({
      "incident-key": "testIncidentKey",
      description: "test pagerduty message",
      details: "",
      level: "CRITICAL",
    }),
    run: sendsEvent((given) => ({
      event: {
        id: given.text("incident-key"),
        message: given.text("description"),
        details: given.text("details"),
        level: testLevel(given.text("level")),
      },
    })),
  },
  globalSection: "pagerduty",
  tick: {
    property: handlerProperty(
      "pagerDuty",
      "*pipeline.PagerDutyHandler",
      "Sends events to PagerDuty (events API v1).",
      textProperties(PROPERTIES),
    ),
    optionsOf: (call) => textOptions(call, PROPERTIES),
  },
  open: (given, services) =>
    serviceHandler(services, "pagerduty", (section, { event }) => {
      if (event.level === INFO) {
        return {
          kind: "rejected",
          error: "AlertLevel 'info' is currently ignored by the PagerDuty service",
        };
      }
      const serviceKey = firstText(given["service-key"], section.text("service-key"));
      return {
        service: "PagerDuty",
        accepts: [200],
        url: section.text("url"),
        headers: JSON_HEADERS,
        body: sortedJsonBody({
          client: "kapacitor",
          client_url: clientUrl(services),
          description: event.message,
          details: event.details,
          event_type: event.level === OK ? "resolve" : "trigger",
          incident_key: event.id,
          service_key: serviceKey,
        }),
        secrets: [serviceKey],
      };
    }),
});
