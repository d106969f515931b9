/** `victorops`: an incident event; a recovery closes the incident. */

import type { Static } from "@sinclair/typebox";
import { resultData } from "#alert/data.ts";
import { defineHandler } from "#alert/handler.ts";
import { levelName, OK } from "#alert/level.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { encodeJson } from "#lib/json.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { sectionElements } from "./section-reader.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { firstText, joinUrl, serviceHandler, sortedJsonBody } from "./service-handler.ts";
import {
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";

const options = optionsSchema({
  "routing-key": textOption("Routing key; default the section's."),
});

const PROPERTIES: TextProperties = {
  routingKey: ["routing-key", "Routing key."],
};

export const victorops = defineHandler<Static<typeof options>>({
  kind: "victorops",
  doc: "Opens and closes VictorOps incidents.",
  options,
  external: true,
  test: {
    options: (services) => ({
      routingKey: sectionElements(services, "victorops")[0]?.text("routing-key") ?? "",
      messageType: "CRITICAL",
      message: "test victorops message",
      entityID: "testEntityID",
    }),
    run: sendsEvent((given) => ({
      options: { "routing-key": given.text("routingKey") },
      event: {
        id: given.text("entityID"),
        message: given.text("message"),
        level: testLevel(given.text("messageType")),
      },
    })),
  },
  globalSection: "victorops",
  tick: {
    property: handlerProperty(
      "victorOps",
      "*pipeline.VictorOpsHandler",
      "Sends events to VictorOps.",
      textProperties(PROPERTIES),
    ),
    optionsOf: (call) => textOptions(call, PROPERTIES),
  },
  open: (given, services) =>
    serviceHandler(services, "victorops", (section, { event }) => {
      const apiKey = section.text("api-key");
      const routingKey = firstText(given["routing-key"], section.text("routing-key"));
      const data = resultData(event);
      const path = `${encodeURIComponent(apiKey)}/${encodeURIComponent(routingKey)}`;
      return {
        service: "VictorOps",
        accepts: [200],
        texts: { 404: "URL or API key not found: 404" },
        url: joinUrl(section.text("url"), path),
        headers: JSON_HEADERS,
        body: sortedJsonBody({
          data: section.flag("json-data") ? data : encodeJson(data),
          entity_id: event.id,
          message_type: event.level === OK ? "RECOVERY" : levelName(event.level),
          monitoring_tool: "kapacitor",
          state_message: event.message,
          timestamp: Math.floor(event.time.ms / 1000),
        }),
        secrets: [apiKey],
      };
    }),
});
