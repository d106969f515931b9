/** `pagerduty2`: version 2 of the events API; a recovery resolves the incident. */

import { type Static, Type } from "@sinclair/typebox";
import { resultData } from "#alert/data.ts";
import type { AlertEvent } from "#alert/event.ts";
import { type Delivery, defineHandler } from "#alert/handler.ts";
import { type Level, levelName, OK } from "#alert/level.ts";
import { listOption, optionsSchema, textOption } from "#alert/options.ts";
import { Calls, strings } from "#engine/calls.ts";
import { value } from "#engine/properties.ts";
import { formatTime } from "#lib/time.ts";
import type { Template } from "#template/template.ts";
import type { PropertyCall } from "#tick/environment.ts";
import { optionTemplate, renderOption, templateProblem } from "./option-template.ts";
import { defaultEventData, sendsEvent, testEventData, testLevel, testTime } from "./self-test.ts";
import { clientUrl, firstText, jsonBody, serviceHandler } from "./service-handler.ts";
import { defined, handlerProperty } from "./tick-options.ts";

const link = Type.Object({
  href: textOption("Address; a template."),
  text: textOption("Text; a template; default the address."),
});

const options = optionsSchema({
  "routing-key": textOption("Routing key; default the section's."),
  links: listOption("Links shown with the incident.", link),
});

export const pagerduty2 = defineHandler<Static<typeof options>>({
  kind: "pagerduty2",
  doc: "Triggers and resolves PagerDuty incidents (events API v2).",
  options,
  external: true,
  test: {
    options: () => ({
      alert_id: "testAlertID",
      description: "test pagerduty2 message",
      level: "CRITICAL",
      event_data: defaultEventData("testPagerDuty2"),
      timestamp: "2014-11-12T11:45:26.371Z",
      links: [
        { href: "https://example.com/a", text: "a" },
        { href: "https://example.com/b", text: "b" },
      ],
    }),
    run: sendsEvent((given) => ({
      options: {
        links: given
          .tables("links")
          .map((one) => ({ href: one.text("href"), text: one.text("text") })),
      },
      event: {
        ...testEventData(given.table("event_data")),
        id: given.text("alert_id"),
        message: given.text("description"),
        level: testLevel(given.text("level")),
        time: testTime(given.text("timestamp")),
      },
    })),
  },
  globalSection: "pagerduty2",
  tick: {
    property: handlerProperty(
      "pagerDuty2",
      "*pipeline.PagerDuty2Handler",
      "Sends events to PagerDuty (events API v2).",
      [
        value("routingKey", "string", "Routing key."),
        value("serviceKey", "string", "The same under its older name."),
        {
          ...{ name: "link", params: ["string", "string"], optional: 1 },
          doc: "Adds a link: address and text, both templates.",
        },
      ],
    ),
    optionsOf: inlineOptions,
  },
  check({ links = [] }) {
    for (const { href, text } of links) {
      if ((href ?? "") === "") return "pagerduty2 link needs an href";
      const problem = templateProblem({ href, text });
      if (problem !== undefined) return problem;
    }
    return undefined;
  },
  open(given, services) {
    const links = (given.links ?? []).map(({ href = "", text = "" }) => ({
      href: optionTemplate("href", href),
      text: optionTemplate("text", firstText(text, href)),
    }));
    return serviceHandler(services, "pagerduty2", (section, delivery) => {
      const { event } = delivery;
      const routingKey = firstText(given["routing-key"], section.text("routing-key"));
      return {
        service: "PagerDuty2",
        accepts: [200, 202],
        url: section.text("url"),
        headers: {
          "Content-Type": "application/json",
          Accept: "application/vnd.pagerduty+json;version=2",
        },
        body: jsonBody({
          routing_key: routingKey,
          event_action: event.level === OK ? "resolve" : "trigger",
          dedup_key: event.id,
          payload: payloadOf(event),
          images: null,
          links: links.length === 0 ? null : renderLinks(links, delivery),
          client: "kapacitor",
          client_url: clientUrl(services),
        }),
        secrets: [routingKey],
      };
    });
  },
});

function inlineOptions(call: PropertyCall): Readonly<Record<string, unknown>> {
  const calls = new Calls(call.calls);
  const links = calls.all("link").map((args) => {
    const [href, text] = strings(args);
    return defined({ href, text });
  });
  return defined({
    "routing-key": calls.string("routingKey") ?? calls.string("serviceKey"),
    links: links.length === 0 ? undefined : links,
  });
}

function payloadOf(event: AlertEvent): object {
  return {
    summary: event.message,
    source: firstText(event.tags["host"], "unknown"),
    severity: severityOf(event.level),
    timestamp: nineDecimals(event.time.ms, event.time.ns),
    class: event.taskName,
    component: "",
    group: "",
    custom_details: { result: resultData(event) },
  };
}

function severityOf(level: Level): string {
  return level === OK ? "info" : levelName(level).toLowerCase();
}

/** RFC 3339 with all nine decimals. */
function nineDecimals(ms: number, ns: number): string {
  const [head = "", fraction = ""] = formatTime(ms, ns).slice(0, -1).split(".");
  return `${head}.${fraction.padEnd(9, "0")}Z`;
}

function renderLinks(
  links: readonly { readonly href: Template; readonly text: Template }[],
  delivery: Delivery,
): object[] {
  return links.map(({ href, text }) => ({
    href: renderOption(href, delivery),
    text: renderOption(text, delivery),
  }));
}
