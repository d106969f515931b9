/** `servicenow`: an event record in the event management table. */

import type { Static } from "@sinclair/typebox";
import { templateFields } from "#alert/data.ts";
import type { AlertEvent } from "#alert/event.ts";
import { defineHandler } from "#alert/handler.ts";
import type { Level } from "#alert/level.ts";
import { mapOption, optionsSchema, textOption } from "#alert/options.ts";
import { method } from "#engine/properties.ts";
import { encodeJson, sorted } from "#lib/json.ts";
import { GoStruct, stringMap } from "#template/values.ts";
import { optionTemplate, templateProblem } from "./option-template.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { cutBytes, firstText, serviceHandler } from "./service-handler.ts";
import {
  defined,
  handlerProperty,
  type TextProperties,
  textOptions,
  textPairs,
  textProperties,
} from "./tick-options.ts";

/** Byte limits of the table's columns. */
const COLUMN_BYTES_MAX = 100;
const KEY_BYTES_MAX = 1_024;
const DESCRIPTION_BYTES_MAX = 4_000;

const options = optionsSchema({
  url: textOption("Address; default the section's."),
  source: textOption("Source; default the section's."),
  username: textOption("User; default the section's."),
  password: textOption("Password; default the section's."),
  node: textOption("Node; a template."),
  type: textOption("Type; a template."),
  resource: textOption("Resource; a template."),
  metricname: textOption("Metric name; a template."),
  messagekey: textOption("Message key; a template; default the event ID."),
  additional_info: mapOption("More members; texts are templates."),
});

const PROPERTIES: TextProperties = {
  uRL: ["url", "Address."],
  username: ["username", "User."],
  password: ["password", "Password."],
  source: ["source", "Source."],
  node: ["node", "Node; a template."],
  type: ["type", "Type; a template."],
  resource: ["resource", "Resource; a template."],
  metricName: ["metricname", "Metric name; a template."],
  messageKey: ["messagekey", "Message key; a template."],
};

export const servicenow = defineHandler<Static<typeof options>>({
  kind: "servicenow",
  doc: "Sends an event record to ServiceNow.",
  options,
  external: true,
  test: {
    options: () => ({
      alert_id: "id",
      source: "Kapacitor",
      level: "CRITICAL",
      message: "test servicenow alert",
    }),
    run: sendsEvent((given) => ({
      options: { source: given.text("source") },
      event: {
        id: given.text("alert_id"),
        message: given.text("message"),
        level: testLevel(given.text("level")),
      },
    })),
  },
  globalSection: "servicenow",
  tick: {
    property: handlerProperty(
      "serviceNow",
      "*pipeline.ServiceNowHandler",
      "Sends events to ServiceNow.",
      [
        ...textProperties(PROPERTIES),
        method("additionalInfo", ["string", "any"], "Adds a member to the record's extra data."),
      ],
    ),
    optionsOf: (call) => ({
      ...textOptions(call, PROPERTIES),
      ...defined({ additional_info: textPairs(call, "additionalInfo") }),
    }),
  },
  check({ node, type, resource, metricname, messagekey, additional_info = {} }) {
    const texts = Object.entries(additional_info).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    return templateProblem({
      ...{ node, type, resource, metricname, messagekey },
      ...Object.fromEntries(texts),
    });
  },
  open: (given, services) =>
    serviceHandler(services, "servicenow", (section, { event }) => {
      const data = templateData(event);
      const render = (name: string, text: string, bytes = COLUMN_BYTES_MAX): string | undefined => {
        const rendered = cutBytes(optionTemplate(name, text).render(data), bytes);
        return rendered === "" ? undefined : rendered;
      };
      const info = Object.entries(given.additional_info ?? {}).map(([key, v]) => [
        key,
        typeof v === "string" ? optionTemplate(key, v).render(data) : v,
      ]);
      const source = firstText(given.source, section.text("source"));
      const auth = authorization(
        firstText(given.username, section.text("username")),
        firstText(given.password, section.text("password")),
      );
      const record = {
        source: source === "" ? undefined : cutBytes(source, COLUMN_BYTES_MAX),
        node: render("node", given.node ?? ""),
        type: render("type", given.type ?? ""),
        resource: render("resource", given.resource ?? ""),
        metric_name: render("metricname", given.metricname ?? ""),
        message_key: render("messagekey", firstText(given.messagekey, "{{ .ID }}"), KEY_BYTES_MAX),
        severity: SEVERITIES[event.level],
        description: cutBytes(event.message, DESCRIPTION_BYTES_MAX) || undefined,
        additional_info:
          info.length === 0 ? undefined : encodeJson(sorted(Object.fromEntries(info))),
      };
      return {
        service: "ServiceNow",
        accepts: [200],
        url: firstText(given.url, section.text("url")),
        headers: {
          "Content-Type": "application/json",
          Accept: "application/json",
          ...auth.headers,
        },
        body: encodeJson({ records: [record] }),
        secrets: auth.secrets,
      };
    }),
});

const SEVERITIES: Readonly<Record<Level, string>> = { 0: "5", 1: "5", 2: "4", 3: "1" };

function templateData(event: AlertEvent): GoStruct {
  return new GoStruct("servicenow.templateData", {
    ID: event.id,
    Name: event.name,
    TaskName: event.taskName,
    Fields: templateFields(event),
    Tags: stringMap(event.tags),
  });
}

function authorization(
  username: string,
  password: string,
): { readonly headers: Readonly<Record<string, string>>; readonly secrets: readonly string[] } {
  if (username === "" || password === "") return { headers: {}, secrets: [] };
  const token = Buffer.from(`${username}:${password}`).toString("base64");
  return { headers: { Authorization: `Basic ${token}` }, secrets: [password, token] };
}
