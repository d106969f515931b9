/** `zenoss`: an event for the Zenoss events router; a recovery sends the severity `Clear`. */

import type { Static } from "@sinclair/typebox";
import { type Delivery, defineHandler } from "#alert/handler.ts";
import type { Level } from "#alert/level.ts";
import { intOption, mapOption, optionsSchema, textOption } from "#alert/options.ts";
import { Calls } from "#engine/calls.ts";
import { method, value } from "#engine/properties.ts";
import { encodeJson, parseJson, sorted } from "#lib/json.ts";
import { optionTemplate, renderOption, templateProblem } from "./option-template.ts";
import type { SectionReader } from "./section-reader.ts";
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

/** Byte limits of the event's texts. */
const SUMMARY_BYTES_MAX = 256;
const MESSAGE_BYTES_MAX = 4_096;

const options = optionsSchema({
  url: textOption("Address; default the section's."),
  username: textOption("User; default the section's."),
  password: textOption("Password; default the section's."),
  action: textOption("Router; default the section's."),
  method: textOption("Router method; default the section's."),
  type: textOption("Call type; default the section's."),
  tid: intOption("Transaction number; default the section's."),
  collector: textOption("Collector; default the section's."),
  summary: textOption("Summary; a template; default the message."),
  device: textOption("Device; a template."),
  component: textOption("Component; a template."),
  eventclasskey: textOption("Event class key; a template."),
  eventclass: textOption("Event class; a template."),
  message: textOption("Message; a template."),
  customField: mapOption("More members; texts are templates, those starting with { or [ are JSON."),
});

type ZenossOptions = Static<typeof options>;

const PROPERTIES: TextProperties = {
  uRL: ["url", "Address."],
  username: ["username", "User."],
  password: ["password", "Password."],
  action: ["action", "Router."],
  method: ["method", "Router method."],
  type: ["type", "Call type."],
  collector: ["collector", "Collector."],
  summary: ["summary", "Summary; a template."],
  device: ["device", "Device; a template."],
  component: ["component", "Component; a template."],
  eventClassKey: ["eventclasskey", "Event class key; a template."],
  eventClass: ["eventclass", "Event class; a template."],
  message: ["message", "Message; a template."],
};

export const zenoss = defineHandler<ZenossOptions>({
  kind: "zenoss",
  doc: "Sends an event to Zenoss.",
  options,
  external: true,
  test: {
    options: () => ({
      alert_id: "testAlertID",
      level: "CRITICAL",
      message: "test zenoss message",
    }),
    run: sendsEvent((given) => ({
      event: {
        id: given.text("alert_id"),
        message: given.text("message"),
        level: testLevel(given.text("level")),
      },
    })),
  },
  globalSection: "zenoss",
  tick: {
    property: handlerProperty("zenoss", "*pipeline.ZenossHandler", "Sends events to Zenoss.", [
      ...textProperties(PROPERTIES),
      value("tid", "int", "Transaction number."),
      method("customField", ["string", "any"], "Adds a member to the event."),
    ]),
    optionsOf: (call) => ({
      ...textOptions(call, PROPERTIES),
      ...defined({
        tid: new Calls(call.calls).count("tid"),
        customField: textPairs(call, "customField"),
      }),
    }),
  },
  check: ({ summary, device, component, eventclasskey, eventclass, message }) =>
    templateProblem({ summary, device, component, eventclasskey, eventclass, message }),
  open: (given, services) =>
    serviceHandler(services, "zenoss", (section, delivery) => {
      const username = firstText(given.username, section.text("username"));
      const password = firstText(given.password, section.text("password"));
      const token = Buffer.from(`${username}:${password}`).toString("base64");
      const auth = username === "" ? {} : { Authorization: `Basic ${token}` };
      const from = (key: "action" | "method" | "type"): string =>
        firstText(given[key], section.text(key));
      return {
        service: "Zenoss",
        accepts: [200],
        url: firstText(given.url, section.text("url")),
        headers: { "Content-Type": "application/json", ...auth },
        body: `${encodeJson({
          action: from("action"),
          method: from("method"),
          data: [eventOf(given, section, delivery)],
          type: from("type"),
          tid: given.tid ?? section.number("tid"),
        })}\n`,
        secrets: [password, token],
      };
    }),
});

const SEVERITY_KEYS: Readonly<Record<Level, string>> = {
  0: "OK",
  1: "Info",
  2: "Warning",
  3: "Critical",
};

function eventOf(
  given: ZenossOptions,
  section: SectionReader,
  delivery: Delivery,
): Readonly<Record<string, unknown>> {
  const render = (name: string, text: string | undefined): string =>
    renderOption(optionTemplate(name, text ?? ""), delivery);
  const severities = section.table("severity-map");
  const collector = firstText(given.collector, section.text("collector"));
  const message = cutBytes(render("message", given.message), MESSAGE_BYTES_MAX);
  const key = SEVERITY_KEYS[delivery.event.level];
  return sorted({
    ...customFields(given, delivery),
    ...defined({
      collector: collector === "" ? undefined : collector,
      message: message === "" ? undefined : message,
    }),
    component: render("component", given.component),
    device: render("device", given.device),
    evclass: render("eventclass", given.eventclass),
    evclasskey: render("eventclasskey", given.eventclasskey),
    severity: severityOf(severities, key),
    summary: cutBytes(render("summary", given.summary ?? "{{ .Message }}"), SUMMARY_BYTES_MAX),
  });
}

/** The map may hold words or Zenoss's numbers. */
function severityOf(severities: SectionReader, key: string): string | number {
  return firstText(severities.text(key)) || severities.number(key);
}

function customFields(
  { customField = {} }: ZenossOptions,
  delivery: Delivery,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(customField).map(([key, v]) => {
      if (typeof v !== "string") return [key, v];
      const text = renderOption(optionTemplate(key, v), delivery);
      const parsed = /^[{[]/.test(text) ? parseJson(text) : undefined;
      return [key, parsed?.ok === true ? parsed.value : text];
    }),
  );
}
