/**
 * `smtp` (`.email()` in scripts): the message as subject and the details as HTML body of one mail to all recipients.
 *
 * All handlers share one connection to the mail server; one mail goes over it at a time.
 */

import { createHash } from "node:crypto";
import type { Static } from "@sinclair/typebox";
import { templateFields } from "#alert/data.ts";
import { type AlertEvent, eventKey } from "#alert/event.ts";
import { type Delivery, defineHandler } from "#alert/handler.ts";
import { optionsSchema, textsOption } from "#alert/options.ts";
import type { Outcome } from "#alert/outcome.ts";
import { SmtpClient, type SmtpSettings } from "#clients/smtp.ts";
import { Calls, strings } from "#engine/calls.ts";
import { list } from "#engine/properties.ts";
import type { Template } from "#template/template.ts";
import { GoStruct, stringMap } from "#template/values.ts";
import type { PropertyCall } from "#tick/environment.ts";
import { clientOutcome } from "./client-outcome.ts";
import { optionTemplate, rejectingTemplateErrors, templateProblem } from "./option-template.ts";
import {
  enabledSection,
  NOT_ENABLED,
  type SectionReader,
  sectionElements,
} from "./section-reader.ts";
import { sendsEvent } from "./self-test.ts";
import { SharedClients } from "./shared-clients.ts";
import { defined } from "./tick-options.ts";

const options = optionsSchema({
  to: textsOption("Recipients; default the section's."),
  "to-field": textsOption("Templates over the event's data that give further recipients."),
});

type SmtpOptions = Static<typeof options>;

/** Recipients of one mail; templates come from users. */
const RECIPIENTS_MAX = 1_000;

/** Port on which TLS is spoken from the first byte. */
const IMPLICIT_TLS_PORT = 465;

const clients = new SharedClients<SmtpSettings, SmtpClient>(
  (settings, clock) => new SmtpClient(settings, clock),
);

export const smtp = defineHandler<SmtpOptions>({
  kind: "smtp",
  doc: "Sends the event by mail.",
  options,
  external: true,
  test: {
    options: (services) => {
      const [section] = sectionElements(services, "smtp");
      return { to: section?.texts("to") ?? [], subject: "test subject", body: "test body" };
    },
    run: sendsEvent((given) => ({
      options: { to: given.texts("to") },
      event: { message: given.text("subject"), details: given.text("body") },
    })),
  },
  globalSection: "smtp",
  tick: {
    property: {
      ...{ name: "email", params: [], rest: "string", doc: "Sends events by mail." },
      opens: {
        goType: "*pipeline.EmailHandler",
        properties: [
          list("to", "string", "Adds recipients."),
          list("toTemplates", "string", "Adds recipients that templates give."),
        ],
      },
    },
    optionsOf: inlineOptions,
  },
  check: (given) => templatesProblem(given["to-field"] ?? []),
  open(given, services) {
    const lease = clients.lease(services);
    const templates = parseAll(given["to-field"] ?? []);
    return {
      send: (delivery, signal) =>
        rejectingTemplateErrors(async () => {
          const section = enabledSection(services, "smtp");
          if (section === undefined) return NOT_ENABLED;
          const own = { to: given.to ?? [], templates };
          const to = recipients(own, section, delivery.event);
          const problem = addressProblem(to);
          if (problem !== undefined) return problem;
          const settings = settingsOf(section);
          return clientOutcome({ service: "smtp", signal, secrets: [settings.password] }, () =>
            lease.client("smtp", settings).send(mailOf(delivery, section, to), signal),
          );
        }),
      close: () => lease.close(),
    };
  },
});

function inlineOptions(call: PropertyCall): Readonly<Record<string, unknown>> {
  const calls = new Calls(call.calls);
  const to = [...strings(call.args), ...calls.all("to").flatMap(strings)];
  const templates = calls.all("toTemplates").flatMap(strings);
  return defined({
    to: to.length === 0 ? undefined : to,
    "to-field": templates.length === 0 ? undefined : templates,
  });
}

function templatesProblem(templates: readonly string[]): string | undefined {
  return templateProblem(Object.fromEntries(templates.map((text, i) => [`to-field ${i}`, text])));
}

function parseAll(templates: readonly string[]): readonly Template[] {
  return templates.map((text) => optionTemplate("to-field", text));
}

interface Recipients {
  readonly to: readonly string[];
  readonly templates: readonly Template[];
}

/** The handler's own recipients; when it has none for this event, the section's. Each once. */
function recipients(own: Recipients, section: SectionReader, event: AlertEvent): readonly string[] {
  const found = allOf(own, event);
  if (found.length > 0) return found;
  return allOf(
    { to: section.texts("to"), templates: parseAll(section.texts("toTemplates")) },
    event,
  );
}

function allOf({ to, templates }: Recipients, event: AlertEvent): readonly string[] {
  const data = templates.length === 0 ? undefined : eventData(event);
  const rendered = templates.map((template) => template.render(data).trim());
  return [...new Set([...to, ...rendered].filter((address) => address !== ""))];
}

/** What recipient templates see: the event's data parts, without its state. */
function eventData(event: AlertEvent): GoStruct {
  return new GoStruct("alert.EventData", {
    Name: event.name,
    TaskName: event.taskName,
    Category: event.category,
    Group: event.group,
    Tags: stringMap(event.tags),
    Fields: templateFields(event),
    Recoverable: event.recoverable,
  });
}

function addressProblem(to: readonly string[]): Outcome | undefined {
  if (to.length === 0) return { kind: "rejected", error: "smtp: no recipients" };
  if (to.length > RECIPIENTS_MAX) {
    return { kind: "rejected", error: `smtp: more than ${RECIPIENTS_MAX} recipients` };
  }
  const bad = to.find((address) => !address.includes("@") || /[\x00-\x1f\x7f]/.test(address));
  if (bad === undefined) return undefined;
  return { kind: "rejected", error: `smtp: invalid email address: ${JSON.stringify(bad)}` };
}

function settingsOf(section: SectionReader): SmtpSettings {
  return {
    host: section.text("host"),
    port: section.number("port"),
    implicitTls: section.number("port") === IMPLICIT_TLS_PORT,
    username: section.text("username"),
    password: section.text("password"),
    insecureSkipVerify: section.flag("no-verify"),
    idleMs: section.number("idle-timeout") / 1e6,
  };
}

function mailOf({ event }: Delivery, section: SectionReader, to: readonly string[]) {
  const id = createHash("sha256")
    .update(JSON.stringify([eventKey(event), to]))
    .digest("hex");
  return {
    from: section.text("from"),
    to,
    subject: event.message,
    html: event.details,
    id: id.slice(0, 32),
  };
}
