/** `bigpanda`: an alert in BigPanda; a recovery sends status `ok`. */

import type { Static } from "@sinclair/typebox";
import { type Delivery, defineHandler } from "#alert/handler.ts";
import type { Level } from "#alert/level.ts";
import { mapOption, optionsSchema, textOption } from "#alert/options.ts";
import { method } from "#engine/properties.ts";
import { encodeJson } from "#lib/json.ts";
import { optionTemplate, renderOption, templateProblem } from "./option-template.ts";
import type { SectionReader } from "./section-reader.ts";
import { defaultEventData, sendsEvent, testEventData, testLevel, testTime } from "./self-test.ts";
import { firstText, serviceHandler, sortedJsonBody } from "./service-handler.ts";
import {
  defined,
  handlerProperty,
  type TextProperties,
  textOptions,
  textPairs,
  textProperties,
} from "./tick-options.ts";
import { NO_VERIFICATION } from "./tls-settings.ts";

const options = optionsSchema({
  "app-key": textOption("Application key; default the section's."),
  url: textOption("Address; default the section's."),
  host: textOption("Host; a template; default the tag host."),
  "primary-property": textOption("Attribute that identifies the alert first."),
  "secondary-property": textOption("Attribute that identifies it second."),
  attributes: mapOption("More attributes; texts are templates."),
});

type BigpandaOptions = Static<typeof options>;

const PROPERTIES: TextProperties = {
  appKey: ["app-key", "Application key."],
  host: ["host", "Host; a template."],
  primaryProperty: ["primary-property", "Attribute that identifies the alert first."],
  secondaryProperty: ["secondary-property", "Attribute that identifies it second."],
};

export const bigpanda = defineHandler<BigpandaOptions>({
  kind: "bigpanda",
  doc: "Sends an alert to BigPanda.",
  options,
  external: true,
  test: {
    options: () => ({
      app_key: "my-app-key-123456",
      message: "test bigpanda message",
      level: "CRITICAL",
      event_data: defaultEventData("testBigPanda"),
      timestamp: "1970-01-01T00:00:01Z",
    }),
    run: sendsEvent((given) => ({
      options: { "app-key": given.text("app_key") },
      event: {
        ...testEventData(given.table("event_data")),
        message: given.text("message"),
        level: testLevel(given.text("level")),
        time: testTime(given.text("timestamp")),
      },
    })),
  },
  globalSection: "bigpanda",
  tick: {
    property: handlerProperty(
      "bigPanda",
      "*pipeline.BigPandaHandler",
      "Sends events to BigPanda.",
      [...textProperties(PROPERTIES), method("attribute", ["string", "any"], "Adds an attribute.")],
    ),
    optionsOf: (call) => ({
      ...textOptions(call, PROPERTIES),
      ...defined({ attributes: textPairs(call, "attribute") }),
    }),
  },
  check: ({ host, attributes = {} }) =>
    templateProblem({
      host,
      ...Object.fromEntries(
        Object.entries(attributes).filter(
          (entry): entry is [string, string] => typeof entry[1] === "string",
        ),
      ),
    }),
  open(given, services) {
    const host = optionTemplate("host", given.host ?? "");
    return serviceHandler(services, "bigpanda", (section, delivery) => {
      const { event } = delivery;
      const token = section.text("token");
      return {
        service: "BigPanda",
        accepts: [201],
        url: firstText(given.url, section.text("url")),
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: sortedJsonBody({
          ...automaticAttributes(section, delivery),
          ...ownAttributes(given, delivery),
          host: firstText(renderOption(host, delivery), event.tags["host"]),
          ...defined({
            primary_property: given["primary-property"],
            secondary_property: given["secondary-property"],
          }),
          app_key: firstText(given["app-key"], section.text("app-key")),
          check: event.id,
          description: event.message,
          details: plainDetails(event.details),
          status: STATUSES[event.level],
          task: `${event.taskName}:${event.name}`,
          timestamp: Math.floor(event.time.ms / 1000),
        }),
        secrets: [token],
        ...(section.flag("insecure-skip-verify") ? { tls: NO_VERIFICATION } : {}),
      };
    });
  },
});

const STATUSES: Readonly<Record<Level, string>> = { 0: "ok", 1: "ok", 2: "warning", 3: "critical" };

/** Tags and fields, as `auto-attributes` says; fields that are no text as JSON. */
function automaticAttributes(
  section: SectionReader,
  { event }: Delivery,
): Readonly<Record<string, string>> {
  const wanted = section.text("auto-attributes").split(",");
  const fields = Object.entries(event.fields).map(([key, field]) => [key, attributeText(field)]);
  return {
    ...(wanted.includes("tags") ? event.tags : {}),
    ...(wanted.includes("fields") ? Object.fromEntries(fields) : {}),
  };
}

function ownAttributes(
  { attributes = {} }: BigpandaOptions,
  delivery: Delivery,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(attributes).map(([key, v]) => [
      key,
      typeof v === "string" ? renderOption(optionTemplate(key, v), delivery) : attributeText(v),
    ]),
  );
}

function attributeText(value: unknown): string {
  return typeof value === "string" ? value : encodeJson(value);
}

/** Details that are not just the default JSON. */
function plainDetails(details: string): string | undefined {
  const plain = details
    .replaceAll("&#34;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&#43;", "+")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
  return plain === "" || plain.startsWith("{") ? undefined : plain;
}
