/** `alerta`: an alert in Alerta; a recovery sends severity `ok`. */

import type { Static } from "@sinclair/typebox";
import { resultData } from "#alert/data.ts";
import type { AlertEvent } from "#alert/event.ts";
import {
  type Delivery,
  defineHandler,
  type Handler,
  type HandlerServices,
} from "#alert/handler.ts";
import { CRITICAL, INFO, type Level, OK, WARNING } from "#alert/level.ts";
import {
  durationOption,
  mapOption,
  optionsSchema,
  textOption,
  textsOption,
} from "#alert/options.ts";
import { Calls } from "#engine/calls.ts";
import { list, method, value } from "#engine/properties.ts";
import { GoStruct, stringMap } from "#template/values.ts";
import type { PropertyCall } from "#tick/environment.ts";
import type { HttpRequest } from "./http-sender.ts";
import { optionTemplate, renderOption, templateProblem } from "./option-template.ts";
import { type SectionReader, sectionElements } from "./section-reader.ts";
import { sendsEvent, testDuration } from "./self-test.ts";
import { firstText, joinUrl, serviceHandler, sortedJsonBody } from "./service-handler.ts";
import {
  defined,
  handlerProperty,
  type TextProperties,
  textOptions,
  textPairs,
  textProperties,
} from "./tick-options.ts";
import { NO_VERIFICATION } from "./tls-settings.ts";

/** When an alert expires at the receiver unless somebody says otherwise, seconds. */
const DEFAULT_TIMEOUT_S = 86_400;

const options = optionsSchema({
  token: textOption("API token; default the section's."),
  "token-prefix": textOption("Word before the token; default the section's, or Bearer."),
  resource: textOption("Resource; a template; default {{ .Name }}."),
  event: textOption("Event; a template; default {{ .ID }}."),
  environment: textOption("Environment; a template; default the section's."),
  group: textOption("Group; a template; default {{ .Group }}."),
  value: textOption("Value; a template."),
  origin: textOption("Origin; default the section's."),
  service: textsOption("Services; templates; default the measurement."),
  correlate: textsOption("Related events; templates; default the measurement."),
  timeout: durationOption("When the alert expires; default the section's, or 24 h."),
  attributes: mapOption("Attributes; texts are templates."),
});

type AlertaOptions = Static<typeof options>;

const PROPERTIES: TextProperties = {
  token: ["token", "API token."],
  resource: ["resource", "Resource; a template."],
  event: ["event", "Event; a template."],
  environment: ["environment", "Environment; a template."],
  group: ["group", "Group; a template."],
  value: ["value", "Value; a template."],
  origin: ["origin", "Origin."],
};

export const alerta = defineHandler<AlertaOptions>({
  kind: "alerta",
  doc: "Sends an alert to Alerta.",
  options,
  external: true,
  test: {
    options: (services) => {
      const [section] = sectionElements(services, "alerta");
      return {
        ...{ resource: "testResource", event: "testEvent" },
        environment: section?.text("environment") ?? "",
        ...{ severity: "critical", group: "testGroup", value: "testValue" },
        message: "test alerta message",
        origin: section?.text("origin") ?? "",
        service: ["testServiceA", "testServiceB"],
        correlate: ["testServiceX", "testServiceY"],
        timeout: "24h0m0s",
      };
    },
    run: sendsEvent((given) => ({
      options: {
        resource: given.text("resource"),
        event: given.text("event"),
        environment: given.text("environment"),
        group: given.text("group"),
        value: given.text("value"),
        origin: given.text("origin"),
        service: given.texts("service"),
        correlate: given.texts("correlate"),
        timeout: testDuration(given.text("timeout")),
      },
      event: { message: given.text("message"), level: levelOf(given.text("severity")) },
    })),
  },
  tick: {
    property: handlerProperty("alerta", "*pipeline.AlertaHandler", "Sends events to Alerta.", [
      ...textProperties(PROPERTIES),
      list("services", "string", "Services; templates."),
      list("correlated", "string", "Related events; templates."),
      value("timeout", "duration", "When the alert expires."),
      method("attribute", ["string", "any"], "Adds an attribute."),
    ]),
    optionsOf: inlineOptions,
  },
  check({ resource, event, environment, group, value: shown, service = [], correlate = [] }) {
    return templateProblem({
      ...{ resource, event, environment, group, value: shown },
      ...Object.fromEntries(service.map((text, i) => [`service ${i}`, text])),
      ...Object.fromEntries(correlate.map((text, i) => [`correlate ${i}`, text])),
    });
  },
  open: (given, services) => alertaHandler(given, services),
});

function inlineOptions(call: PropertyCall): Readonly<Record<string, unknown>> {
  const calls = new Calls(call.calls);
  return {
    ...textOptions(call, PROPERTIES),
    ...defined({
      service: calls.strings("services"),
      correlate: calls.strings("correlated"),
      timeout: calls.duration("timeout"),
      attributes: textPairs(call, "attribute"),
    }),
  };
}

function alertaHandler(given: AlertaOptions, services: HandlerServices): Handler {
  const resource = optionTemplate("resource", given.resource ?? "{{ .Name }}");
  const event = optionTemplate("event", given.event ?? "{{ .ID }}");
  const group = optionTemplate("group", given.group ?? "{{ .Group }}");
  const shown = optionTemplate("value", given.value ?? "");
  return serviceHandler(services, "alerta", (section, delivery) => {
    const environment = firstText(given.environment, section.text("environment"));
    return request(given, section, {
      attributes: attributesOf(given, delivery),
      correlate: listOf(given.correlate, delivery),
      environment: renderOption(optionTemplate("environment", environment), delivery),
      event: event.render(eventData(delivery.event)),
      group: renderOption(group, delivery),
      origin: firstText(given.origin, section.text("origin")),
      rawData: resultData(delivery.event),
      resource: renderOption(resource, delivery),
      service: listOf(given.service, delivery),
      severity: SEVERITIES[delivery.event.level],
      tags: Object.entries(delivery.event.tags).map(([key, tag]) => `${key}=${tag}`),
      text: delivery.event.message,
      timeout: timeoutOf(given, section),
      value: renderOption(shown, delivery),
    });
  });
}

function request(
  given: AlertaOptions,
  section: SectionReader,
  body: Readonly<Record<string, unknown>>,
): HttpRequest {
  const token = firstText(given.token, section.text("token"));
  const prefix = firstText(given["token-prefix"], section.text("token-prefix"), "Bearer");
  return {
    service: "Alerta",
    accepts: [201],
    url: joinUrl(section.text("url"), "alert"),
    headers: { "Content-Type": "application/json", Authorization: `${prefix} ${token}` },
    body: sortedJsonBody(body),
    secrets: [token],
    ...(section.flag("insecure-skip-verify") ? { tls: NO_VERIFICATION } : {}),
  };
}

const SEVERITIES: Readonly<Record<Level, string>> = {
  0: "ok",
  1: "informational",
  2: "warning",
  3: "critical",
};

function levelOf(severity: string): Level {
  const level = [OK, INFO, WARNING, CRITICAL].find((known) => SEVERITIES[known] === severity);
  if (level === undefined) throw new Error(`unknown severity ${JSON.stringify(severity)}`);
  return level;
}

/** The event name sees less than the other templates: what tells alerts apart, not what changes with each. */
function eventData(event: AlertEvent): GoStruct {
  return new GoStruct("alerta.eventData", {
    ID: event.id,
    Name: event.name,
    TaskName: event.taskName,
    Group: event.group,
    Tags: stringMap(event.tags),
  });
}

function listOf(texts: readonly string[] | undefined, delivery: Delivery): readonly string[] {
  if (texts === undefined || texts.length === 0) return [delivery.event.name];
  return texts.map((text) => renderOption(optionTemplate("list", text), delivery));
}

function attributesOf(
  { attributes }: AlertaOptions,
  delivery: Delivery,
): Readonly<Record<string, unknown>> | undefined {
  const entries = Object.entries(attributes ?? {});
  if (entries.length === 0) return undefined;
  return Object.fromEntries(
    entries.map(([key, v]) => [
      key,
      typeof v === "string" ? renderOption(optionTemplate(key, v), delivery) : v,
    ]),
  );
}

/** Whole seconds. */
function timeoutOf(given: AlertaOptions, section: SectionReader): number {
  const nanos = Number(given.timeout ?? 0) || section.number("timeout");
  return nanos > 0 ? Math.trunc(nanos / 1e9) : DEFAULT_TIMEOUT_S;
}
