/** Handler sections of paging and incident services. */

import { flag, integer, table, text, texts } from "../field.ts";
import { defineSection } from "../section.ts";
import { globalField, stateChangesOnlyField } from "./shared.ts";

interface Switch {
  readonly enabled: boolean;
}

/** `SECTION: must specify KEY` when the section is enabled and the key empty. */
function needs<T extends Switch>(
  section: string,
  element: T | undefined,
  keys: readonly (keyof T)[],
) {
  if (element?.enabled !== true) return undefined;
  const missing = keys.find((key) => element[key] === "");
  return missing === undefined ? undefined : `${section}: must specify ${String(missing)}`;
}

export const bigpanda = defineSection({
  name: "bigpanda",
  doc: "BigPanda.",
  overridable: true,
  fields: {
    enabled: flag(),
    global: globalField(),
    "app-key": text(),
    token: text("", { redacted: true }),
    "state-changes-only": stateChangesOnlyField(),
    "insecure-skip-verify": flag(),
    url: text("https://api.bigpanda.io/data/v2/alerts"),
    "auto-attributes": text("tags,fields", { doc: "What becomes attributes: tags, fields, both." }),
  },
  validate: ([element]) => needs("bigpanda", element, ["url", "app-key", "token"]),
});

export const opsgenie = defineSection({
  name: "opsgenie",
  doc: "OpsGenie, first version of its interface.",
  overridable: true,
  fields: {
    enabled: flag(),
    "api-key": text("", { redacted: true }),
    teams: texts(),
    recipients: texts(),
    url: text("https://api.opsgenie.com/v1/json/alert"),
    recovery_url: text("https://api.opsgenie.com/v1/json/alert/note"),
    global: globalField(),
  },
  validate: ([element]) => needs("opsgenie", element, ["url", "recovery_url", "api-key"]),
});

export const opsgenie2 = defineSection({
  name: "opsgenie2",
  doc: "OpsGenie, second version of its interface.",
  overridable: true,
  fields: {
    enabled: flag(),
    "api-key": text("", { redacted: true }),
    teams: texts(),
    recipients: texts(),
    url: text("https://api.opsgenie.com/v2/alerts"),
    recovery_action: text("notes"),
    global: globalField(),
    details: flag(),
  },
  validate: ([element]) => needs("opsgenie2", element, ["url", "api-key"]),
});

export const pagerduty = defineSection({
  name: "pagerduty",
  doc: "PagerDuty, first version of its interface.",
  overridable: true,
  fields: {
    enabled: flag(),
    url: text("https://events.pagerduty.com/generic/2010-04-15/create_event.json"),
    "service-key": text("", { redacted: true }),
    global: globalField(),
  },
  validate: ([element]) => needs("pagerduty", element, ["url"]),
});

export const pagerduty2 = defineSection({
  name: "pagerduty2",
  doc: "PagerDuty, second version of its interface.",
  overridable: true,
  fields: {
    enabled: flag(),
    url: text("https://events.pagerduty.com/v2/enqueue"),
    "routing-key": text("", { redacted: true }),
    global: globalField(),
  },
  validate: ([element]) => needs("pagerduty2", element, ["url"]),
});

export const pushover = defineSection({
  name: "pushover",
  doc: "Pushover.",
  overridable: true,
  fields: {
    enabled: flag(),
    token: text("", { redacted: true }),
    "user-key": text("", { redacted: true }),
    url: text("https://api.pushover.net/1/messages.json"),
  },
  validate: ([element]) => needs("pushover", element, ["url", "token", "user-key"]),
});

export const servicenow = defineSection({
  name: "servicenow",
  doc: "ServiceNow.",
  overridable: true,
  fields: {
    enabled: flag(),
    url: text("https://instance.service-now.com/api/global/em/jsonv2"),
    source: text(),
    username: text(),
    password: text("", { redacted: true }),
    global: globalField(),
    "state-changes-only": stateChangesOnlyField(),
  },
  validate: ([element]) => needs("servicenow", element, ["url"]),
});

export const victorops = defineSection({
  name: "victorops",
  doc: "VictorOps.",
  overridable: true,
  fields: {
    enabled: flag(),
    "api-key": text("", { redacted: true }),
    "routing-key": text(),
    url: text("https://alert.victorops.com/integrations/generic/20131114/alert"),
    global: globalField(),
    "json-data": flag(),
  },
  validate: ([element]) => needs("victorops", element, ["url", "api-key", "routing-key"]),
});

export const zenoss = defineSection({
  name: "zenoss",
  doc: "Zenoss.",
  overridable: true,
  fields: {
    enabled: flag(),
    url: text("https://tenant.zenoss.io:8080/zport/dmd/evconsole_router"),
    username: text(),
    password: text("", { redacted: true }),
    action: text("EventsRouter"),
    method: text("add_event"),
    type: text("rpc"),
    tid: integer(1),
    collector: text("Kapacitor"),
    global: globalField(),
    "state-changes-only": stateChangesOnlyField(),
    "severity-map": table({
      OK: text("Clear"),
      Info: text("Info"),
      Warning: text("Warning"),
      Critical: text("Critical"),
    }),
  },
  validate: ([element]) => needs("zenoss", element, ["url"]),
});
